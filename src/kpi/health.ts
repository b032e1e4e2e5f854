/** What to look at: the state of each campaign in a word, campaigns that do not deliver, data that cannot be right. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import { BANDS, FLIGHT, IN_FLIGHT, JOIN_ADVERTISER, PACING, PERIOD_SPEND, WHOSE_FLIGHT } from './flight.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  DAY_NUMBER,
  EXCEED,
  EXCEED_SELECT,
  JOIN_CAMPAIGN,
  KNOWN_BUDGET_KIND,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  WHOSE,
  WHOSE_LIVE,
  WHOSE_SELECT,
} from './fragments.ts';

const NOW = "{now:DateTime64(6, 'UTC')}";

/** Days that are looked through for the last impression. */
const LOOK_BACK_DAYS = 35;

/** The day of UTC of `now`, in days since 1970. */
const DAY_NUMBER_NOW = `toInt64(toInt32(toDate32(toTimeZone(${NOW}, 'UTC'))))`;

/**
 * The last day of UTC before today on which each campaign had impressions, today for those that had none: only its
 * hours, and those of today, are looked at one by one.
 */
const LAST_DAYS = `SELECT campaign_id, max(if(n > 0 AND day < ${DAY_NUMBER_NOW}, day, -1)) AS latest, if(latest < 0, ${DAY_NUMBER_NOW}, latest) AS last_day
            FROM
            (
                SELECT campaign_id, ${DAY_NUMBER} AS day, sum(impressions) AS n FROM \${hour_facts}
                WHERE ${DAY_NUMBER} BETWEEN ${DAY_NUMBER_NOW} - ${LOOK_BACK_DAYS} AND ${DAY_NUMBER_NOW}
                GROUP BY campaign_id, day
            )
            GROUP BY campaign_id`;

/** Buckets whose last whole second is over at `now`, of the last weeks; which days to look at is asked once. */
const LAST_IMPRESSION = `SELECT campaign_id, max(hour) AS last_hour
    FROM
    (
        WITH (SELECT groupArray((campaign_id, last_day)) FROM (${LAST_DAYS}) WHERE isNotNull(campaign_id)) AS days
        SELECT campaign_id, hour FROM \${hour_facts}
        WHERE hour <= ${NOW} AND hour >= subtractDays(${NOW}, ${LOOK_BACK_DAYS})
            AND hour >= fromUnixTimestamp64Second(86400 * arrayMin(days.2), 'UTC')
            AND (${DAY_NUMBER} >= ${DAY_NUMBER_NOW} OR ${DAY_NUMBER} = transform(assumeNotNull(campaign_id), days.1, days.2, -1))
        GROUP BY campaign_id, hour HAVING sum(impressions) > 0
    )
    GROUP BY campaign_id`;

/** Seconds since 1970 at which the flight begins in local time; NULL without a date. */
const FLIGHT_BEGIN = 'toDateTime64(toString(f.start_date), 0, {timezone:String})';

/** Whole hours since the last hour with an impression, or since the flight began if that is later; at most those of the look-back. */
const IDLE_HOURS = `greatest(0, least(${LOOK_BACK_DAYS * 24}, intDiv(toUnixTimestamp64Second(toDateTime64(${NOW}, 0, 'UTC')) - greatest(
        ifNull(toUnixTimestamp64Second(l.last_hour) + 3600, -9223372036854775807), ifNull(toUnixTimestamp64Second(${FLIGHT_BEGIN}), -9223372036854775807)), 3600)))`;

/** The same where a sum over the smallest number would overflow: no impression and no date. */
const IDLE = `if(isNull(l.last_hour) AND isNull(f.start_date), ${LOOK_BACK_DAYS * 24}, ${IDLE_HOURS})`;

const HEALTH_COLUMNS = [
  ...WHOSE_LIVE,
  column('status', 'Status', 'text', 'scheduled, delivering, behind, ahead, capped, ended, no delivery, data problem'),
  column('reason', 'Reason', 'text'),
  column('pacing', 'Pacing', 'ratio', 'as in `pacing`'),
  column('budget_used', 'Used', 'ratio', 'as in `budget`'),
  column('idle_hours', 'Idle hours', 'count', 'as in `zero_delivery`'),
];

