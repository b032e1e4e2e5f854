/**
 * Compares a table without a key: which rows it has, and how often each. A row of the copy is as often there as the signs
 * of its changes add up to (destination/multiset.ts).
 *
 *   sums of signs and of signed hashes per range of hashes ─► ranges that differ ─► their rows, grouped by all values
 */
import { tableLabel } from '../model/table.ts';
import type { TextRow } from '../source/connection.ts';
import type { Comparison } from './comparison.ts';
import { type FoundKeys, KEPT_KEYS, type RowDifference } from './compare-rows.ts';
import type { Difference } from './difference.ts';
import { readSource, type SourceTableState } from './source-table.ts';
import { type Slice, sliceCondition, type TablePlan } from './table-plan.ts';

/** SQL: rows and checksum of a range of such a mirror. @param hash Of one row. */
export function multisetSums(hash: string): string {
  return `sum(_sign) AS rows, toString(sum(toInt128(${hash}) * _sign)) AS sum`;
}

interface Copies {
  readonly match: string;
  /** Values as people read them; NULL is null. */
  readonly values: readonly (string | null)[];
  source: bigint;
  copy: bigint;
}

/** Reads the slices, and tells rows that are more often on one side. Each row counts once, however often it is there. */
export async function collectCopies(
  comparison: Comparison,
  state: SourceTableState,
  slices: readonly Slice[],
): Promise<FoundKeys> {
  const counts = { missing: 0, extra: 0, different: 0 };
  const kept: RowDifference[] = [];
  for (const slice of slices) {
    for (const copies of (await readCopies(comparison, state, slice)).values()) {
      if (copies.source === copies.copy) continue;
      const difference = differenceOf(state.plan, copies);
      counts[difference.kind] += 1;
      if (kept.length < KEPT_KEYS) kept.push(difference);
    }
  }
  return { counts, kept };
}

async function readCopies(
  { reader, clones, signal }: Comparison,
  state: SourceTableState,
  slice: Slice,
): Promise<Map<string, Copies>> {
  const { plan } = state;
  const found = new Map<string, Copies>();
  const of = (row: TextRow): Copies => {
    const match = row['m'] ?? '';
    const copies = found.get(match) ?? {
      match,
      values: plan.columns.map((_, i) => row[`s${i}`] ?? null),
      source: 0n,
      copy: 0n,
    };
    found.set(match, copies);
    return copies;
  };
  const groups = `GROUP BY ${[plan.match, ...plan.columns].map((_, i) => i + 1).join(', ')}`;
  const select = `${rowSelect(plan, 'source')}, count(*)::text AS n`;
  await readSource(reader, state, { select, groupBy: groups, slice }, (rows) => {
    for (const row of rows) of(row).source += BigInt(row['n'] ?? 0);
  });
  const names = ['m', ...plan.columns.map((_, i) => `s${i}`)].join(', ');
  const rows = await clones.rows<TextRow>(
    `SELECT ${names}, toString(sum(sign)) AS n FROM (SELECT ${rowSelect(plan, 'copy')}, _sign AS sign
       FROM ${clones.table(plan.table.target)} FINAL WHERE ${sliceCondition(plan, slice).copy}) GROUP BY ${names} HAVING n != '0'`,
    signal,
  );
  for (const row of rows) of(row).copy += BigInt(row['n'] ?? 0);
  return found;
}

/** All values of a row: as it is matched, and as people read them. */
function rowSelect(plan: TablePlan, side: 'source' | 'copy'): string {
  return [`${plan.match[side]} AS m`, ...plan.columns.map((column, i) => `${column[side].shown} AS s${i}`)].join(', ');
}

function differenceOf(plan: TablePlan, { match, values, source, copy }: Copies): RowDifference {
  const note = `${source} × in the source, ${copy} × in the copy; \`millrace resync ${tableLabel(plan.table)}\` loads it anew`;
  return {
    kind: source > copy ? 'missing' : 'extra',
    key: values.map((value) => value ?? 'NULL'),
    match,
    note,
  };
}

/** As they are told. A single row of such a table cannot be repaired: nothing says which of its equals it is. */
export function describeCopies({ label }: TablePlan, rows: readonly RowDifference[]): Difference[] {
  return rows.map(({ kind, key, note = '' }) => ({ table: label, kind, key, version: null, values: [], note }));
}
