/** Compares rows one by one, by key and hash: which are missing, too many, different. */
import type { TextRow } from '../source/connection.ts';
import type { Comparison } from './comparison.ts';
import { copyByKey, type KeyText, sourceByKey } from './rows-by-key.ts';
import { readSource, type SourceTableState } from './source-table.ts';
import { type Slice, sliceCondition, type TablePlan } from './table-plan.ts';

/**
 * - `missing`: the source has the row, the copy has not
 * - `extra`: the copy has it, the source has not
 * - `different`: both have it, with other values
 */
export type RowKind = 'missing' | 'extra' | 'different';

/** One row that differs. */
export interface RowDifference {
  readonly kind: RowKind;
  readonly key: KeyText;
  /** The key in canonical form. */
  readonly match: string;
  /** Of a row without a key: how often it is on either side, in words. */
  readonly note?: string;
}

/** Rows that differ: all counted, most of them kept. */
export interface FoundKeys {
  readonly counts: Readonly<Record<RowKind, number>>;
  readonly kept: readonly RowDifference[];
}

/** Most rows of a table that are kept by key: more are only counted. */
export const KEPT_KEYS = 100_000;

/** Nothing. */
export const NO_ROWS: FoundKeys = { counts: { missing: 0, extra: 0, different: 0 }, kept: [] };

/** A row of one side, as `m` (match), `h` (hash), `k0`, `k1` … (key parts). */
type KeyedRow = Readonly<Record<string, string | null>>;

/** Reads the slices row by row. Each is read on both sides and forgotten before the next. */
export async function collectDifferences(
  comparison: Comparison,
  state: SourceTableState,
  slices: readonly Slice[],
): Promise<FoundKeys> {
  const counts = { missing: 0, extra: 0, different: 0 };
  const kept: RowDifference[] = [];
  const { plan } = state;
  for (const slice of slices) {
    const source: TextRow[] = [];
    await readSource(comparison.reader, state, { select: keyedSelect(plan, 'source'), slice }, (rows) => {
      for (const row of rows) source.push(row);
    });
    const copy = await comparison.clones.rows<Record<string, string | null>>(
      `SELECT ${keyedSelect(plan, 'copy')} FROM ${comparison.clones.table(plan.table.target)} FINAL
       WHERE ${plan.live} AND ${sliceCondition(plan, slice).copy}`,
      comparison.signal,
    );
    for (const difference of differencesOf(plan, source, copy)) {
      counts[difference.kind] += 1;
      if (kept.length < KEPT_KEYS) kept.push(difference);
    }
  }
  return { counts, kept };
}

/** Which of these rows (still) differ, read by their keys. */
export async function recheckRows(
  comparison: Comparison,
  state: SourceTableState,
  keys: readonly KeyText[],
): Promise<RowDifference[]> {
  const { plan } = state;
  const source = await sourceByKey(comparison.reader, state, keys, keyedSelect(plan, 'source'));
  const copy = await copyByKey({ ...comparison, plan }, keys, keyedSelect(plan, 'copy'), 'live');
  return differencesOf(plan, source, copy);
}

/** What must not be: rows that the copy keeps may be. */
function differencesOf(
  { keepsMore }: TablePlan,
  source: readonly KeyedRow[],
  copy: readonly KeyedRow[],
): RowDifference[] {
  return compareRows(source, copy).filter(({ kind }) => !(keepsMore && kind === 'extra'));
}

/** Match, hash and key parts of a row. */
export function keyedSelect(plan: TablePlan, side: 'source' | 'copy'): string {
  const hash = side === 'source' ? `(${plan.hash.source})::text` : `toString(${plan.hash.copy})`;
  const parts = plan.key.map((column, i) => `${column[side].shown} AS k${i}`);
  return [`${plan.match[side]} AS m`, `${hash} AS h`, ...parts].join(', ');
}

/** Matches both sides by key. */
export function compareRows(source: readonly KeyedRow[], copy: readonly KeyedRow[]): RowDifference[] {
  const inCopy = new Map(copy.map((row) => [row['m'], row]));
  const differences: RowDifference[] = [];
  for (const row of source) {
    const other = inCopy.get(row['m']);
    inCopy.delete(row['m']);
    if (other === undefined) differences.push(differenceOf('missing', row));
    else if (other['h'] !== row['h']) differences.push(differenceOf('different', row));
  }
  return [...differences, ...[...inCopy.values()].map((row) => differenceOf('extra', row))];
}

function differenceOf(kind: RowKind, row: KeyedRow): RowDifference {
  const key: string[] = [];
  for (let i = 0; row[`k${i}`] !== undefined; i++) key.push(row[`k${i}`] ?? '');
  return { kind, key, match: row['m'] ?? '' };
}