const percent = (value: string): string => `toString(round(100 * ${value}))`;

/** Condition, state and reason; the first that is true counts. */
const STATES: readonly (readonly [condition: string, status: string, reason: string])[] = [
  [
    'f.start_date > f.end_date',
    'data problem',
    "concat('it ends on ', toString(f.end_date), ', before it starts on ', toString(f.start_date))",
  ],
  [
    'f.clicks > f.impressions',
    'data problem',
    "concat('more clicks (', toString(f.clicks), ') than impressions (', toString(f.impressions), ')')",
  ],
  ['f.today > f.end_date', 'ended', "concat('its last day was ', toString(f.end_date))"],
  ['f.today < f.start_date', 'scheduled', "concat('it starts on ', toString(f.start_date))"],
  [
    'f.budget > 0 AND period_spend >= f.budget',
    'capped',
    "concat(if(f.budget_kind = 'daily', 'today’s budget of ', 'its budget of '), toString(f.budget), ' is used up: spend is ', toString(period_spend))",
  ],
  ['idle_hours >= {hours:UInt32}', 'no delivery', "concat('no impression for ', toString(idle_hours), ' hours')"],
  [
    `pacing < ${BANDS.slightlyBehind}`,
    'behind',
    `concat('spent ', ${percent('pacing')}, ' % of what it should have by now')`,
  ],
  [`pacing > ${BANDS.ahead}`, 'ahead', `concat('spent ', ${percent('pacing')}, ' % of what it should have by now')`],
  [
    'isNotNull(pacing)',
    'delivering',
    `concat('on track: spent ', ${percent('pacing')}, ' % of what it should have by now')`,
  ],
];

const state = (pick: 1 | 2, otherwise: string): string =>
  `multiIf(${STATES.map((row) => `ifNull(${row[0]}, false), ${pick === 1 ? `'${row[1]}'` : row[2]}`).join(',\n        ')},\n        ${otherwise})`;

/** The state of each campaign. */
export const HEALTH_KPI: KpiDefinition = {
  name: 'health',
  title: 'Campaign health',
  description: 'The state of each campaign in a word, with the reason.',
  formula: `the first that applies: data problem (ends before it starts; more clicks than impressions), ended, scheduled, capped (budget used up), no delivery (no impression for \`hours\`), behind (pacing < ${BANDS.slightlyBehind}), ahead (pacing > ${BANDS.ahead}), delivering`,
  unit: 'text; pacing and used are fractions',
  grain: 'one row per campaign that exists; trouble first',
  nullRule: 'pacing and used as in `pacing` and `budget`; without pacing a campaign that delivers is delivering',
  caveats: MONEY_CAVEATS,
  view: 'kpi_health',
  params: ['now', 'timezone', 'pricing_model', 'budget_kind', 'hours'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: HEALTH_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_FLIGHT},
    ${state(1, "'delivering'")} AS status,
    ${state(2, "'it delivers; pacing is not known before its first full day or without dates and budget'")} AS reason,
    ${PACING} AS pacing,
    ${PERIOD_SPEND} AS period_spend,
    toFloat64(period_spend) / nullIf(toFloat64(f.budget), 0) AS budget_used,
    ${IDLE} AS idle_hours,
    ${AS_OF_COLUMNS}
FROM ${FLIGHT} AS f
LEFT JOIN (${LAST_IMPRESSION}) AS l ON f.campaign_id = l.campaign_id
${JOIN_ADVERTISER}
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}`,
  report: plainReport(
    HEALTH_COLUMNS,
    "indexOf(['data problem', 'no delivery', 'capped', 'behind', 'ahead', 'delivering', 'scheduled', 'ended'], status), campaign_id",
  ),
};

const ZERO_COLUMNS = [
  ...WHOSE_LIVE,
  column('start_date', 'Start', 'day'),
  column('end_date', 'End', 'day'),
  column(
    'last_impression_hour',
    'Last impression',
    'time',
    `hour of the last impression until now; NULL: none in ${LOOK_BACK_DAYS} days`,
  ),
  column(
    'idle_hours',
    'Idle hours',
    'count',
    `whole hours since then, or since the flight began if that is later; at most ${LOOK_BACK_DAYS * 24}`,
  ),
  column('is_silent', 'Silent', 'flag', 'at least `hours`'),
];

/** Campaigns in flight that show nothing. */
export const ZERO_DELIVERY_KPI: KpiDefinition = {
  name: 'zero_delivery',
  title: 'Zero delivery',
  description: 'How long each campaign in flight has had no impression.',
  formula: 'hours from the end of the hour of the last impression to now; silent from `hours` on',
  unit: 'hours',
  grain: 'one row per campaign in flight; longest silence first',
  nullRule: `the last impression is NULL when there was none in ${LOOK_BACK_DAYS} days`,
  caveats: [
    'Counted in whole hours, as the rollup has them: up to an hour short. Impressions dated in the future do not count.',
  ],
  view: 'kpi_zero_delivery',
  params: ['now', 'timezone', 'hours', 'pricing_model', 'budget_kind'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: ZERO_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_FLIGHT},
    f.start_date AS start_date,
    f.end_date AS end_date,
    l.last_hour AS last_impression_hour,
    ${IDLE} AS idle_hours,
    (idle_hours >= {hours:UInt32})::Bool AS is_silent,
    ${AS_OF_COLUMNS}
FROM ${FLIGHT} AS f
LEFT JOIN (${LAST_IMPRESSION}) AS l ON f.campaign_id = l.campaign_id
${JOIN_ADVERTISER}
WHERE ${IN_FLIGHT} AND ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}`,
  report: plainReport(ZERO_COLUMNS, 'idle_hours DESC, campaign_id'),
};

