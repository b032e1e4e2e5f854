/** Checks the rules for tables, value by value, and tells each mistake with its place. */
import type { z } from 'zod';
import { isPlainName } from '../model/patterns.ts';
import { nearest } from './nearest.ts';
import { COLUMN_KEYS, type GivenRule, TABLE_KEYS, TABLE_RULES } from './table-keys.ts';

/** What is said of values on their way into the copy. */
const STORING_KEYS = ['exclude', 'mask', 'transform', 'unfit', 'codec'] as const;

/** Where in `tables` something is: indexes of lists and keys. */
export type RulePath = readonly (string | number)[];

/** A mistake: never the value itself. */
export interface RuleMistake {
  readonly path: RulePath;
  readonly problem: string;
}

/** The rules, or what is wrong with them. */
export function checkTables(value: unknown): { rules: readonly GivenRule[]; mistakes: readonly RuleMistake[] } {
  const result = TABLE_RULES.safeParse(value);
  if (!result.success) return { rules: [], mistakes: result.error.issues.flatMap(mistakesOf) };
  return { rules: result.data, mistakes: result.data.flatMap(contradictions) };
}

/** `tables[1].columns.email.mask`. */
export function pathText(path: RulePath): string {
  return path.reduce<string>((text, part) => text + (typeof part === 'number' ? `[${part}]` : `.${part}`), 'tables');
}

function mistakesOf(issue: z.core.$ZodIssue): RuleMistake[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code !== 'unrecognized_keys') return [{ path, problem: issue.message }];
  const known = Object.keys(path.length === 1 ? TABLE_KEYS : COLUMN_KEYS);
  return issue.keys.map((key) => ({ path: [...path, key], problem: `no such key${nearest(key, known)}` }));
}

function contradictions(rule: GivenRule, i: number): RuleMistake[] {
  const mistakes: RuleMistake[] = [];
  const patterns = [rule.match].flat();
  if (rule.include === true && rule.exclude === true)
    mistakes.push({ path: [i, 'exclude'], problem: 'the same rule includes and excludes' });
  if (rule.target !== undefined && !(patterns.length === 1 && patterns.every(isPlainName)))
    mistakes.push({ path: [i, 'target'], problem: 'a name is for one table: expected match with one name' });
  const { sets = [] } = rule.transform ?? {};
  const twice = sets.findIndex((name, at) => sets.indexOf(name) < at);
  if (twice >= 0) mistakes.push({ path: [i, 'transform', 'sets', twice], problem: 'the column is named already' });
  for (const [column, said] of Object.entries(rule.columns ?? {})) {
    const other = STORING_KEYS.find((key) => said[key] !== undefined);
    if (said.computed === undefined || other === undefined) continue;
    const problem = `${other} is for columns that are stored, and this one is computed`;
    mistakes.push({ path: [i, 'columns', column, other], problem });
  }
  return mistakes;
}
