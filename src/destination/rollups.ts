/**
 * Keeps the rollup `campaign_hourly` equal to the mirrors: by state, not by change.
 *
 *   difference per bucket = events in the mirror (FINAL, priced now) − what the rollup says
 *
 * Inserting the difference repairs whatever happened to a bucket, however often it is done: after an
 * insert whose outcome is uncertain, after a price that reaches back, after the first load. The caller
 * must be the only writer and hold the apply loop meanwhile.
 */
import { chIdent, chLiteral } from '../model/quote.ts';
import type { ClickHouse, Settings } from './client.ts';
import type { Names } from './ddl.ts';
import { hourRanges } from './hour-ranges.ts';
import { type Conditions, differencesSql, type Scope } from './rollup-sql.ts';

/** One cell of the rollup. */
export interface Bucket {
  /** NULL: events without a campaign. */
  readonly campaignId: number | null;
  /** Hours since 1970, floor(µs / 3.6e9), negative before; NULL: events without a time. */
  readonly hour: number | null;
}

/** What may differ between rollup and mirrors. */
export interface DirtyBuckets {
  /** Everything; the rest is then ignored. */
  readonly all: boolean;
  readonly impressions: readonly Bucket[];
  readonly clicks: readonly Bucket[];
  /** Campaigns whose events from that hour on have other prices than before. */
  readonly repriced: readonly { readonly campaignId: number; readonly sinceHour: number }[];
}

