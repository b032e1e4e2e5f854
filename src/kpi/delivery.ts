/** Impressions and clicks over time: by day and by hour. */
import { column, type KpiDefinition } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  CTR,
  CTR_SELECT,
  EXCEED,
  EXCEED_SELECT,
  IN_RANGE,
  JOIN_CAMPAIGN,
  WHOSE_SELECT,
} from './fragments.ts';

/** One step of time. */
interface Step {
  readonly name: 'day' | 'hour';
  /** The step of a bucket's hour. */
  readonly ofHour: string;
  /** All steps of the range, as an array. */
  readonly all: string;
}

const DAYS = "toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1))";

const DAY: Step = {
  name: 'day',
  ofHour: 'toDate32(hour)',
  all: `arrayMap(i -> addDays({from:Date32}, i), range(${DAYS}))`,
};

const HOUR: Step = {
  name: 'hour',
  ofHour: 'hour',
  all: `arrayMap(i -> addHours(toDateTime64({from:Date32}, 0, 'UTC'), i), range(24 * ${DAYS}))`,
};

function viewSql({ name, ofHour, all }: Step): string {
  return `WITH ${AS_OF}
SELECT
    f.step AS ${name},
    ${WHOSE_SELECT},
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    ${EXCEED_SELECT},
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, step, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, ${ofHour} AS step, sum(impressions) AS i, sum(clicks) AS k
        FROM \${database}.campaign_hourly
        WHERE (${IN_RANGE}) OR isNull(hour)
        GROUP BY campaign_id, step
        HAVING i != 0 OR k != 0
        UNION ALL
        -- Every step of every campaign that lives or has events in the range, so that no gap is left out.
        SELECT campaign_id, toNullable(arrayJoin(${all})), 0, 0
        FROM
        (
            SELECT campaign_id FROM \${database}.campaign_directory WHERE NOT deleted
            UNION DISTINCT
            SELECT campaign_id FROM \${database}.campaign_hourly WHERE ${IN_RANGE}
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, step
) AS f
${JOIN_CAMPAIGN}`;
}

function report(step: string): KpiDefinition['report'] {
  return {
    select: `${step}, f.impressions AS impressions, f.clicks AS clicks, ${CTR_SELECT}, ${EXCEED_SELECT}`,
    groupBy: step,
    orderBy: `${step} NULLS LAST`,
  };
}

function figures(first: string, label: string, unit: 'day' | 'time'): KpiDefinition['columns'] {
  return [
    column(first, label, unit, `in UTC, of the event; NULL: events without a time`),
    column('impressions', 'Impressions', 'count'),
    column('clicks', 'Clicks', 'count'),
    CTR,
    EXCEED,
  ];
}

const CAVEATS = [
  'An event counts on the day on which it happened, however late it arrived. A click after midnight counts on its own day, also when its impression lies before.',
  'Nothing is left out: days without events are there with zeros, events outside the flight of their campaign count.',
];

/** Impressions and clicks by day. */
export const DAILY_KPI: KpiDefinition = {
  name: 'daily',
  title: 'Daily impressions and clicks',
  description: 'Impressions, clicks and CTR of each day.',
  formula: 'counts of events by the day of `created_at`; CTR = clicks / impressions of the day',
  unit: 'counts; CTR is a fraction',
  grain: 'one row per day of the range, of all campaigns or those asked for; the view has one per day and campaign',
  nullRule:
    'CTR is NULL on days without impressions; events without a time have one row with day NULL, last, whatever the range',
  caveats: CAVEATS,
  view: 'kpi_daily',
  hasPricingModel: false,
  filters: ['advertiser', 'campaign'],
  maxDays: 3_660,
  columns: figures('day', 'Day', 'day'),
  sql: viewSql(DAY),
  report: report('day'),
};

/** Impressions and clicks by hour. */
export const HOURLY_KPI: KpiDefinition = {
  name: 'hourly',
  title: 'Hourly impressions and clicks',
  description: 'Impressions, clicks and CTR of each hour.',
  formula: 'counts of events by the hour of `created_at`; CTR = clicks / impressions of the hour',
  unit: 'counts; CTR is a fraction',
  grain: 'one row per hour of the range, of all campaigns or those asked for; the view has one per hour and campaign',
  nullRule:
    'CTR is NULL in hours without impressions; events without a time have one row with hour NULL, last, whatever the range',
  caveats: CAVEATS,
  view: 'kpi_hourly',
  hasPricingModel: false,
  filters: ['advertiser', 'campaign'],
  maxDays: 92,
  columns: figures('hour', 'Hour', 'time'),
  sql: viewSql(HOUR),
  report: report('hour'),
};
