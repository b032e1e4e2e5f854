/** Figures that need the events themselves: not for a page that is read often. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  BUDGET_KIND,
  JOIN_CAMPAIGN,
  KNOWN_BUDGET_KIND,
  KNOWN_PRICING_MODEL,
  LOCAL_DAY,
  MONEY_CAVEATS,
  PRICING,
  spendOf,
  utcHour,
  WHOSE,
  WHOSE_LIVE,
  WHOSE_SELECT,
} from './fragments.ts';

const CAP_COLUMNS = [
  ...WHOSE_LIVE,
  column('budget', 'Budget', 'money'),
  column('budget_kind', 'Budget is', 'text', 'lifetime or daily'),
  column('period', 'Day', 'day', 'the local day of a daily budget; NULL: the whole life'),
  column('cap_out_at', 'Capped out at', 'time', 'the instant of the event with which spend reached the budget'),
  column('est_spend', 'Est. spend', 'money', 'of the period'),
  column('overdelivery', 'Overdelivery', 'money', 'spend − budget'),
  column('clicks_after', 'Clicks after', 'count', 'clicks of the period later than that instant'),
];

/** The budget's period of a day `d.day`: that day, or NULL for the whole life. */
const PERIOD = `if(${BUDGET_KIND} = 'daily', d.day, NULL)`;

/** Sums per campaign and local day, with what the campaign's bid and budget mean. */
const DAYS = `SELECT d.campaign_id AS campaign_id, d.day AS day, ${PERIOD} AS period, d.k AS k, ${spendOf('d.cpc', 'd.cpm')} AS s,
            c.budget AS budget, ${BUDGET_KIND} AS budget_kind, ${PRICING} AS pricing, c.campaign AS campaign, c.advertiser_id AS advertiser_id
        FROM \${day_sums} AS d
        INNER JOIN (SELECT * FROM \${campaigns} WHERE NOT deleted AND budget > 0) AS c ON d.campaign_id = c.campaign_id
        WHERE isNotNull(d.day)`;

/** One row per period whose budget was reached: the local day of it, with the spend before and the clicks after that day. */
const CAPPED_DAYS = `SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind, pricing,
        max(total) AS est_spend, min(day) AS cap_day, argMin(running - s, day) AS spend_before_day, argMin(clicks_later, day) AS clicks_after_day
    FROM
    (
        SELECT *, sum(s) OVER w AS running, sum(s) OVER p AS total, sum(k) OVER p - sum(k) OVER w AS clicks_later
        FROM
        (
        ${DAYS}
        )
        WINDOW w AS (PARTITION BY campaign_id, period ORDER BY day ROWS UNBOUNDED PRECEDING), p AS (PARTITION BY campaign_id, period)
    )
    WHERE running >= budget
    GROUP BY campaign_id, period, campaign, advertiser_id, budget, budget_kind, pricing`;

/** The same with the hour of that day, the spend before and the clicks after it. */
const CAPPED_HOURS = `SELECT campaign_id, period, any(campaign) AS campaign, any(advertiser_id) AS advertiser_id, any(budget) AS budget, any(budget_kind) AS budget_kind,
        any(pricing) AS pricing, any(est_spend) AS est_spend, any(cap_day) AS cap_day,
        min(hour) AS cap_hour, argMin(running - s, hour) AS spend_before, argMin(clicks_later, hour) AS clicks_later
    FROM
    (
        SELECT *, spend_before_day + sum(s) OVER w AS running, clicks_after_day + sum(k) OVER p - sum(k) OVER w AS clicks_later, running >= budget AS is_reached
        FROM
        (
            SELECT g.campaign_id AS campaign_id, g.period AS period, ${utcHour('e.at')} AS hour, sum(e.k) AS k, sum(if(g.pricing = 'cpm', e.cpm, e.cpc)) AS s,
                ${['campaign', 'advertiser_id', 'budget', 'budget_kind', 'pricing', 'est_spend', 'cap_day', 'spend_before_day', 'clicks_after_day'].map((name) => `any(g.${name}) AS ${name}`).join(', ')}
            FROM
            (
                SELECT campaign_id, hour AS at, ${LOCAL_DAY} AS day, clicks AS k, spend_cpc AS cpc, spend_cpm AS cpm
                FROM \${facts}
                WHERE isNotNull(hour) AND isNotNull(campaign_id) AND \${whole_hours}
            ) AS e
            INNER JOIN capped_days AS g ON e.campaign_id = g.campaign_id AND e.day = g.cap_day
            GROUP BY g.campaign_id, g.period, hour
        )
        WINDOW w AS (PARTITION BY campaign_id, period ORDER BY hour ROWS UNBOUNDED PRECEDING), p AS (PARTITION BY campaign_id, period)
    )
    WHERE is_reached
    GROUP BY campaign_id, period`;

