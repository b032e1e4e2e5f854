/**
 * Which rollup buckets a batch touches. Pure: reads the batch's columns.
 *
 * Old buckets are stored with the plan before the batch is written, since afterwards the old rows are gone
 * from the mirror; new ones can be told from the rows themselves, and are only wanted when something is in doubt.
 */
import { CLEAN } from '../destination/checkpoint.ts';
import type { Bucket, DirtyBuckets } from '../destination/rollups.ts';
import type { EventsRole } from '../model/roles.ts';
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
  const found = { impressions: new Map<string, Bucket>(), clicks: new Map<string, Bucket>() };
  for (const table of batch.tables.values()) {
    const { role } = table.layout;
    if (role.kind === 'events') addBuckets(found[role.fact], table, { role, states });
  }
  const { impressions, clicks } = found;
  if (impressions.size + clicks.size === 0) return CLEAN;
  return { ...CLEAN, impressions: [...impressions.values()], clicks: [...clicks.values()] };
}

function addBuckets(
  buckets: Map<string, Bucket>,
  table: TableBatch,
  { role, states }: { role: EventsRole; states: 'old' | 'all' },
): void {
  const campaigns = table.columns[role.campaignColumn];
  const times = table.columns[role.timeColumn];
  for (let row = 0; row < table.rows; row++) {
    const sign = table.marks.sign(row);
    if (sign === 0 || (states === 'old' && sign > 0)) continue;
    const us = times?.value(row) as bigint | null;
    const bucket = { campaignId: campaigns?.value(row) as number | null, hour: us === null ? null : hourOf(us) };
    buckets.set(`${bucket.campaignId}/${bucket.hour}`, bucket);
  }
}
