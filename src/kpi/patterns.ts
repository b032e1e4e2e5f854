/** How delivery is spread: among campaigns, over the week, over the days of a flight. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  ANYBODY,
  AS_OF,
  AS_OF_COLUMNS,
  CTR,
  CTR_SELECT,
  EXCEED,
  EXCEED_SELECT,
  IN_RANGE,
  JOIN_CAMPAIGN,
  WHOSE,
  WHOSE_SELECT,
  dayOfWeek,
  hourOfDay,
} from './fragments.ts';
import { ALL_DAYS } from './steps.ts';

const SHARE_COLUMNS = [
  ...WHOSE,
  column('impressions', 'Impressions', 'count'),
  column('share_of_advertiser', 'Of advertiser', 'ratio', 'impressions / those of all campaigns of the advertiser'),
  column('share_of_platform', 'Of platform', 'ratio', 'impressions / all impressions'),
  column('clicks', 'Clicks', 'count'),
  column('click_share_of_platform', 'Clicks of platform', 'ratio', 'clicks / all clicks'),
];

/** Share of delivery. */
export const SHARE_KPI: KpiDefinition = {
  name: 'share',
  title: 'Share of delivery',
  description: 'What part of its advertiser’s and of all impressions each campaign has.',
  formula:
    'impressions / Σ impressions of the advertiser; impressions / Σ impressions of the platform; clicks likewise',
  unit: 'shares are fractions',
  grain: 'one row per campaign; largest first',
  nullRule: 'a share of nothing is NULL',
  caveats: [
    'Of what was delivered: no auction’s impression share.',
    'Campaigns without an advertiser share “(none)”; so do events without a campaign.',
  ],
  view: 'kpi_share',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: SHARE_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    f.impressions AS impressions,
    f.impressions / nullIf(sum(f.impressions) OVER (PARTITION BY c.advertiser_id), 0) AS share_of_advertiser,
    f.impressions / nullIf(sum(f.impressions) OVER (), 0) AS share_of_platform,
    f.clicks AS clicks,
    f.clicks / nullIf(sum(f.clicks) OVER (), 0) AS click_share_of_platform,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, i, k, 0 AS live FROM \${range_sums} WHERE place = 0
        UNION ALL
        SELECT campaign_id, 0, 0, 1 FROM \${live_campaigns}
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
${JOIN_CAMPAIGN}`,
  report: plainReport(SHARE_COLUMNS, 'impressions DESC, campaign_id NULLS LAST'),
};

/** Weekday and hour of a bucket as one number. */
const CELL = `assumeNotNull((${dayOfWeek('hour')} - 1) * 24 + ${hourOfDay('hour')})`;

/** Delivery by weekday and hour. */
export const HEATMAP_KPI: KpiDefinition = {
  name: 'heatmap',
  title: 'Weekday and hour',
  description: 'Impressions, clicks and CTR by weekday and hour of the day.',
  formula: 'sums over the events of that weekday and hour in the range; CTR = clicks / impressions',
  unit: 'counts; CTR is a fraction',
  grain: 'one row per weekday (1 is Monday) and hour of the day, 168 in all; the view has as many per campaign',
  nullRule: 'CTR is NULL without impressions; events without a time are in no cell',
  caveats: [
    'A range of whole weeks compares fairly: otherwise some weekdays are in it more often than others. Where clocks change, an hour is there twice or not at all.',
  ],
  view: 'kpi_heatmap',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'hour',
  source: 'rollup',
  columns: [
    column('weekday', 'Weekday', 'id', '1 is Monday, 7 Sunday; local'),
    column('hour_of_day', 'Hour', 'id', '0 to 23, local'),
    column('impressions', 'Impressions', 'count'),
    column('clicks', 'Clicks', 'count'),
    CTR,
    EXCEED,
  ],
  sql: `WITH ${AS_OF}
SELECT
    toInt16(f.cell DIV 24 + 1) AS weekday,
    f.cell % 24 AS hour_of_day,
    ${WHOSE_SELECT},
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    ${EXCEED_SELECT},
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, cell, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, ${CELL} AS cell, sum(impressions) AS i, sum(clicks) AS k
        FROM \${facts}
        WHERE ${IN_RANGE}
        GROUP BY campaign_id, cell
        HAVING i != 0 OR k != 0
        UNION ALL
        SELECT campaign_id, arrayJoin(range(168)), 0, 0
        FROM
        (
            SELECT campaign_id FROM \${live_campaigns}
            UNION DISTINCT
            SELECT campaign_id FROM \${facts} WHERE ${IN_RANGE}
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, cell
) AS f
${JOIN_CAMPAIGN}`,
  report: {
    select: `weekday, hour_of_day, f.impressions AS impressions, f.clicks AS clicks, ${CTR_SELECT}, ${EXCEED_SELECT}`,
    groupBy: 'weekday, hour_of_day',
    orderBy: 'weekday, hour_of_day',
    whole: `SELECT toInt16(cell DIV 24 + 1) AS weekday, cell % 24 AS hour_of_day, sum(i) AS impressions, sum(k) AS clicks
FROM
(
    SELECT ${CELL} AS cell, sum(impressions) AS i, sum(clicks) AS k FROM \${facts} WHERE ${IN_RANGE} GROUP BY cell HAVING i != 0 OR k != 0
    UNION ALL
    SELECT arrayJoin(range(168)), 0, 0 FROM (${ANYBODY})
)
GROUP BY cell`,
  },
};

const CURVE_COLUMNS = [
  ...WHOSE,
  column('campaign_day', 'Campaign day', 'number', '1 on the first day of the flight; 0 and less before it'),
  column('day', 'Day', 'day', 'local'),
  column('impressions', 'Impressions', 'count'),
  column('clicks', 'Clicks', 'count'),
  CTR,
  column('impressions_so_far', 'Impr. so far', 'count', 'from the first day of the range to this one'),
  column('clicks_so_far', 'Clicks so far', 'count'),
];

/** Delivery by day of the flight. */
export const CAMPAIGN_DAYS_KPI: KpiDefinition = {
  name: 'campaign_days',
  title: 'Campaign-day curve',
  description: 'Delivery of each campaign by day of its flight: whether it wears out.',
  formula: 'day of the flight = day − start + 1; sums over the events of the day, and running sums',
  unit: 'counts; CTR is a fraction',
  grain: 'one row per campaign with a start date and day of the range that lies in its flight or has events',
  nullRule: 'CTR is NULL without impressions; campaigns without a start date have no curve',
  caveats: ['Running sums begin with the range.', 'Days after `to` are not there, also when the flight goes on.'],
  view: 'kpi_campaign_days',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: 3_660,
  cuts: 'day',
  source: 'rollup',
  columns: CURVE_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    toInt32(dateDiff('day', c.start_date, f.day) + 1) AS campaign_day,
    f.day AS day,
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    sum(f.impressions) OVER (PARTITION BY f.campaign_id ORDER BY f.day ROWS UNBOUNDED PRECEDING) AS impressions_so_far,
    sum(f.clicks) OVER (PARTITION BY f.campaign_id ORDER BY f.day ROWS UNBOUNDED PRECEDING) AS clicks_so_far,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, day, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, day, i, k
        FROM \${day_sums}
        WHERE day >= {from:Date32} AND day <= {to:Date32} AND (i != 0 OR k != 0)
        UNION ALL
        SELECT campaign_id, day, 0, 0
        FROM (SELECT campaign_id, start_date, end_date, toNullable(arrayJoin(${ALL_DAYS})) AS day FROM \${live_campaigns})
        WHERE day >= start_date AND ifNull(day <= end_date, true)
    )
    GROUP BY campaign_id, day
) AS f
${JOIN_CAMPAIGN}
WHERE isNotNull(c.start_date)`,
  report: plainReport(CURVE_COLUMNS, 'campaign_id, day'),
};
