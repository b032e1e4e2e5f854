/** What the rules look at: figures of each campaign from the rollup, and the state of the copy. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { EXPECTED_SPEND, FLIGHT, PERIOD_SPEND } from '../kpi/flight.ts';
import { HOUR_NOW, hourOfDay, LOCAL_DAY, TODAY } from '../kpi/fragments.ts';
import { withSources } from '../kpi/short-cuts.ts';
import { PRESENT } from '../kpi/sources.ts';
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
  /** Of the period that the budget is for: all time, or today. */
  readonly spend: number;
  /** In the full days of the flight until now. */
  readonly flightSpend: number;
  /** What those days should have cost; null without both dates. */
  readonly due: number | null;
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
  /** Where no rule of the campaign or its advertiser says it. */
  readonly pricingModel: 'cpc' | 'cpm';
  readonly budgetKind: 'lifetime' | 'daily';
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
  { now, timezone, pricingModel, budgetKind, zeroDeliveryHours: hours }: MeasureOptions,
): Promise<CampaignMeasures[]> {
  const sql = withSources(CAMPAIGNS, PRESENT).replaceAll('${database}', chIdent(names.database));
  const params = { now: clock(now), timezone, pricing_model: pricingModel, budget_kind: budgetKind, hours };
  const rows = await clickhouse.rows<CampaignRow>(sql, { params });
  return rows.map(({ before_impressions, before_clicks, ...row }) => ({
    id: row.id,
    name: row.name,
    budget: row.budget,
    daysSinceStart: row.days_since_start,
    daysToEnd: row.days_to_end,
    hoursToday: row.hours_today,
    spend: row.spend,
    flightSpend: row.flight_spend,
    due: row.due,
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
  readonly flight_spend: number;
  readonly due: number | null;
  readonly recent: number;
  readonly today_impressions: number;
  readonly today_clicks: number;
  readonly so_far_impressions: number;
  readonly so_far_clicks: number;
  readonly before_impressions: number[];
  readonly before_clicks: number[];
}

const NOW = "{now:DateTime64(6, 'UTC')}";

function sum(column: string, condition: string): string {
  return `toFloat64(sumIf(${column}, ${condition}))`;
}

/** Of a day so many weeks ago, the hours that are over today. */
function sameHours(weeks: number): string {
  return `day = subtractDays(${TODAY}, ${7 * weeks}) AND hour_of_day < ${HOUR_NOW}`;
}

function earlier(column: string): string {
  return `[${WEEKS.map((weeks) => sum(column, sameHours(weeks))).join(', ')}]`;
}

/** Money and flight are those of the key figures; the counts of single hours are read beside them. */
const CAMPAIGNS = `SELECT assumeNotNull(f.campaign_id) AS id, assumeNotNull(f.campaign) AS name, toFloat64(assumeNotNull(f.budget)) AS budget,
  toInt32(dateDiff('day', f.start_date, f.today)) AS days_since_start, toInt32(dateDiff('day', f.today, f.end_date)) AS days_to_end,
  ${HOUR_NOW} AS hours_today, toFloat64(${PERIOD_SPEND}) AS spend, toFloat64(f.flight_spend) AS flight_spend, toFloat64(${EXPECTED_SPEND}) AS due,
  ifNull(k.recent, 0) AS recent, ifNull(k.today_impressions, 0) AS today_impressions, ifNull(k.today_clicks, 0) AS today_clicks,
  ifNull(k.so_far_impressions, 0) AS so_far_impressions, ifNull(k.so_far_clicks, 0) AS so_far_clicks,
  k.before_impressions AS before_impressions, k.before_clicks AS before_clicks
FROM ${FLIGHT} AS f
LEFT JOIN
(
  SELECT campaign_id, ${sum('impressions', `hour >= toStartOfHour(${NOW}) - toIntervalHour({hours:UInt32})`)} AS recent,
    ${sum('impressions', `day = ${TODAY}`)} AS today_impressions, ${sum('clicks', `day = ${TODAY}`)} AS today_clicks,
    ${sum('impressions', sameHours(0))} AS so_far_impressions, ${sum('clicks', sameHours(0))} AS so_far_clicks,
    ${earlier('impressions')} AS before_impressions, ${earlier('clicks')} AS before_clicks
  FROM
  (
    SELECT campaign_id, hour, impressions, clicks, ${LOCAL_DAY} AS day, ${hourOfDay('hour')} AS hour_of_day
    FROM \${facts}
    WHERE isNotNull(campaign_id) AND hour >= ${NOW} - toIntervalDay(31 + intDiv({hours:UInt32}, 24))
  )
  GROUP BY campaign_id
) AS k ON f.campaign_id = k.campaign_id
ORDER BY id`;

async function hasTable(clickhouse: ClickHouse, database: string, table: string): Promise<boolean> {
  const sql = 'SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}';
  return (await clickhouse.rows(sql, { params: { database, table } })).length > 0;
}

/** As ClickHouse reads a DateTime64(3, 'UTC'). */
function clock(at: Date): string {
  return at.toISOString().slice(0, 23).replace('T', ' ');
}
