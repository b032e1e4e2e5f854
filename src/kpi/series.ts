/** Delivery and estimated spend over time, at any grain and level. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import { TIME_CAVEATS } from './delivery.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  CTR,
  CTR_SELECT,
  EXCEED,
  EXCEED_SELECT,
  IN_RANGE,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  spendOf,
} from './fragments.ts';
import { LEVEL, LEVEL_ALL, LEVEL_IDS, LEVEL_JOIN, LEVEL_SELECT } from './levels.ts';
import { ALL_STEPS, KNOWN_GRAIN, KNOWN_LEVEL, STEP_OF_HOUR, STEP_TEXT } from './steps.ts';

const COLUMNS = [
  column(
    'period',
    'Period',
    'text',
    'the local day on which it begins; of an hour its beginning in UTC; NULL: events without a time',
  ),
  ...LEVEL,
  column('impressions', 'Impressions', 'count'),
  column('clicks', 'Clicks', 'count'),
  CTR,
  EXCEED,
  column('est_spend', 'Est. spend', 'money'),
  column('ecpc', 'eCPC', 'money', 'est. spend / clicks, cut after six decimals'),
  column('ecpm', 'eCPM', 'money', '1000 · est. spend / impressions, cut after six decimals'),
];

/** Facts by id and step, spend by the campaign's pricing model. */
const FACTS = `SELECT ${LEVEL_IDS}, e.step AS step, e.i AS i, e.k AS k, ${spendOf('e.cpc', 'e.cpm')} AS s
            FROM (SELECT * FROM \${step_sums} WHERE i != 0 OR k != 0) AS e
            LEFT JOIN \${campaigns} AS c ON e.campaign_id = c.campaign_id`;

/** All campaigns together, where none has a pricing rule of its own: sums by step, and every step of the range. */
const PLATFORM = `SELECT
    if(isNull(f.step), NULL, ${STEP_TEXT('f.step')}) AS period,
    CAST(NULL, 'Nullable(Int32)') AS advertiser_id, '(all)' AS advertiser, CAST(NULL, 'Nullable(Int32)') AS campaign_id, '(all)' AS campaign,
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    ${EXCEED_SELECT},
    if({pricing_model:String} = 'cpm', f.cpm, f.cpc) AS est_spend,
    est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * est_spend / nullIf(f.impressions, 0) AS ecpm
FROM
(
    SELECT step, sum(i) AS impressions, sum(k) AS clicks, sum(c) AS cpc, sum(m) AS cpm
    FROM
    (
        SELECT ${STEP_OF_HOUR} AS step, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS c, sum(spend_cpm) AS m
        FROM \${facts}
        WHERE (${IN_RANGE}) OR isNull(hour)
        GROUP BY step
        HAVING i != 0 OR k != 0
        UNION ALL
        SELECT toNullable(arrayJoin(${ALL_STEPS})), 0, 0, toDecimal128(0, 6), toDecimal128(0, 6)
    )
    GROUP BY step
) AS f
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_GRAIN}`;

/** Delivery over time. */
export const DELIVERY_KPI: KpiDefinition = {
  name: 'delivery',
  title: 'Delivery over time',
  description:
    'Impressions, clicks, CTR and estimated spend by hour, day, week, month or in total, of the platform, its advertisers or its campaigns.',
  formula: 'sums over the events of the period; CTR, eCPC and eCPM are ratios of these sums; spend as in `spend`',
  unit: 'counts; money in the currency of the bids, exact decimals; CTR is a fraction',
  grain: 'one row per period (`grain`) and platform, advertiser or campaign (`by`)',
  nullRule:
    'CTR and eCPM are NULL without impressions, eCPC without clicks; events without a time have a row with period NULL, last, whatever the range',
  caveats: [
    ...TIME_CAVEATS,
    ...MONEY_CAVEATS,
    'A week or month counts the days that lie in the range, and is named by its first day, also when that lies before.',
    'By advertiser: events count for the advertiser that their campaign belongs to now.',
  ],
  view: 'kpi_delivery',
  params: ['from', 'to', 'timezone', 'grain', 'by', 'pricing_model'],
  filters: ['advertiser', 'campaign'],
  maxDays: 3_660,
  cuts: 'hour',
  source: 'rollup',
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    if(isNull(f.step), NULL, ${STEP_TEXT('f.step')}) AS period,
    ${LEVEL_SELECT},
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    ${EXCEED_SELECT},
    f.est_spend AS est_spend,
    f.est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * f.est_spend / nullIf(f.impressions, 0) AS ecpm,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT advertiser_id, campaign_id, step, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend
    FROM
    (
        ${FACTS}
        UNION ALL
        -- Every period of everybody who exists or has events in the range.
        SELECT advertiser_id, campaign_id, toNullable(arrayJoin(${ALL_STEPS})), 0, 0, toDecimal128(0, 6)
        FROM
        (
            ${LEVEL_ALL}
            UNION DISTINCT SELECT ${LEVEL_IDS} FROM (SELECT * FROM \${range_sums} WHERE place = 0 AND (i != 0 OR k != 0)) AS e
            LEFT JOIN \${named_campaigns} AS c ON e.campaign_id = c.campaign_id
        )
    )
    GROUP BY advertiser_id, campaign_id, step
) AS f
${LEVEL_JOIN}
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_GRAIN} AND ${KNOWN_LEVEL}`,
  report: {
    ...plainReport(COLUMNS, 'period NULLS LAST, advertiser_id NULLS LAST, campaign_id NULLS LAST'),
    platform: PLATFORM,
  },
};
