/**
 * SQL text of the comparison between rollup and mirrors. The expressions for hour and price are those of
 * the views in sql/clickhouse/R__rollup_views.sql; a test compares the two.
 */
import { chIdent, chLiteral } from '../model/quote.ts';
import type { Names } from './ddl.ts';

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

/** Price of the event in force at its time; 0 when campaign, time or price is not known. */
export function priceSql(names: Names): string {
  const dictionary = chLiteral(`${names.database}.campaign_price`);
  return (
    'if(isNull(campaign_id) OR isNull(created_at), toDecimal64(0, 6), ' +
    `dictGet(${dictionary}, 'bid', toUInt64(assumeNotNull(campaign_id)), assumeNotNull(created_at)))`
  );
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
  const [impressions, clicks] =
    fact === 'impressions' ? ['toInt64(count())', 'toInt64(0)'] : ['toInt64(0)', 'toInt64(count())'];
  const [cpc, cpm] =
    fact === 'impressions' ? ['toDecimal128(0, 6)', 'sum(price / 1000)'] : ['sum(price)', 'toDecimal128(0, 6)'];
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
