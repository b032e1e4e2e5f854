/** Impressions and clicks over time: by day and by hour. */
import { column, type KpiDefinition } from './definition.ts';
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
  WHOSE_SELECT,
} from './fragments.ts';
import { ALL_DAYS, ALL_HOURS, DAY_OF_HOUR, START_OF_HOUR } from './steps.ts';

/** One step of time. */
interface Step {
  readonly name: 'day' | 'hour';
  /** The step of a bucket's hour. */
  readonly ofHour: string;
  /** All steps of the range, as an array. */
  readonly all: string;
}

const DAY: Step = { name: 'day', ofHour: DAY_OF_HOUR, all: ALL_DAYS };

const HOUR: Step = { name: 'hour', ofHour: START_OF_HOUR, all: ALL_HOURS };

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
        FROM \${facts}
        WHERE (${IN_RANGE}) OR isNull(hour)
        GROUP BY campaign_id, step
        HAVING i != 0 OR k != 0
        UNION ALL
        -- Every step of every campaign that lives or has events in the range, so that no gap is left out.
        SELECT campaign_id, toNullable(arrayJoin(${all})), 0, 0
        FROM
        (
            SELECT campaign_id FROM \${live_campaigns}
            UNION DISTINCT
            SELECT campaign_id FROM \${facts} WHERE ${IN_RANGE}
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, step
) AS f
${JOIN_CAMPAIGN}`;
}

/** The same, all campaigns together: sums by step, and the gaps if there is anybody who could have had events. */
function wholeSql({ name, ofHour, all }: Step): string {
  return `SELECT step AS ${name}, sum(i) AS impressions, sum(k) AS clicks
FROM
(
    SELECT ${ofHour} AS step, sum(impressions) AS i, sum(clicks) AS k
    FROM \${facts}
    WHERE (${IN_RANGE}) OR isNull(hour)
    GROUP BY step
    HAVING i != 0 OR k != 0
    UNION ALL
    SELECT toNullable(arrayJoin(${all})), 0, 0
    FROM (${ANYBODY})
)
GROUP BY step`;
}

function report(step: Step): KpiDefinition['report'] {
  return {
    select: `${step.name}, f.impressions AS impressions, f.clicks AS clicks, ${CTR_SELECT}, ${EXCEED_SELECT}`,
    groupBy: step.name,
    orderBy: `${step.name} NULLS LAST`,
    whole: wholeSql(step),
  };
}

function figures(first: string, label: string, unit: 'day' | 'time'): KpiDefinition['columns'] {
  const meaning = unit === 'day' ? 'in the time zone asked for' : 'its beginning, in UTC';
  return [
    column(first, label, unit, `${meaning}, of the event; NULL: events without a time`),
    column('impressions', 'Impressions', 'count'),
    column('clicks', 'Clicks', 'count'),
    CTR,
    EXCEED,
  ];
}

/** What is true of every figure over time. */
export const TIME_CAVEATS: readonly string[] = [
  'An event counts on the day on which it happened, however late it arrived. A click after midnight counts on its own day, also when its impression lies before.',
  'Nothing is left out: days without events are there with zeros, events outside the flight of their campaign count.',
  'A day on which clocks change has 23 or 25 hours.',
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
  caveats: TIME_CAVEATS,
  view: 'kpi_daily',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: 3_660,
  cuts: 'day',
  source: 'rollup',
  columns: figures('day', 'Day', 'day'),
  sql: viewSql(DAY),
  report: report(DAY),
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
  caveats: TIME_CAVEATS,
  view: 'kpi_hourly',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: 92,
  cuts: 'hour',
  source: 'rollup',
  columns: figures('hour', 'Hour', 'time'),
  sql: viewSql(HOUR),
  report: report(HOUR),
};
