/** Differences for people, and what would repair them. */
import type { Repairs, RowRepair } from '../destination/control.ts';
import { describeBuckets } from './compare-rollup.ts';
import { describeCopies } from './compare-multiset.ts';
import type { RowDifference } from './compare-rows.ts';
import type { Comparison } from './comparison.ts';
import { describedSelect, describeRows, type Difference } from './difference.ts';
import type { Suspects, TableSuspects } from './examine.ts';
import { copyByKey, sourceByKey } from './rows-by-key.ts';

/** Both sides of the first differences of each kind and table, `limit` in all. Read at the comparison's present position. */
export async function describeSuspects(
  comparison: Comparison,
  suspects: Suspects,
  limit: number,
): Promise<Difference[]> {
  const found: Difference[] = [];
  const some = <T>(list: readonly T[]): readonly T[] => list.slice(0, Math.max(0, limit - found.length));
  for (const table of suspects.tables) {
    found.push(...(await describeMirror(comparison, table, some(table.rows))));
    found.push(...(await describeHistory(comparison, table, some(table.history))));
    found.push(...(await describeAhead(comparison, table, some(table.ahead))));
  }
  const buckets = await describeBuckets(comparison.clones, some(suspects.buckets), comparison.signal);
  const note = found.length > 0 ? 'compared with tables that differ themselves' : '';
  return [...found, ...buckets.map((bucket) => ({ ...bucket, note }))];
}

/** Both sides of rows, read again by their keys. */
type Sides = Pick<Parameters<typeof describeRows>[0], 'expected' | 'found'>;

async function describe(
  { state: { plan } }: TableSuspects,
  rows: readonly RowDifference[],
  read: (keys: readonly (readonly string[])[]) => Promise<Sides>,
): Promise<Difference[]> {
  if (rows.length === 0) return [];
  return describeRows({ plan, rows, ...(await read(rows.map(({ key }) => key))) });
}

async function describeMirror(
  comparison: Comparison,
  table: TableSuspects,
  rows: readonly RowDifference[],
): Promise<Difference[]> {
  const { plan } = table.state;
  if (plan.isMultiset) return describeCopies(plan, rows);
  return await describe(table, rows, async (keys) => ({
    expected: await sourceByKey(comparison.reader, table.state, keys, describedSelect(plan, 'source')),
    found: await copyByKey({ ...comparison, plan }, keys, describedSelect(plan, 'copy'), 'newest'),
  }));
}

async function describeHistory(
  comparison: Comparison,
  table: TableSuspects,
  rows: readonly RowDifference[],
): Promise<Difference[]> {
  const { plan } = table.state;
  const select = describedSelect(plan, 'copy');
  const differences = await describe(table, rows, async (keys) => ({
    expected: await copyByKey({ ...comparison, plan }, keys, select, 'live'),
    found: await copyByKey({ ...comparison, plan }, keys, select, 'history'),
  }));
  return differences.map((difference) => ({ ...difference, kind: 'history' }));
}

async function describeAhead(
  comparison: Comparison,
  table: TableSuspects,
  rows: readonly RowDifference[],
): Promise<Difference[]> {
  const { plan } = table.state;
  const note = 'its version lies above the position: later changes of the row would not be seen';
  const differences = await describe(table, rows, async (keys) => {
    const found = await copyByKey({ ...comparison, plan }, keys, describedSelect(plan, 'copy'), 'newest');
    return { expected: found, found };
  });
  return differences.map((difference) => ({ ...difference, kind: 'ahead', note }));
}

/** Rows to read again and buckets to compute again. Rows without a key cannot be read again: their table is loaded anew, if asked for. */
export function repairsOf({ tables, buckets }: Suspects): Repairs {
  const rows = new Map<string, RowRepair>();
  for (const { state, ...suspects } of tables.filter((found) => !found.state.plan.isMultiset)) {
    const table = state.plan.label;
    for (const { key } of [...suspects.rows, ...suspects.history, ...suspects.ahead])
      rows.set(JSON.stringify([table, key]), { table, key });
  }
  return { rows: [...rows.values()], buckets: buckets.map(({ campaignId, hour }) => ({ campaignId, hour })) };
}
