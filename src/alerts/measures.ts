/** What the rules look at: figures of each campaign from the rollup, and the state of the copy. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { chIdent } from '../model/quote.ts';

/** Impressions and clicks of the same hours of one day. */
export interface DayPart {
  readonly impressions: number;
  readonly clicks: number;
}

/** Figures of a campaign that exists, at one moment. Days and hours are of the reporting time zone. */
export interface CampaignMeasures {
  readonly id: number;
  readonly name: string;
  readonly budget: number;
  /** Days since the first day of the flight: 0 on that day; null: it has no first day. */
  readonly daysSinceStart: number | null;
  /** Days until the last day of the flight: 0 on that day; null: it has no last day. */
  readonly daysToEnd: number | null;
  /** Of today that are over. */
  readonly hoursToday: number;
  readonly spend: number;
  readonly spendBeforeToday: number;
  /** Since {@link MeasureOptions.zeroDeliveryHours} before the hour now. */
  readonly recentImpressions: number;
  /** All of today. */
  readonly today: DayPart;
  /** Hours of today that are over. */
  readonly soFar: DayPart;
  /** The same hours one to four weeks ago. */
  readonly before: readonly DayPart[];
}

/** State of the copy. */
export interface CopyMeasures {
  /** `YYYY-MM-DD`, today in the reporting time zone. */
  readonly day: string;
  /** Figures are too low: tables load, or rollups are not built. Also when there is no ad schema at all. */
  readonly isIncomplete: boolean;
  /** For how long the copy has not been known to equal the source; null: it never was yet. */
  readonly staleSeconds: number | null;
  /** The newest verification; null when there was none. */
  readonly verified: { readonly verdict: string; readonly differences: number; readonly at: string } | null;
}

/** What to measure. */
export interface MeasureOptions {
  /** Name of the pipeline. */
  readonly pipeline: string;
  /** The moment to look from. */
  readonly now: Date;
  /** Name of the reporting time zone. */
  readonly timezone: string;
  readonly pricingModel: 'cpc' | 'cpm';
  readonly zeroDeliveryHours: number;
}

const WEEKS = [1, 2, 3, 4];

/** The state of the copy; null before there is one. */
export async function measureCopy(
  clickhouse: ClickHouse,
  names: Names,
  { pipeline, now, timezone }: MeasureOptions,
): Promise<CopyMeasures | null> {
  if (!(await hasTable(clickhouse, names.internal, 'alerts'))) return null;
  const internal = chIdent(names.internal);
  const hasRollup = await hasTable(clickhouse, names.database, 'as_of');
  const asOf = hasRollup ? `(SELECT loading FROM ${chIdent(names.database)}.as_of)` : 'true';
  const params = { pipeline, now: clock(now), timezone };
  const [row] = await clickhouse.rows<CopyRow>(
    `SELECT toString(toDate32(toTimeZone({now:DateTime64(3, 'UTC')}, {timezone:String}))) AS day, ${asOf} AS incomplete,
       (SELECT maxOrNull(applied_commit_time) FROM ${internal}.checkpoint FINAL WHERE pipeline = {pipeline:String} AND applied_commit_time > 0) AS applied,
       (SELECT maxOrNullIf(at, lag_bytes = 0 AND phase = 'streaming') FROM ${internal}.heartbeat WHERE pipeline = {pipeline:String} AND holds_slot) AS current,
       toFloat64(dateDiff('millisecond', greatest(applied, ifNull(current, applied)), now64(3, 'UTC'))) / 1000 AS stale`,
    { params },
  );
  const [verified] = await clickhouse.rows<{ verdict: string; differences: string; at: string }>(
    `SELECT verdict, differences, toString(finished_at) AS at FROM ${internal}.verifications FINAL
     WHERE pipeline = {pipeline:String} ORDER BY started_at DESC LIMIT 1`,
    { params },
  );
  return {
    day: row?.day ?? '',
    isIncomplete: row?.incomplete !== false,
    staleSeconds: row?.stale ?? null,
    verified: verified === undefined ? null : { ...verified, differences: Number(verified.differences) },
  };
}

interface CopyRow {
  readonly day: string;
  readonly incomplete: boolean;
  readonly stale: number | null;
}

