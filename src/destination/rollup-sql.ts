/**
 * SQL text of the comparison between rollup and mirrors. The expressions for hour and price are those of
 * the views in sql/clickhouse/R__rollup_views.sql; a test compares the two.
 */
import { chIdent, chLiteral } from '../model/quote.ts';
import type { Names } from './ddl.ts';
import type { Bucket, DirtyBuckets } from './rollups.ts';

/** Which buckets to compare, per fact: all, or those that meet a condition; null leaves the fact out. */
export interface Scope {
  readonly impressions: 'all' | Conditions | null;
  readonly clicks: 'all' | Conditions | null;
}

/** The same set of buckets as conditions on a mirror's rows and on the rollup's. */
export interface Conditions {
  readonly mirror: string;
  readonly rollup: string;
}

/** Start of the hour of `created_at`, rounded down also before 1970; independent of session settings. */
export const HOUR_SQL =
  "fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(created_at) - positiveModulo(toUnixTimestamp64Micro(created_at), 3600000000), 1000000), 'UTC')";

/** Stands for NULL in keys that are compared: outside Int32 and outside every hour. */
const NONE = '-9223372036854775808';

/** Conditions on the time of events in one statement: gaps beyond that many are read through. */
const MAX_RANGES = 32;

/** Price of the event in force at its time; 0 when campaign, time or price is not known. */
export function priceSql(names: Names): string {
  const dictionary = chLiteral(`${names.database}.campaign_price`);
  return (
    'if(isNull(campaign_id) OR isNull(created_at), toDecimal64(0, 6), ' +
    `dictGet(${dictionary}, 'bid', toUInt64(assumeNotNull(campaign_id)), assumeNotNull(created_at)))`
  );
}

/** The scope of what is dirty; null when nothing is. */
export function scopeOf(dirty: DirtyBuckets): Scope | null {
  if (dirty.all) return { impressions: 'all', clicks: 'all' };
  const impressions = conditions(dirty.impressions, dirty.repriced);
  const clicks = conditions(dirty.clicks, dirty.repriced);
  return impressions === null && clicks === null ? null : { impressions, clicks };
}

/**
 * One row per bucket of the scope in which mirrors and rollup differ: mirrors − rollup.
 * Columns: campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm.
 */
export function differencesSql(names: Names, scope: Scope): string {
  const parts: string[] = [];
  for (const fact of ['impressions', 'clicks'] as const) {
    const buckets = scope[fact];
    if (buckets === null) continue;
    const where = buckets === 'all' ? { mirror: 'true', rollup: 'true' } : buckets;
    parts.push(mirrorSql(names, fact, where.mirror), rollupSql(names, fact, where.rollup));
  }
  return `SELECT campaign_id, hour, sum(d_impressions) AS impressions, sum(d_clicks) AS clicks,
  sum(d_cpc) AS spend_cpc, sum(d_cpm) AS spend_cpm
FROM (
${parts.join('\nUNION ALL\n')}
)
GROUP BY campaign_id, hour
HAVING impressions != 0 OR clicks != 0 OR spend_cpc != 0 OR spend_cpm != 0`;
}

function mirrorSql(names: Names, fact: 'impressions' | 'clicks', where: string): string {
  const [impressions, clicks] = fact === 'impressions' ? ['toInt64(count())', 'toInt64(0)'] : ['toInt64(0)', 'toInt64(count())'];
  const [cpc, cpm] = fact === 'impressions' ? ['toDecimal128(0, 6)', 'sum(price / 1000)'] : ['sum(price)', 'toDecimal128(0, 6)'];
  return `SELECT campaign_id, hour, ${impressions} AS d_impressions, ${clicks} AS d_clicks, ${cpc} AS d_cpc, ${cpm} AS d_cpm
FROM (
  SELECT campaign_id, ${HOUR_SQL} AS hour, ${priceSql(names)} AS price
  FROM ${chIdent(names.database)}.${fact} FINAL WHERE _deleted = 0 AND (${where})
)
GROUP BY campaign_id, hour`;
}

function rollupSql(names: Names, fact: 'impressions' | 'clicks', where: string): string {
  const own = fact === 'impressions';
  return `SELECT campaign_id, hour, ${own ? '-sum(impressions)' : '0'}, ${own ? '0' : '-sum(clicks)'},
  ${own ? '0' : '-sum(spend_cpc)'}, ${own ? '-sum(spend_cpm)' : '0'}
FROM ${chIdent(names.database)}.campaign_hourly WHERE ${where}
GROUP BY campaign_id, hour`;
}

function conditions(buckets: readonly Bucket[], repriced: DirtyBuckets['repriced']): Conditions | null {
  const keys: string[] = [];
  if (buckets.length > 0) keys.push(bucketCondition(buckets));
  if (repriced.length > 0) keys.push(repricedCondition(repriced));
  if (keys.length === 0) return null;
  const at = (hour: string): string => keys.join(' OR ').replaceAll('{hour}', hour);
  const mirrorHour = 'intDiv(toUnixTimestamp64Micro(created_at) - positiveModulo(toUnixTimestamp64Micro(created_at), 3600000000), 3600000000)';
  return {
    mirror: `(${pruning(buckets, repriced)}) AND (${at(mirrorHour)})`,
    rollup: at('intDiv(toUnixTimestamp64Second(hour), 3600)'),
  };
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

/**
 * Covers hours with at most `limit` ranges, joining across the smallest gaps.
 *
 * @returns `[first, last]` pairs, both inclusive, in order.
 */
export function hourRanges(hours: readonly number[], limit: number): [number, number][] {
  const sorted = [...new Set(hours)].sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((hour, i) => hour - (sorted[i] ?? hour));
  const widest = gaps.filter((gap) => gap > 1).sort((a, b) => b - a);
  const cuts = widest.slice(0, limit - 1);
  const least = cuts.at(-1) ?? Infinity;
  let left = cuts.length;
  const ranges: [number, number][] = [];
  for (const [i, hour] of sorted.entries()) {
    const last = ranges.at(-1);
    const gap = gaps[i - 1] ?? Infinity;
    if (last !== undefined && (gap < least || left === 0)) last[1] = hour;
    else {
      if (last !== undefined) left--;
      ranges.push([hour, hour]);
    }
  }
  return ranges;
}
