/** Compares the rollup with the mirrors, bucket by bucket: counts, and spend at the prices of the cloned history. */
import type { BucketRepair } from '../destination/control.ts';
import { differencesSql } from '../destination/rollup-sql.ts';
import type { Clones } from './clones.ts';
import type { Difference, DifferingValue } from './difference.ts';

/** The rollup's table. */
export const ROLLUP = 'campaign_hourly';

/** A bucket that differs, by how much: mirrors − rollup, as decimals. */
export interface BucketDifference extends BucketRepair {
  readonly missing: Readonly<Record<Figure, string>>;
}

/** What a bucket counts. */
const FIGURES = ['impressions', 'clicks', 'spend_cpc', 'spend_cpm'] as const;
type Figure = (typeof FIGURES)[number];

/** What was found in the rollup. */
export interface RollupOutcome {
  readonly buckets: number;
  readonly differing: readonly BucketDifference[];
}

/** Stands for NULL in keys that are compared: outside Int32 and outside every hour. */
const NONE = '-9223372036854775808';
const CAMPAIGN = `ifNull(toInt64(campaign_id), ${NONE})`;
const HOUR = `ifNull(intDiv(toUnixTimestamp64Second(hour), 3600), ${NONE})`;

/** Compares all buckets; the price dictionary of the clones must have been made. */
export async function compareRollup(clones: Clones, signal: AbortSignal): Promise<RollupOutcome> {
  const [count] = await clones.rows<{ n: string }>(
    `SELECT count() AS n FROM (SELECT 1 FROM ${clones.table(ROLLUP)} GROUP BY campaign_id, hour)`,
    signal,
  );
  const rows = await clones.rows<Record<string, string>>(
    `SELECT toString(${CAMPAIGN}) AS campaign, toString(${HOUR}) AS hours, toString(impressions) AS impressions, toString(clicks) AS clicks,
       toDecimalString(spend_cpc, 6) AS spend_cpc, toDecimalString(spend_cpm, 6) AS spend_cpm
     FROM (${differencesSql(clones.names, { impressions: 'all', clicks: 'all' })}) ORDER BY ${CAMPAIGN}, ${HOUR}`,
    signal,
  );
  return { buckets: Number(count?.n ?? 0), differing: rows.map(readBucket) };
}

function readBucket(row: Readonly<Record<string, string>>): BucketDifference {
  const number = (text: string | undefined): number | null =>
    text === undefined || text === NONE ? null : Number(text);
  const missing = Object.fromEntries(FIGURES.map((figure) => [figure, row[figure] ?? '0'])) as Record<Figure, string>;
  return { campaignId: number(row['campaign']), hour: number(row['hours']), missing };
}

/** Whether the rollup counts as many events as the mirrors have: without a look at single buckets. */
export async function rollupTotalsAgree(clones: Clones, signal: AbortSignal): Promise<boolean> {
  const [row] = await clones.rows<Record<'a' | 'b' | 'c' | 'd', string>>(
    `SELECT (SELECT sum(impressions) FROM ${clones.table(ROLLUP)}) AS a, (SELECT count() FROM ${clones.table('impressions')} FINAL) AS b,
       (SELECT sum(clicks) FROM ${clones.table(ROLLUP)}) AS c, (SELECT count() FROM ${clones.table('clicks')} FINAL) AS d`,
    signal,
  );
  return row?.a === row?.b && row?.c === row?.d;
}

/** Both sides of buckets that differ. */
export async function describeBuckets(
  clones: Clones,
  buckets: readonly BucketDifference[],
  signal: AbortSignal,
): Promise<Difference[]> {
  if (buckets.length === 0) return [];
  const keyOf = ({ campaignId, hour }: BucketRepair): string => `${campaignId ?? NONE}/${hour ?? NONE}`;
  const tuples = buckets.map(({ campaignId, hour }) => `(${campaignId ?? NONE}, ${hour ?? NONE})`).join(', ');
  const sums = FIGURES.map(
    (figure) =>
      `${figure.startsWith('spend') ? `toDecimalString(sum(${figure}), 6)` : `toString(sum(${figure}))`} AS sum_${figure}`,
  );
  const rows = await clones.rows<Record<string, string>>(
    `SELECT concat(toString(${CAMPAIGN}), '/', toString(${HOUR})) AS bucket, ${sums.join(', ')} FROM ${clones.table(ROLLUP)}
     WHERE (${CAMPAIGN}, ${HOUR}) IN (${tuples}) GROUP BY campaign_id, hour`,
    signal,
  );
  const found = new Map(rows.map((row) => [row['bucket'], row]));
  return buckets.map((bucket) => ({
    table: ROLLUP,
    kind: 'rollup',
    key: [bucket.campaignId === null ? null : String(bucket.campaignId), hourText(bucket.hour)],
    version: null,
    values: FIGURES.flatMap((figure) =>
      differingFigure(bucket, figure, found.get(keyOf(bucket))?.[`sum_${figure}`] ?? '0'),
    ),
    note: '',
  }));
}

function differingFigure({ missing }: BucketDifference, column: Figure, found: string): DifferingValue[] {
  const micros = decimalMicros(missing[column]);
  return micros === 0n
    ? []
    : [{ column, expected: microsText(decimalMicros(found) + micros), found: microsText(decimalMicros(found)) }];
}

/** `12.5` → 12500000. */
function decimalMicros(text: string): bigint {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const micros = BigInt(whole + fraction.padEnd(6, '0').slice(0, 6));
  return sign === '-' ? -micros : micros;
}

/** 12500000 → `12.5`. */
function microsText(micros: bigint): string {
  const digits = String(micros < 0n ? -micros : micros).padStart(7, '0');
  const fraction = digits.slice(-6).replace(/0+$/, '');
  return `${micros < 0n ? '-' : ''}${digits.slice(0, -6)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** `2026-11-23 12:00` of hours since 1970; null stays null. */
function hourText(hour: number | null): string | null {
  return hour === null ? null : new Date(hour * 3_600_000).toISOString().slice(0, 16).replace('T', ' ');
}
