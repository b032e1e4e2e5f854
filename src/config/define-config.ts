/**
 * What a configuration in TypeScript or JavaScript imports.
 *
 *   import { defineConfig } from 'millrace/config';
 *   export default defineConfig({ tables: [{ match: 'public.users', columns: { email: { mask: 'hash' } } }] });
 */
import type { Transform as ColumnTransform } from '../model/table-rule.ts';
import type { OptionValues } from './options.ts';
import type { RuleInput } from './table-keys.ts';

/** The keys of millrace.yaml; sizes and numbers also as text, as there. */
export type UserConfig = {
  readonly [Name in keyof OptionValues]?: OptionValues[Name] | (number extends OptionValues[Name] ? string : never);
} & {
  /** Rules for tables, the later ones winning. */
  readonly tables?: readonly RuleInput[];
};

/** What `columns: {name: {transform}}` takes: a pure function from a value's text to the text that is stored. */
export type Transform = ColumnTransform;

/** Gives back what it is given: for its type alone. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}
