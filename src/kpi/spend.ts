/** Estimated spend against the budget, by campaign. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  IN_RANGE,
  JOIN_CAMPAIGN,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  SPEND,
  WHOSE,
  WHOSE_SELECT,
} from './fragments.ts';

const COLUMNS = [
  ...WHOSE,
  column('bid', 'Bid now', 'money'),
  column('budget', 'Budget', 'money'),
  column('impressions', 'Impressions', 'count'),
  column('clicks', 'Clicks', 'count'),
  column('est_spend', 'Est. spend', 'money', 'in the range'),
  column('ecpc', 'eCPC', 'money', 'est. spend / clicks, cut after six decimals'),
  column('ecpm', 'eCPM', 'money', '1000 · est. spend / impressions, cut after six decimals'),
  column('est_spend_total', 'Est. spend, total', 'money', 'of all time: what the budget is compared with'),
  column('budget_used', 'Budget used', 'ratio', 'est. spend of all time / budget'),
  column('remaining', 'Remaining', 'money', 'budget − est. spend of all time; negative when overspent'),
  column(
    'unpriced_events',
    'Unpriced',
    'count',
    'billable events that cost 0 here: without campaign or (whatever the range) without time',
  ),
];

const BILLABLE = "if({pricing_model:String} = 'cpm', impressions, clicks)";

/** Estimated spend by campaign. */
export const SPEND_KPI: KpiDefinition = {
  name: 'spend',
  title: 'Estimated spend and budget',
  description:
    'What the events of each campaign cost, per click and per thousand impressions, and what is left of its budget.',
  formula:
    'cpc: Σ bid at each click; cpm: Σ bid at each impression / 1000; eCPC = spend / clicks; eCPM = 1000 · spend / impressions; budget used = total spend / budget; remaining = budget − total spend',
  unit: 'money in the currency of the bids, exact decimals; budget used is a fraction',
  grain: 'one row per campaign; highest spend first',
  nullRule:
    'eCPC is NULL without clicks, eCPM without impressions, budget used for a budget of 0; budget figures for events without a campaign',
  caveats: [
    ...MONEY_CAVEATS,
    'Spend is that of the range; budget used and remaining compare the budget, taken as that of the whole campaign, with the spend of all time.',
    'A campaign’s spend can exceed its budget: the source does not stop delivery.',
  ],
  view: 'kpi_spend',
  hasPricingModel: true,
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    c.bid AS bid,
    c.budget AS budget,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.est_spend AS est_spend,
    f.est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * f.est_spend / nullIf(f.impressions, 0) AS ecpm,
    f.est_spend_total AS est_spend_total,
    toFloat64(f.est_spend_total) / nullIf(toFloat64(c.budget), 0) AS budget_used,
    c.budget - f.est_spend_total AS remaining,
    if(isNull(c.campaign_id), f.billable, 0) + f.undated_billable AS unpriced_events,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend, sum(t) AS est_spend_total,
        sum(b) AS billable, sum(ub) AS undated_billable, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, sumIf(impressions, in_range) AS i, sumIf(clicks, in_range) AS k, sumIf(spend, in_range) AS s, sum(spend) AS t,
            sumIf(billable, in_range) AS b, sumIf(billable, isNull(hour)) AS ub, 0 AS live
        FROM
        (
            SELECT campaign_id, hour, impressions, clicks, ${SPEND} AS spend, ${BILLABLE} AS billable,
                ifNull(${IN_RANGE}, false) AS in_range
            FROM \${database}.campaign_hourly
        )
        GROUP BY campaign_id
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 0, 0, 1 FROM \${database}.campaign_directory WHERE NOT deleted
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0 OR undated_billable != 0
) AS f
${JOIN_CAMPAIGN}
WHERE ${KNOWN_PRICING_MODEL}`,
  report: plainReport(COLUMNS, 'est_spend DESC, campaign_id NULLS LAST'),
};
