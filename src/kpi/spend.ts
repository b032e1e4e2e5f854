/** Estimated spend against the budget, by campaign. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  BUDGET_KIND,
  JOIN_PRICED_CAMPAIGN,
  KNOWN_BUDGET_KIND,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  PRICING,
  spendOf,
  WHOSE,
  WHOSE_SELECT,
} from './fragments.ts';

const COLUMNS = [
  ...WHOSE,
  column('bid', 'Bid now', 'money'),
  column('budget', 'Budget', 'money'),
  column('pricing_model', 'Pays for', 'text', 'cpc: a click, cpm: a thousand impressions'),
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
    'eCPC is NULL without clicks, eCPM without impressions, budget used for a budget of 0; budget figures for events without a campaign and for daily budgets (see `budget`)',
  caveats: [
    ...MONEY_CAVEATS,
    'Spend is that of the range; budget used and remaining compare the budget, taken as that of the whole campaign, with the spend of all time.',
    'A campaign’s spend can exceed its budget: the source does not stop delivery.',
  ],
  view: 'kpi_spend',
  params: ['from', 'to', 'timezone', 'pricing_model', 'budget_kind'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    c.bid AS bid,
    c.budget AS budget,
    ${PRICING} AS pricing_model,
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${spendOf('f.cpc', 'f.cpm')} AS est_spend,
    est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * est_spend / nullIf(f.impressions, 0) AS ecpm,
    ${spendOf('f.cpc_total', 'f.cpm_total')} AS est_spend_total,
    if(${BUDGET_KIND} = 'daily', NULL, toFloat64(est_spend_total) / nullIf(toFloat64(c.budget), 0)) AS budget_used,
    if(${BUDGET_KIND} = 'daily', NULL, c.budget - est_spend_total) AS remaining,
    if(isNull(c.campaign_id), if(${PRICING} = 'cpm', f.impressions, f.clicks), 0) + if(${PRICING} = 'cpm', f.undated_impressions, f.undated_clicks) AS unpriced_events,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(c) AS cpc, sum(m) AS cpm, sum(ct) AS cpc_total, sum(mt) AS cpm_total,
        sum(ui) AS undated_impressions, sum(uk) AS undated_clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, if(place = 0, f.i, 0) AS i, if(place = 0, f.k, 0) AS k, if(place = 0, cpc, toDecimal128(0, 6)) AS c,
            if(place = 0, cpm, toDecimal128(0, 6)) AS m, toDecimal128(0, 6) AS ct, toDecimal128(0, 6) AS mt, if(place = 1, f.i, 0) AS ui, if(place = 1, f.k, 0) AS uk, 0 AS live
        FROM \${range_sums} AS f
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, cpc, cpm, 0, 0, 0 FROM \${total_sums}
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 0, 0, 0, 0, 1 FROM \${live_campaigns}
    )
    GROUP BY campaign_id
) AS f
${JOIN_PRICED_CAMPAIGN}
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}
    AND (f.is_live = 1 OR f.impressions != 0 OR f.clicks != 0 OR if(${PRICING} = 'cpm', f.undated_impressions, f.undated_clicks) != 0)`,
  report: plainReport(COLUMNS, 'est_spend DESC, campaign_id NULLS LAST'),
};
