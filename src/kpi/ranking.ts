/** Campaigns by click-through rate, as far as it is known. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import { wilson } from './ctr.ts';
import { AS_OF, AS_OF_COLUMNS, CTR, CTR_SELECT, JOIN_CAMPAIGN, WHOSE, WHOSE_SELECT } from './fragments.ts';

/** Impressions under which a rate is not ranked. */
export const ENOUGH_IMPRESSIONS = 100;

const COLUMNS = [
  column(
    'rank',
    'Rank',
    'count',
    `by the lower bound; NULL: fewer than ${ENOUGH_IMPRESSIONS} impressions, or more clicks than impressions`,
  ),
  ...WHOSE,
  column('impressions', 'Impressions', 'count'),
  column('clicks', 'Clicks', 'count'),
  CTR,
  column('ctr_low', 'CTR 95 % low', 'ratio', 'lower bound of the Wilson interval'),
  column(
    'smoothed_ctr',
    'Smoothed CTR',
    'ratio',
    'drawn towards the rate of all campaigns, the more the fewer impressions: for ranking alone',
  ),
  column('verdict', 'Verdict', 'text', 'ranked, not enough data, or invalid (more clicks than impressions)'),
];

const VALID = 'f.impressions > 0 AND f.clicks <= f.impressions';

/** Ranked click-through rates. */
export const RANKING_KPI: KpiDefinition = {
  name: 'ranking',
  title: 'Ranked CTR',
  description: 'Which campaigns are clicked most, as far as their impressions tell.',
  formula:
    'rank by the lower bound of the Wilson interval; smoothed = (clicks + α) / (n + α + β), where α = mM, β = (1 − m)M; m = Σ clicks / Σ n of all N campaigns with clicks ≤ n, M = m(1 − m)/τ² − 1, τ² = max(0, (Σ n(p − m)² − (N − 1)m(1 − m)) / (Σ n − Σ n²/Σ n)); τ² = 0: smoothed = m; M < 0: M = 0',
  unit: 'CTR, its bound and the smoothed one are fractions',
  grain: 'one row per campaign; best first, those not ranked last',
  nullRule:
    'CTR and bound as in `ctr`; smoothed without impressions is m, and NULL with more clicks than impressions or when nothing can be fitted',
  caveats: [
    'α and β are fitted by moments on the campaigns of the range, whatever the filter: the rank is that among all of them.',
    'Deleted campaigns and “(none)” are there, and in the fit, when they have events.',
  ],
  view: 'kpi_ranking',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    if(f.verdict != 'ranked', NULL, toInt64(row_number() OVER (PARTITION BY f.verdict = 'ranked' ORDER BY f.ctr_low DESC, f.impressions DESC, f.campaign_id))) AS rank,
    ${WHOSE_SELECT},
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    f.ctr_low AS ctr_low,
    multiIf(f.clicks > f.impressions, NULL, isNull(f.m) OR isNaN(f.m), NULL, f.tau2 <= 0 OR f.impressions + f.strength = 0, f.m, (f.clicks + f.m * f.strength) / (f.impressions + f.strength)) AS smoothed_ctr,
    f.verdict AS verdict,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, impressions, clicks, if(${VALID}, ${wilson('-')}, NULL) AS ctr_low,
        multiIf(clicks > impressions, 'invalid', impressions < ${ENOUGH_IMPRESSIONS}, 'not enough data', 'ranked') AS verdict,
        m, tau2, if(tau2 > 0, greatest(0, m * (1 - m) / tau2 - 1), 0) AS strength
    FROM
    (
        SELECT *,
            (sumIf(n * pow(clicks / n - m, 2), valid) OVER () - (sum(valid) OVER () - 1) * m * (1 - m))
                / nullIf(sumIf(n, valid) OVER () - sumIf(n * n, valid) OVER () / nullIf(sumIf(n, valid) OVER (), 0), 0) AS moment,
            ifNull(moment, 0) AS tau2
        FROM
        (
            SELECT *, ${VALID} AS valid, toFloat64(impressions) AS n,
                sumIf(clicks, valid) OVER () / nullIf(sumIf(n, valid) OVER (), 0) AS m
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
        )
    ) AS f
) AS f
${JOIN_CAMPAIGN}`,
  report: plainReport(COLUMNS, 'rank NULLS LAST, verdict, campaign_id NULLS LAST'),
};
