/** Today so far against the same hours of other days: changes, and those that chance does not explain. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  HOUR_NOW,
  hourOfDay,
  JOIN_CAMPAIGN,
  KNOWN_PRICING_MODEL,
  LOCAL_DAY,
  MONEY_CAVEATS,
  spendOf,
  TODAY,
  WHOSE,
  WHOSE_SELECT,
} from './fragments.ts';
import { LEVEL, LEVEL_ALL, LEVEL_IDS, LEVEL_JOIN, LEVEL_SELECT } from './levels.ts';
import { KNOWN_LEVEL } from './steps.ts';

/** Buckets of local hours of the day that are over today, of today and the days before. */
function sameHours(days: number): string {
  return (
    `hour >= subtractDays(toDateTime64(${TODAY}, 0, 'UTC'), ${days + 1}) AND hour < addDays(toDateTime64(${TODAY}, 0, 'UTC'), 2)` +
    ` AND ${LOCAL_DAY} >= subtractDays(${TODAY}, ${days}) AND ${LOCAL_DAY} <= ${TODAY} AND \${whole_hours}` +
    ` AND ${hourOfDay('hour')} < ${HOUR_NOW}`
  );
}

/** The beginning of a local day, so and so many days ago; where clocks change at midnight, some hours beside it. */
const dayBegins = (daysAgo: number): string =>
  `toDateTime64(toString(subtractDays(${TODAY}, ${daysAgo})), 0, {timezone:String})`;

/** Buckets of so many weeks ago to the day, and some hours around: for the order by time, so that the days between are not read. */
function nearWeeks(weeks: number): string {
  const near = Array.from(
    { length: weeks + 1 },
    (_, week) =>
      `(hour >= subtractHours(${dayBegins(7 * week)}, 3) AND hour < addHours(${dayBegins(7 * week - 1)}, 3))`,
  );
  return `(${near.join(' OR ')})`;
}

const METRICS = [
  { name: 'impressions', label: 'Impressions', unit: 'count', sum: 'i' },
  { name: 'clicks', label: 'Clicks', unit: 'count', sum: 'k' },
  { name: 'est_spend', label: 'Est. spend', unit: 'money', sum: 's' },
] as const;

const PERIODS = [
  { name: 'yesterday', label: 'yesterday', condition: 'f.ago = 1', days: 1 },
  { name: 'week_ago', label: 'a week ago', condition: 'f.ago = 7', days: 1 },
  { name: 'mean_7_days', label: '7-day mean', condition: 'f.ago BETWEEN 1 AND 7', days: 7 },
] as const;

const CTR_PERIODS = [{ name: 'today', label: 'today', condition: 'f.ago = 0' }, ...PERIODS] as const;

const COMPARISON_COLUMNS = [
  ...LEVEL,
  ...METRICS.flatMap(({ name, label, unit }) => [
    column(name, label, unit, 'today, in the hours that are over'),
    ...PERIODS.flatMap((period) => [
      column(
        `${name}_${period.name}`,
        `${label} ${period.label}`,
        period.days === 1 ? unit : 'number',
        `in the same hours, ${period.label}`,
      ),
      column(`${name}_vs_${period.name}`, `vs ${period.label}`, 'ratio', 'change: today / then − 1'),
    ]),
  ]),
  ...CTR_PERIODS.map(({ name, label }) =>
    column(`ctr_${name}`, `CTR ${label}`, 'ratio', 'Σ clicks / Σ impressions of these hours'),
  ),
];

const then = (sum: string, { condition, days }: (typeof PERIODS)[number]): string =>
  days === 1 ? `sumIf(f.${sum}, ${condition})` : `toFloat64(sumIf(f.${sum}, ${condition})) / ${days}`;

const FIGURES = [
  ...METRICS.flatMap(({ name, sum }) => [
    `sumIf(f.${sum}, f.ago = 0) AS ${name}`,
    ...PERIODS.flatMap((period) => [
      `${then(sum, period)} AS ${name}_${period.name}`,
      `toFloat64(${name}) / nullIf(toFloat64(${name}_${period.name}), 0) - 1 AS ${name}_vs_${period.name}`,
    ]),
  ]),
  ...CTR_PERIODS.map(
    ({ name, condition }) => `sumIf(f.k, ${condition}) / nullIf(sumIf(f.i, ${condition}), 0) AS ctr_${name}`,
  ),
];

