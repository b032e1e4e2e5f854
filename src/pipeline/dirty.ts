/**
 * Which rollup buckets a batch touches. Pure: reads the batch's columns.
 *
 * Old buckets are stored with the plan before the batch is written, since afterwards the old rows are gone
 * from the mirror; new ones can be told from the rows themselves, and are only wanted when something is in doubt.
 */
import { CLEAN } from '../destination/checkpoint.ts';
import type { Bucket, DirtyBuckets } from '../destination/rollups.ts';
import type { Batch } from './batch.ts';
import type { TableBatch } from './table-batch.ts';

const US_PER_HOUR = 3_600_000_000n;

/** The hour since 1970 of a time in µs; floors, also before 1970. */
export function hourOf(us: bigint): number {
  const hour = us / US_PER_HOUR;
  return Number(us < 0n && hour * US_PER_HOUR !== us ? hour - 1n : hour);
}

/**
 * The buckets of a batch's event rows.
 *
 * @param states `old`: those of states taken out; `all`: those of states put in as well.
 */
export function bucketsOf(batch: Batch, states: 'old' | 'all'): DirtyBuckets {
  const impressions: Bucket[] = [];
  const clicks: Bucket[] = [];
  for (const table of batch.tables.values()) {
    const { role } = table.layout;
    if (role.kind !== 'events') continue;
    (role.fact === 'impressions' ? impressions : clicks).push(...tableBuckets(table, states));
  }
  return impressions.length + clicks.length === 0 ? CLEAN : { ...CLEAN, impressions, clicks };
}

function tableBuckets(table: TableBatch, states: 'old' | 'all'): Bucket[] {
  const { role } = table.layout;
  if (role.kind !== 'events') return [];
  const campaigns = table.columns[role.campaignColumn];
  const times = table.columns[role.timeColumn];
  const buckets = new Map<string, Bucket>();
  for (let row = 0; row < table.rows; row++) {
    const sign = table.marks.sign(row);
    if (sign === 0 || (states === 'old' && sign > 0)) continue;
    const us = times?.value(row) as bigint | null;
    const bucket = { campaignId: campaigns?.value(row) as number | null, hour: us === null ? null : hourOf(us) };
    buckets.set(`${bucket.campaignId}/${bucket.hour}`, bucket);
  }
  return [...buckets.values()];
}
