/** Pieces of SQL that the key figures share. */
import { column, type KpiColumn } from './definition.ts';

/** The local day of a bucket. */
export const LOCAL_DAY = 'toDate32(toTimeZone(hour, {timezone:String}))';

/**
 * The local hour of the day of an instant. Not `toHour(toTimeZone(…))`: in a condition ClickHouse 26.7 takes that of a Nullable key
 * for monotonic within a day of UTC, and leaves rows out whose local day ends in between (short-cuts.ch.test.ts shows it).
 */
export const hourOfDay = (instant: string): string => `toHour(${instant}, {timezone:String})`;

/** The local day of the week of an instant, 1 is Monday: likewise. */
export const dayOfWeek = (instant: string): string => `toDayOfWeek(${instant}, 0, {timezone:String})`;

/** The local day of the moment `now`. */
export const TODAY = "toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))";

/** The local hour of the day of the moment `now`: hours before it are over. */
export const HOUR_NOW = "toHour(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))";

/**
 * Buckets of the local days `from` to `to`, both included. A bucket without a time is in no range. The first two
 * conditions are for the index.
 */
export const IN_RANGE =
  "(hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2)" +
  ` AND ${LOCAL_DAY} >= {from:Date32} AND ${LOCAL_DAY} <= {to:Date32} AND \${whole_hours})`;

/** One row if some campaign exists or has events in the range, none otherwise. */
export const ANYBODY = `SELECT 1 FROM (SELECT 1 FROM \${live_campaigns} LIMIT 1
        UNION ALL SELECT 1 FROM \${facts} WHERE ${IN_RANGE} GROUP BY hour HAVING sum(impressions) != 0 OR sum(clicks) != 0 LIMIT 1) LIMIT 1`;

/** The position and time up to which all tables are applied, as a tuple; read once per query. */
export const AS_OF = '(SELECT (lsn, commit_time, loading) FROM ${as_of}) AS at';

/** Columns of every view: up to where the figures hold. */
export const AS_OF_COLUMNS = 'at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading';

/** Joins names to facts `f` that are aggregated already, one row per campaign: nothing is multiplied. */
export const JOIN_CAMPAIGN = `LEFT JOIN \${named_campaigns} AS c ON f.campaign_id = c.campaign_id
LEFT JOIN \${advertisers} AS a ON c.advertiser_id = a.advertiser_id`;

/** The same, with what the campaign's bid and budget mean. */
export const JOIN_PRICED_CAMPAIGN = JOIN_CAMPAIGN.replace('named_campaigns', 'campaigns');

/** Columns that say whose figures a row has. */
export const WHOSE_SELECT = `c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted`;

/** Their descriptions. */
export const WHOSE: readonly KpiColumn[] = [
  column('advertiser_id', 'Advertiser id', 'id'),
  column('advertiser', 'Advertiser', 'text', '“(none)” for events or campaigns without one'),
  column('campaign_id', 'Campaign id', 'id'),
  column('campaign', 'Campaign', 'text', '“(none)” for events without one'),
  column(
    'deleted',
    'Deleted',
    'flag',
    'the campaign is gone from the source, its events are not; its name is the last one known',
  ),
];

/** The same for figures of campaigns that exist. */
export const WHOSE_LIVE: readonly KpiColumn[] = WHOSE.filter(({ name }) => name !== 'deleted');

/** The flag of figures that cannot be a rate. */
export const EXCEED = column(
  'clicks_exceed_impressions',
  'Clicks > impr.',
  'flag',
  'more clicks than impressions: possible, as the source does not tie a click to an impression; shown, never clipped',
);
/** Its SQL, over columns `impressions` and `clicks` of `f`. */
export const EXCEED_SELECT = '(f.clicks > f.impressions)::Bool AS clicks_exceed_impressions';

/** CTR over columns of `f`. */
export const CTR_SELECT = 'f.clicks / nullIf(f.impressions, 0) AS ctr';

/** Its description. */
export const CTR = column('ctr', 'CTR', 'ratio', 'clicks / impressions');

/** What a bid of the campaign `c` pays for: its own rule, or else the parameter. */
export const PRICING = '${pricing}';

/** What its budget is for. */
export const BUDGET_KIND = '${budget_kind}';

/** Estimated money under the campaign's pricing model, of two sums; anything else is refused, not guessed. */
export function spendOf(cpc: string, cpm: string): string {
  return `if(${PRICING} = 'cpm', ${cpm}, ${cpc})`;
}

/** Refuses other pricing models. */
export const KNOWN_PRICING_MODEL =
  "throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0";

/** Refuses other kinds of budget. */
export const KNOWN_BUDGET_KIND =
  "throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0";

/** What is true of every figure in money. */
export const MONEY_CAVEATS: readonly string[] = [
  'Estimated: the source has bids, which are maxima, and no auction prices.',
  '`pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.',
  'Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.',
];

/** Start of the hour of UTC in which an instant lies; rounded down also before 1970, whatever the session's settings. */
export function utcHour(instant: string): string {
  const micros = `toUnixTimestamp64Micro(toDateTime64(${instant}, 6, 'UTC'))`;
  return `fromUnixTimestamp64Second(intDiv(${micros} - positiveModulo(${micros}, 3600000000), 1000000), 'UTC')`;
}

/** The day of UTC of a bucket, in days since 1970: as the projection by_day has it. */
export const DAY_NUMBER =
  'intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)';