const AGO = `toInt32(dateDiff('day', ${LOCAL_DAY}, ${TODAY}))`;

/** All campaigns together, where none has a pricing rule of its own. */
const PLATFORM = `SELECT
    CAST(NULL, 'Nullable(Int32)') AS advertiser_id, '(all)' AS advertiser, CAST(NULL, 'Nullable(Int32)') AS campaign_id, '(all)' AS campaign,
    ${FIGURES.join(',\n    ')}
FROM
(
    SELECT ago, i, k, if({pricing_model:String} = 'cpm', m, c) AS s
    FROM
    (
        SELECT ${AGO} AS ago, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS c, sum(spend_cpm) AS m
        FROM \${facts}
        WHERE ${sameHours(7)}
        GROUP BY ago
    )
    UNION ALL
    SELECT 0, 0, 0, toDecimal128(0, 6)
) AS f
WHERE ${KNOWN_PRICING_MODEL}`;

/** Today against yesterday, a week ago and the mean of a week. */
export const COMPARISON_KPI: KpiDefinition = {
  name: 'comparison',
  title: 'Day over day, week over week',
  description: 'Today so far against the same hours of yesterday, of a week ago and of the last seven days.',
  formula:
    'change = today / then − 1, of sums over the local hours of the day that are over at `now`; CTR = Σ clicks / Σ impressions',
  unit: 'counts; money; changes and CTR are fractions; means of seven days have fractions',
  grain: 'one row for the platform, or per advertiser or campaign (`by`); most impressions first',
  nullRule: 'a change against 0 is NULL, a CTR without impressions too',
  caveats: [
    ...MONEY_CAVEATS,
    'The hour that is not over counts nowhere: in the first hour of a day all is 0. A whole day is never compared in full: `now` at 23:59 leaves out its last hour, midnight begins the next day.',
    'An hour that a change of clocks left out or repeated counts as often as it was there.',
  ],
  view: 'kpi_comparison',
  params: ['now', 'timezone', 'by', 'pricing_model'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'hour',
  source: 'rollup',
  columns: COMPARISON_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT *, at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT
    ${LEVEL_SELECT},
    ${FIGURES.join(',\n    ')}
    FROM
    (
        SELECT ${LEVEL_IDS}, e.ago AS ago, e.i AS i, e.k AS k, ${spendOf('e.cpc', 'e.cpm')} AS s
        FROM
        (
            SELECT campaign_id, ${AGO} AS ago, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM \${facts}
            WHERE ${sameHours(7)}
            GROUP BY campaign_id, ago
            HAVING i != 0 OR k != 0
        ) AS e
        LEFT JOIN \${campaigns} AS c ON e.campaign_id = c.campaign_id
        UNION ALL
        SELECT advertiser_id, campaign_id, 0, 0, 0, toDecimal128(0, 6) FROM (${LEVEL_ALL})
    ) AS f
    ${LEVEL_JOIN}
    WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_LEVEL}
    GROUP BY f.advertiser_id, f.campaign_id, a.advertiser, c.campaign
)`,
  report: {
    ...plainReport(COMPARISON_COLUMNS, 'impressions DESC, advertiser_id NULLS LAST, campaign_id NULLS LAST'),
    platform: PLATFORM,
  },
};

/** Weeks that today is compared with. */
const WEEKS = 4;
/** Standard deviations from which on chance is no explanation. */
const ALERT_Z = 3;
/** Events that must be expected for a comparison to say anything. */
const ENOUGH = 5;

const ANOMALY_COLUMNS = [
  ...WHOSE,
  column('day', 'Day', 'day', 'local'),
  column('kind', 'Kind', 'text', 'impressions, clicks or ctr'),
  column('value', 'Today', 'number', 'in the hours that are over; ctr as a fraction'),
  column(
    'expected',
    'Expected',
    'number',
    'mean of the same hours of the same weekday in the weeks before; ctr: Σ clicks / Σ impressions of them',
  ),
  column('z', 'z', 'number', 'how many standard deviations today is away'),
  column('is_anomaly', 'Anomaly', 'flag', `|z| ≥ ${ALERT_Z}, with at least ${ENOUGH} expected`),
];

/** z of a count x against the mean of w counts. */
const POISSON = (x: string, mean: string): string =>
  `if(${mean} = 0, NULL, (${x} - ${mean}) / sqrt(${mean} * (1 + 1 / f.weeks)))`;
const POOLED = '((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0))';
const PROPORTIONS = `(f.k0 / nullIf(f.i0, 0) - f.k1 / nullIf(f.i1, 0)) / nullIf(sqrt(${POOLED} * (1 - ${POOLED}) * (1 / nullIf(f.i0, 0) + 1 / nullIf(f.i1, 0))), 0)`;

const KINDS = [
  `('impressions', toFloat64(f.i0), f.i1 / f.weeks, ${POISSON('f.i0', '(f.i1 / f.weeks)')}, f.i1 / f.weeks >= ${ENOUGH})`,
  `('clicks', toFloat64(f.k0), f.k1 / f.weeks, ${POISSON('f.k0', '(f.k1 / f.weeks)')}, f.k1 / f.weeks >= ${ENOUGH})`,
  `('ctr', f.k0 / nullIf(f.i0, 0), f.k1 / nullIf(f.i1, 0), if(f.k0 > f.i0 OR f.k1 > f.i1, NULL, ${PROPORTIONS}), ${POOLED} * f.i0 >= ${ENOUGH} AND ${POOLED} * f.i1 >= ${ENOUGH})`,
];

/** Counts and rates that chance does not explain. */
export const ANOMALIES_KPI: KpiDefinition = {
  name: 'anomalies',
  title: 'Anomalies',
  description: 'Campaigns whose impressions, clicks or CTR are today not what the same weekday was in the last weeks.',
  formula: `counts: z = (x − μ) / √(μ(1 + 1/w)), μ the mean of the same hours of the same weekday in the last w = ${WEEKS} weeks (or as many as the flight has); CTR: z = (p₀ − p₁) / √(p(1 − p)(1/n₀ + 1/n₁)) with the pooled p`,
  unit: 'z is a number of standard deviations; ctr a fraction',
  grain: 'one row per campaign that exists and kind: one alert per kind, campaign and day; anomalies first',
  nullRule: 'z is NULL without a week before, for an expectation of 0, and for a CTR above 1',
  caveats: [
    'Events of real traffic come in bunches: z says how unlikely under pure chance, so a large campaign has a large z soon.',
    `Below ${ENOUGH} expected events nothing is called an anomaly; a campaign that went silent is in \`zero_delivery\`.`,
    'The hour that is not over counts nowhere.',
  ],
  view: 'kpi_anomalies',
  params: ['now', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'hour',
  source: 'rollup',
  columns: ANOMALY_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, ${TODAY} AS day,
    figure.1 AS kind, figure.2 AS value, figure.3 AS expected, figure.4 AS z, ifNull(abs(z) >= ${ALERT_Z} AND figure.5, false)::Bool AS is_anomaly,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT ${WHOSE_SELECT}, arrayJoin([${KINDS.join(',\n        ')}]) AS figure
    FROM
    (
        SELECT d.campaign_id AS campaign_id,
            if(isNull(d.start_date), ${WEEKS}, toInt64(greatest(0, least(${WEEKS}, intDiv(dateDiff('day', d.start_date, ${TODAY}), 7))))) AS flight_weeks,
            if(flight_weeks = 0, NULL, flight_weeks) AS weeks,
            ifNull(sumIf(e.i, e.ago = 0), 0) AS i0, ifNull(sumIf(e.k, e.ago = 0), 0) AS k0,
            ifNull(sumIf(e.i, e.ago BETWEEN 1 AND flight_weeks), 0) AS i1, ifNull(sumIf(e.k, e.ago BETWEEN 1 AND flight_weeks), 0) AS k1
        FROM (SELECT campaign_id, start_date FROM \${live_campaigns}) AS d
        LEFT JOIN
        (
            SELECT campaign_id, intDiv(dateDiff('day', ${LOCAL_DAY}, ${TODAY}), 7) AS ago, sum(impressions) AS i, sum(clicks) AS k
            FROM \${facts}
            WHERE ${nearWeeks(WEEKS)} AND ${sameHours(7 * WEEKS)} AND dateDiff('day', ${LOCAL_DAY}, ${TODAY}) % 7 = 0
            GROUP BY campaign_id, ago
        ) AS e ON d.campaign_id = e.campaign_id
        GROUP BY d.campaign_id, d.start_date
    ) AS f
    ${JOIN_CAMPAIGN}
)`,
  report: plainReport(ANOMALY_COLUMNS, 'is_anomaly DESC, abs(z) DESC NULLS LAST, campaign_id, kind'),
};
