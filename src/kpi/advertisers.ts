/** Delivery and estimated spend by advertiser. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  CTR,
  CTR_SELECT,
  EXCEED,
  EXCEED_SELECT,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  spendOf,
} from './fragments.ts';

const COLUMNS = [
  column('advertiser_id', 'Advertiser id', 'id'),
  column('advertiser', 'Advertiser', 'text', '“(none)” for campaigns without one and for events without a campaign'),
  column('deleted', 'Deleted', 'flag', 'gone from the source; its name is the last one known'),
  column('campaigns', 'Campaigns', 'count', 'that exist now'),
  column('budget', 'Budget', 'money', 'of the campaigns that exist now, each once'),
  column('impressions', 'Impressions', 'count'),
  column('clicks', 'Clicks', 'count'),
  CTR,
  EXCEED,
  column('est_spend', 'Est. spend', 'money', 'in the range'),
];

/** Roll-up by advertiser. */
export const ADVERTISERS_KPI: KpiDefinition = {
  name: 'advertisers',
  title: 'Advertisers',
  description: 'Campaigns, budgets, delivery and estimated spend of each advertiser.',
  formula: 'Σ over the advertiser’s campaigns; CTR = Σ clicks / Σ impressions; spend as in `spend`',
  unit: 'counts; money in the currency of the bids, exact decimals; CTR is a fraction',
  grain: 'one row per advertiser; highest spend first',
  nullRule: 'CTR is NULL without impressions',
  caveats: [
    ...MONEY_CAVEATS,
    'Events count for the advertiser that their campaign belongs to now (of a deleted campaign: belonged to last). Events of deleted campaigns count, their budgets do not.',
    'Advertisers without campaigns or events are there, with zeros.',
    'Events without a time are in no range: see `daily` and `ctr`.',
  ],
  view: 'kpi_advertisers',
  params: ['from', 'to', 'timezone', 'pricing_model'],
  filters: ['advertiser'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    ifNull(a.deleted, false) AS deleted,
    f.campaigns AS campaigns,
    f.budget AS budget,
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    ${EXCEED_SELECT},
    f.est_spend AS est_spend,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT advertiser_id, sum(n) AS campaigns, sum(b) AS budget, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend, max(live) AS is_live
    FROM
    (
        SELECT c.advertiser_id AS advertiser_id, 0 AS n, toDecimal128(0, 2) AS b, e.i AS i, e.k AS k, ${spendOf('e.cpc', 'e.cpm')} AS s, 0 AS live
        FROM \${range_sums} AS e
        LEFT JOIN \${campaigns} AS c ON e.campaign_id = c.campaign_id
        WHERE e.place = 0
        UNION ALL
        SELECT advertiser_id, 1, toDecimal128(assumeNotNull(budget), 2), 0, 0, 0, 1 FROM \${live_campaigns}
        UNION ALL
        SELECT advertiser_id, 0, 0, 0, 0, 0, 1 FROM \${advertisers} WHERE NOT deleted
    )
    GROUP BY advertiser_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
LEFT JOIN \${advertisers} AS a ON f.advertiser_id = a.advertiser_id
WHERE ${KNOWN_PRICING_MODEL}`,
  report: plainReport(COLUMNS, 'est_spend DESC, advertiser_id NULLS LAST'),
};
