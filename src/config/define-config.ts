/**
 * What a configuration in TypeScript or JavaScript imports.
 *
 *   import { defineConfig } from 'millrace/config';
 *   export default defineConfig({ tables: [{ match: 'public.users', columns: { email: { mask: 'hash' } } }] });
 */
import type { ReadAs, RowValue, Transform as ColumnTransform } from '../model/table-rule.ts';
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

/** What values are in a row's function, by how they are read. JSON is `unknown` until the function has looked at it. */
interface ReadTypes {
  readonly text: string;
  readonly number: number;
  readonly bigint: bigint;
  readonly boolean: boolean;
  readonly json: unknown;
}

/** The row that a function is given: the columns that it reads. NULL is `null`. */
export type ReadRow<Reads extends Readonly<Record<string, ReadAs>>> = {
  readonly [Name in keyof Reads]: ReadTypes[Reads[Name]] | null;
};

/** What `transform` of a table takes: see {@link transformRows}. */
export type RowRule = NonNullable<RuleInput['transform']>;

/**
 * A pure function from columns of a row to those that are stored instead:
 *
 *   transform: transformRows({
 *     reads: { email: 'text', country: 'text' },
 *     sets: ['email'],
 *     row: ({ email, country }) => ({ email: country === 'DE' ? null : email }),
 *   })
 *
 * @param rule.reads Columns that it is given, each with what its values are read as.
 * @param rule.sets Columns of which it gives the values; of each, for every row, a value or `null`.
 */
export function transformRows<
  const Reads extends Readonly<Record<string, ReadAs>>,
  const Sets extends readonly [string, ...string[]],
>(rule: {
  readonly reads: Reads;
  readonly sets: Sets;
  readonly row: (row: ReadRow<Reads>) => { readonly [Name in Sets[number]]: RowValue };
}): RowRule {
  return { reads: { ...rule.reads }, sets: [...rule.sets], row: rule.row as RowRule['row'] };
}

/** Gives back what it is given: for its type alone. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}