/** When budgets were used up. */
export const CAP_OUT_KPI: KpiDefinition = {
  name: 'cap_out',
  title: 'Cap-out',
  description: 'When the spend of each campaign reached its budget, and what came afterwards.',
  formula:
    'the first instant at which the spend of all events of the period up to then, that instant included, is at least the budget',
  unit: 'money in the currency of the bids, exact decimals; times in UTC',
  grain:
    'one row per campaign that exists and period (its life, or each local day of a daily budget) in which the budget was reached; latest first',
  nullRule: 'campaigns that have not reached their budget have no row, those with a budget of 0 neither',
  caveats: [
    ...MONEY_CAVEATS,
    'The hour comes from the rollup, the instant from the events of that hour: those tables are read.',
    'Compared with the present budget, also for days before it was changed. Events that came late count where they happened.',
  ],
  view: 'kpi_cap_out',
  params: ['timezone', 'pricing_model', 'budget_kind'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'events',
  columns: CAP_COLUMNS,
  sql: `WITH ${AS_OF},
capped_days AS
(
    ${CAPPED_DAYS}
),
capped AS
(
    ${CAPPED_HOURS}
),
(SELECT (subtractDays(toDateTime64(min(cap_day), 6, 'UTC'), 1), addDays(toDateTime64(max(cap_day), 6, 'UTC'), 2)) FROM capped_days) AS span
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.budget AS budget,
    f.budget_kind AS budget_kind,
    f.period AS period,
    f.cap_out_at AS cap_out_at,
    f.est_spend AS est_spend,
    f.est_spend - f.budget AS overdelivery,
    f.clicks_after AS clicks_after,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind, est_spend,
        minIf(created_at, running >= budget) AS cap_out_at,
        any(clicks_later) + countIf(fact = 'clicks' AND running - own >= budget AND created_at > first_at) AS clicks_after
    FROM
    (
        SELECT *, minIf(created_at, running >= budget) OVER (PARTITION BY campaign_id, period) AS first_at
        FROM
        (
            SELECT g.campaign_id AS campaign_id, g.period AS period, g.campaign AS campaign, g.advertiser_id AS advertiser_id, g.budget AS budget,
                g.budget_kind AS budget_kind, g.est_spend AS est_spend, g.clicks_later AS clicks_later, e.fact AS fact, assumeNotNull(e.created_at) AS created_at,
                if(g.pricing = 'cpm', e.cpm, e.cpc) AS own,
                g.spend_before + sum(own) OVER (PARTITION BY g.campaign_id, g.period ORDER BY e.created_at RANGE UNBOUNDED PRECEDING) AS running
            FROM
            (
                -- By hour before anything is priced.
                SELECT * FROM \${events}
                WHERE created_at >= span.1 AND created_at < span.2 AND (campaign_id, ${utcHour('created_at')}) IN (SELECT campaign_id, cap_hour FROM capped)
            ) AS e
            INNER JOIN capped AS g ON e.campaign_id = g.campaign_id AND ${utcHour('e.created_at')} = g.cap_hour
            WHERE toDate32(toTimeZone(e.created_at, {timezone:String})) = g.cap_day
        )
    )
    GROUP BY ALL
) AS f
LEFT JOIN \${advertisers} AS a ON f.advertiser_id = a.advertiser_id
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}`,
  report: plainReport(CAP_COLUMNS, 'cap_out_at DESC, campaign_id'),
};

const CLICK_COLUMNS = [
  ...WHOSE,
  column('clicks', 'Clicks', 'count', 'in the range'),
  column('matched', 'Matched', 'count', 'clicks with an impression of their campaign at their time or before'),
  column('median_seconds', 'Median s', 'number', 'from the latest such impression to the click'),
  column('p90_seconds', 'p90 s', 'number'),
];

/** From impression to click. */
export const TIME_TO_CLICK_KPI: KpiDefinition = {
  name: 'time_to_click',
  title: 'Time to click (estimate)',
  description: 'How long after an impression of the campaign clicks come, at least.',
  formula:
    'click time − time of the latest impression of the same campaign not after it; median and 90th percentile (the least value that so many do not exceed)',
  unit: 'seconds',
  grain: 'one row per campaign with clicks in the range; most clicks first',
  nullRule: 'percentiles are NULL when no click has an earlier impression',
  caveats: [
    'A lower bound: a click does not name its impression, and the one that was clicked may lie before the latest.',
    'Reads the events themselves: slower than figures from the rollup.',
  ],
  view: 'kpi_time_to_click',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: 92,
  cuts: 'none',
  source: 'events',
  columns: CLICK_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    f.clicks AS clicks,
    f.matched AS matched,
    if(f.matched = 0, NULL, f.micros[intDiv(f.matched + 1, 2)] / 1000000) AS median_seconds,
    if(f.matched = 0, NULL, f.micros[intDiv(9 * f.matched + 9, 10)] / 1000000) AS p90_seconds,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT k.of_campaign AS campaign_id, toInt64(count()) AS clicks, toInt64(countIf(isNotNull(i.seen_at))) AS matched,
        arraySort(groupArrayIf(assumeNotNull(toUnixTimestamp64Micro(k.clicked_at) - toUnixTimestamp64Micro(i.seen_at)), isNotNull(i.seen_at))) AS micros
    FROM
    (
        SELECT assumeNotNull(campaign_id) AS of_campaign, assumeNotNull(created_at) AS clicked_at
        FROM \${events}
        WHERE fact = 'clicks' AND isNotNull(campaign_id) AND isNotNull(created_at)
            AND toDate32(toTimeZone(created_at, {timezone:String})) BETWEEN {from:Date32} AND {to:Date32}
    ) AS k
    ASOF LEFT JOIN
    (
        SELECT assumeNotNull(campaign_id) AS of_campaign, assumeNotNull(created_at) AS at, created_at AS seen_at
        FROM \${events}
        WHERE fact = 'impressions' AND isNotNull(campaign_id) AND isNotNull(created_at)
    ) AS i ON k.of_campaign = i.of_campaign AND k.clicked_at >= i.at
    GROUP BY k.of_campaign
) AS f
${JOIN_CAMPAIGN}`,
  report: plainReport(CLICK_COLUMNS, 'clicks DESC, campaign_id'),
};