/** The figures of every campaign that exists, from the rollup alone. */
export async function measureCampaigns(
  clickhouse: ClickHouse,
  names: Names,
  { now, timezone, pricingModel, zeroDeliveryHours }: MeasureOptions,
): Promise<CampaignMeasures[]> {
  const rows = await clickhouse.rows<CampaignRow>(campaignsSql(chIdent(names.database), pricingModel), {
    params: { now: clock(now), timezone, hours: zeroDeliveryHours },
  });
  return rows.map(({ before_impressions, before_clicks, ...row }) => ({
    id: row.id,
    name: row.name,
    budget: row.budget,
    daysSinceStart: row.days_since_start,
    daysToEnd: row.days_to_end,
    hoursToday: row.hours_today,
    spend: row.spend,
    spendBeforeToday: row.spend_before_today,
    recentImpressions: row.recent,
    today: { impressions: row.today_impressions, clicks: row.today_clicks },
    soFar: { impressions: row.so_far_impressions, clicks: row.so_far_clicks },
    before: before_impressions.map((impressions, i) => ({ impressions, clicks: before_clicks[i] ?? 0 })),
  }));
}

/** A row of the statement below; its numbers are cast to Float64, which JSON holds. */
interface CampaignRow {
  readonly id: number;
  readonly name: string;
  readonly budget: number;
  readonly days_since_start: number | null;
  readonly days_to_end: number | null;
  readonly hours_today: number;
  readonly spend: number;
  readonly spend_before_today: number;
  readonly recent: number;
  readonly today_impressions: number;
  readonly today_clicks: number;
  readonly so_far_impressions: number;
  readonly so_far_clicks: number;
  readonly before_impressions: number[];
  readonly before_clicks: number[];
}

function campaignsSql(database: string, pricingModel: 'cpc' | 'cpm'): string {
  const spend = pricingModel === 'cpm' ? 'spend_cpm' : 'spend_cpc';
  const sum = (column: string, condition: string): string => `toFloat64(sumIf(${column}, ${condition}))`;
  const sameHours = (weeks: number): string => `day = today - ${7 * weeks} AND hour_of_day < hour_now`;
  const earlier = (column: string): string => `[${WEEKS.map((weeks) => sum(column, sameHours(weeks))).join(', ')}]`;
  const isOver = `hour >= toStartOfHour({now:DateTime64(3, 'UTC')}) - toIntervalHour({hours:UInt32})`;
  return `WITH toTimeZone({now:DateTime64(3, 'UTC')}, {timezone:String}) AS local_now, toDate32(local_now) AS today, toHour(local_now) AS hour_now
SELECT assumeNotNull(c.campaign_id) AS id, assumeNotNull(c.campaign) AS name, toFloat64(assumeNotNull(c.budget)) AS budget,
  toInt32(dateDiff('day', c.start_date, today)) AS days_since_start, toInt32(dateDiff('day', today, c.end_date)) AS days_to_end, hour_now AS hours_today,
  ifNull(f.spend, 0) AS spend, ifNull(f.spend_before_today, 0) AS spend_before_today, ifNull(f.recent, 0) AS recent,
  ifNull(f.today_impressions, 0) AS today_impressions, ifNull(f.today_clicks, 0) AS today_clicks,
  ifNull(f.so_far_impressions, 0) AS so_far_impressions, ifNull(f.so_far_clicks, 0) AS so_far_clicks,
  f.before_impressions AS before_impressions, f.before_clicks AS before_clicks
FROM ${database}.campaign_directory AS c
LEFT JOIN
(
  SELECT campaign_id, ${sum(spend, 'true')} AS spend, ${sum(spend, 'day < today')} AS spend_before_today,
    ${sum('impressions', isOver)} AS recent,
    ${sum('impressions', 'day = today')} AS today_impressions, ${sum('clicks', 'day = today')} AS today_clicks,
    ${sum('impressions', sameHours(0))} AS so_far_impressions, ${sum('clicks', sameHours(0))} AS so_far_clicks,
    ${earlier('impressions')} AS before_impressions, ${earlier('clicks')} AS before_clicks
  FROM
  (
    SELECT campaign_id, hour, impressions, clicks, ${spend},
      toDate32(toTimeZone(hour, {timezone:String})) AS day, toHour(toTimeZone(hour, {timezone:String})) AS hour_of_day
    FROM ${database}.campaign_hourly WHERE isNotNull(campaign_id)
  )
  GROUP BY campaign_id
) AS f ON c.campaign_id = f.campaign_id
WHERE NOT c.deleted
ORDER BY id`;
}

async function hasTable(clickhouse: ClickHouse, database: string, table: string): Promise<boolean> {
  const sql = 'SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}';
  return (await clickhouse.rows(sql, { params: { database, table } })).length > 0;
}

/** As ClickHouse reads a DateTime64(3, 'UTC'). */
function clock(at: Date): string {
  return at.toISOString().slice(0, 23).replace('T', ' ');
}