const QUALITY_COLUMNS = [
  ...WHOSE,
  column('impressions', 'Impressions', 'count', 'of all time'),
  column('clicks', 'Clicks', 'count'),
  EXCEED,
  column('before_flight', 'Before flight', 'count', 'events before the campaign’s first day'),
  column('after_flight', 'After flight', 'count', 'events after its last day'),
  column('future_events', 'Future', 'count', 'events of hours that begin after now'),
  column('undated_events', 'Undated', 'count', 'events without a time'),
  column('without_campaign', 'No campaign', 'count', 'events without a campaign, or of one that was never seen'),
];

/** Events that cannot be right. */
export const QUALITY_KPI: KpiDefinition = {
  name: 'quality',
  title: 'Data quality',
  description: 'What is odd about the events of each campaign: shown, never corrected.',
  formula: 'counts of events (impressions and clicks) by what is odd',
  unit: 'counts',
  grain: 'one row per campaign, deleted and “(none)” if they have events; the oddest first',
  nullRule: 'a campaign without dates has no events outside its flight',
  caveats: [
    'All events count in all other figures, whatever is odd about them.',
    'An event may be odd in more than one way.',
  ],
  view: 'kpi_quality',
  params: ['now', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: QUALITY_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${EXCEED_SELECT},
    f.before_flight AS before_flight,
    f.after_flight AS after_flight,
    f.future_events AS future_events,
    f.undated_events AS undated_events,
    if(isNull(c.campaign_id), f.impressions + f.clicks, 0) AS without_campaign,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT g.campaign_id AS campaign_id, sum(g.i) AS impressions, sum(g.k) AS clicks,
        sumIf(g.i + g.k, g.day < d.start_date) AS before_flight, sumIf(g.i + g.k, g.day > d.end_date) AS after_flight,
        sum(g.future) AS future_events, sumIf(g.i + g.k, isNull(g.day)) AS undated_events, max(g.live) AS is_live
    FROM
    (
        SELECT campaign_id, day, i, k, 0 AS future, 0 AS live FROM \${day_sums}
        UNION ALL
        SELECT campaign_id, NULL, 0, 0, sum(impressions + clicks), 0 FROM \${facts} WHERE hour > ${NOW} GROUP BY campaign_id
        UNION ALL
        SELECT campaign_id, NULL, 0, 0, 0, 1 FROM \${live_campaigns}
    ) AS g
    LEFT JOIN \${named_campaigns} AS d ON g.campaign_id = d.campaign_id
    GROUP BY g.campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
${JOIN_CAMPAIGN}`,
  report: plainReport(
    QUALITY_COLUMNS,
    'without_campaign + undated_events + future_events + before_flight + after_flight DESC, clicks_exceed_impressions DESC, campaign_id NULLS LAST',
  ),
};