/** Options of {@link reconcile}. */
export interface ReconcileOptions {
  /** What marks the statement on the server (fence.ts): an earlier one with the same mark is ended first. */
  readonly tag?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * - An equal correction must not be taken for a repetition of an earlier one.
 * - A rebuild spills to disk rather than holding every bucket in memory.
 * - The summary counts written rows only when the server waits for the end.
 */
const RECONCILE_SETTINGS: Settings = {
  deduplicate_insert: 'disable',
  max_bytes_before_external_group_by: 1_000_000_000,
  wait_end_of_query: 1,
};

/** Corrections become one part, which readers see as a whole: 48 bytes a bucket, so 4 GiB are 90 million of them. */
const ONE_PART: Settings = {
  max_insert_threads: 1,
  min_insert_block_size_rows: 1_000_000_000,
  min_insert_block_size_bytes: 4 * 2 ** 30,
};

/** Stands for NULL in keys that are compared: outside Int32 and outside every hour. */
const NONE = '-9223372036854775808';

/** Conditions on the time of events in one statement: gaps beyond that many are read through. */
const MAX_RANGES = 32;

/** Room in a statement beside its list of buckets. */
const STATEMENT_BYTES = 262_144;

/**
 * Makes the rollup equal to the mirrors in the given buckets. May be repeated, also after a failure.
 *
 * With `all` it is one pass over both mirrors, also onto an empty rollup: the way to build it.
 *
 * @returns Buckets corrected.
 * @throws {AppError} `CLICKHOUSE_FAILED`, `CLICKHOUSE_UNREACHABLE`.
 */
export async function reconcile(
  clickhouse: ClickHouse,
  names: Names,
  dirty: DirtyBuckets,
  options: ReconcileOptions = {},
): Promise<number> {
  const scope = scopeOf(dirty);
  return scope === null ? 0 : await correct(clickhouse, names, scope, options);
}

/**
 * Makes the rollup of a month of events (all of them, when it is null) equal to the mirrors, in one step for readers:
 * they see every bucket as it was, or every bucket right, and never an empty rollup. May be repeated.
 *
 * @param month `YYYYMM` in UTC, of the event; `none`: events without a time.
 * @returns Buckets corrected.
 * @throws {AppError} `CLICKHOUSE_FAILED`, `CLICKHOUSE_UNREACHABLE`.
 */
export async function rebuild(
  clickhouse: ClickHouse,
  names: Names,
  month: string | null,
  options: ReconcileOptions = {},
): Promise<number> {
  const conditions = month === null ? 'all' : monthConditions(month);
  return await correct(
    clickhouse,
    names,
    { impressions: conditions, clicks: conditions },
    { ...options, settings: ONE_PART },
  );
}

async function correct(
  clickhouse: ClickHouse,
  names: Names,
  scope: Scope,
  options: ReconcileOptions & { readonly settings?: Settings },
): Promise<number> {
  const tag = options.tag ?? `millrace reconcile ${names.database}`;
  await endEarlier(clickhouse, tag, options);
  const sql =
    `INSERT INTO ${chIdent(names.database)}.campaign_hourly (campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm)\n` +
    differencesSql(names, scope);
  const settings = {
    ...RECONCILE_SETTINGS,
    ...options.settings,
    log_comment: tag,
    max_query_size: sql.length + STATEMENT_BYTES,
  };
  return await clickhouse.command(sql, { settings, signal: options.signal });
}

/** Counts the buckets in which rollup and mirrors differ; 0 is right. */
export async function differences(
  clickhouse: ClickHouse,
  names: Names,
  options: ReconcileOptions = {},
): Promise<number> {
  const scope: Scope = { impressions: 'all', clicks: 'all' };
  const [row] = await clickhouse.rows<{ buckets: string }>(
    `SELECT count() AS buckets FROM (${differencesSql(names, scope)})`,
    {
      settings: { max_bytes_before_external_group_by: 1_000_000_000 },
      signal: options.signal,
    },
  );
  return Number(row?.buckets ?? 0);
}

/** Makes the price dictionary see the history as it is now. On failure the prices before stay in force. */
export async function reloadPrices(clickhouse: ClickHouse, names: Names): Promise<void> {
  await clickhouse.command(`SYSTEM RELOAD DICTIONARY ${chIdent(names.database)}.campaign_price`);
}

/**
 * Ends a reconcile whose connection was lost: the server would finish it, and both would correct the same
 * difference. Waits until it is gone.
 */
async function endEarlier(clickhouse: ClickHouse, tag: string, options: ReconcileOptions): Promise<void> {
  await clickhouse.command(`KILL QUERY WHERE Settings['log_comment'] = {tag:String} SYNC`, {
    params: { tag },
    signal: options.signal,
  });
}

/** The scope of what is dirty; null when nothing is. */
function scopeOf(dirty: DirtyBuckets): Scope | null {
  if (dirty.all) return { impressions: 'all', clicks: 'all' };
  const impressions = conditions(dirty.impressions, dirty.repriced);
  const clicks = conditions(dirty.clicks, dirty.repriced);
  return impressions === null && clicks === null ? null : { impressions, clicks };
}

function conditions(buckets: readonly Bucket[], repriced: DirtyBuckets['repriced']): Conditions | null {
  const keys: string[] = [];
  if (buckets.length > 0) keys.push(bucketCondition(buckets));
  if (repriced.length > 0) keys.push(repricedCondition(repriced));
  if (keys.length === 0) return null;
  const at = (hour: string): string => keys.join(' OR ').replaceAll('{hour}', hour);
  const mirrorHour =
    'intDiv(toUnixTimestamp64Micro(created_at) - positiveModulo(toUnixTimestamp64Micro(created_at), 3600000000), 3600000000)';
  return {
    mirror: `(${pruning(buckets, repriced)}) AND (${at(mirrorHour)})`,
    rollup: at('intDiv(toUnixTimestamp64Second(hour), 3600)'),
  };
}

/** The events of a month, UTC. The hour of an event lies in the month in which the event lies. */
function monthConditions(month: string): Conditions {
  if (month === 'none') return { mirror: 'created_at IS NULL', rollup: 'hour IS NULL' };
  const first = chLiteral(`${month.slice(0, 4)}-${month.slice(4)}-01`);
  const within = (column: string): string =>
    `${column} >= toDateTime64(${first}, 6, 'UTC') AND ${column} < addMonths(toDateTime64(${first}, 6, 'UTC'), 1)`;
  return { mirror: within('created_at'), rollup: within('hour') };
}

/** Listed buckets. The list is one text literal: parsed a hundred times faster than as many SQL literals. */
function bucketCondition(buckets: readonly Bucket[]): string {
  const lines = buckets.map(({ campaignId, hour }) => `${campaignId ?? NONE}\t${hour ?? NONE}`).join('\n');
  return (
    `(ifNull(toInt64(campaign_id), ${NONE}), ifNull({hour}, ${NONE})) IN ` +
    `(SELECT campaign, hour FROM format(TSV, 'campaign Int64, hour Int64', ${chLiteral(`${lines}\n`)}))`
  );
}

/** Campaigns from an hour on; an event without a time has no price to change. */
function repricedCondition(repriced: DirtyBuckets['repriced']): string {
  const since = new Map<number, number>();
  for (const { campaignId, sinceHour } of repriced) {
    since.set(campaignId, Math.min(sinceHour, since.get(campaignId) ?? sinceHour));
  }
  const never = '9223372036854775807';
  return (
    `ifNull({hour} >= transform(ifNull(toInt64(campaign_id), ${NONE}), ` +
    `[${[...since.keys()].join(', ')}]::Array(Int64), [${[...since.values()].join(', ')}]::Array(Int64), ${never}), false)`
  );
}

/** Ranges of event time that hold all wanted buckets, so that the minmax index of the mirror can skip the rest. */
function pruning(buckets: readonly Bucket[], repriced: DirtyBuckets['repriced']): string {
  const terms: string[] = [];
  const hours = buckets.flatMap(({ hour }) => (hour === null ? [] : [hour]));
  for (const [from, to] of hourRanges(hours, MAX_RANGES)) {
    terms.push(`(created_at >= ${instant(from)} AND created_at < ${instant(to + 1)})`);
  }
  if (hours.length < buckets.length) terms.push('created_at IS NULL');
  if (repriced.length > 0) {
    const first = repriced.reduce((least, { sinceHour }) => Math.min(least, sinceHour), Infinity);
    terms.push(`created_at >= ${instant(first)}`);
  }
  return terms.join(' OR ');
}

function instant(hour: number): string {
  return `fromUnixTimestamp64Micro(${BigInt(hour) * 3_600_000_000n}, 'UTC')`;
}
