/** Click-through rate by campaign. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  CTR,
  CTR_SELECT,
  EXCEED,
  EXCEED_SELECT,
  JOIN_CAMPAIGN,
  WHOSE,
  WHOSE_SELECT,
} from './fragments.ts';

const COLUMNS = [
  ...WHOSE,
  column('impressions', 'Impressions', 'count'),
  column('clicks', 'Clicks', 'count'),
  CTR,
  column('ctr_low', 'CTR 95 % low', 'ratio', 'lower bound of the Wilson interval'),
  column('ctr_high', 'CTR 95 % high', 'ratio', 'upper bound of the Wilson interval'),
  EXCEED,
  column(
    'undated_impressions',
    'Undated impr.',
    'count',
    'impressions without a time: in no range, counted here alone',
  ),
  column('undated_clicks', 'Undated clicks', 'count', 'clicks without a time'),
];

/** z of a two-sided 95 % interval. */
const Z = '1.959964';

/**
 * A bound of the Wilson interval of `f.clicks` among `f.impressions`. Without clicks the lower one is 0 and with as many as
 * impressions the upper one 1: exactly, as ranks are told from equal bounds.
 */
export function wilson(sign: '+' | '-'): string {
  const p = '(f.clicks / f.impressions)';
  const n = 'f.impressions';
  const limit = sign === '-' ? 'f.clicks = 0, 0' : `f.clicks = ${n}, 1`;
  return (
    `if(${limit}, (${p} + ${Z} * ${Z} / (2 * ${n}) ${sign} ${Z} * sqrt(${p} * (1 - ${p}) / ${n} + ${Z} * ${Z} / (4 * ${n} * ${n})))` +
    ` / (1 + ${Z} * ${Z} / ${n}))`
  );
}

/** Click-through rate by campaign, with its interval. */
export const CTR_KPI: KpiDefinition = {
  name: 'ctr',
  title: 'CTR by campaign',
  description: 'How many of the impressions of each campaign were clicked, and how sure that is.',
  formula:
    'clicks / impressions; interval: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n) with n impressions, p = clicks/n, z = 1.959964 (Wilson, 95 %)',
  unit: 'CTR and its bounds are fractions (0.08 is 8 %); the others are counts',
  grain: 'one row per campaign; best first, by the lower bound of the interval',
  nullRule: 'CTR is NULL without impressions; the bounds also when clicks exceed impressions',
  caveats: [
    'A ratio of sums over the whole range, never a mean of daily rates.',
    'Campaigns without events are there, with zeros; deleted campaigns and “(none)” only when they have events.',
    'A small campaign has a wide interval: compare lower bounds, not rates.',
  ],
  view: 'kpi_ctr',
  params: ['from', 'to', 'timezone'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_SELECT},
    f.impressions AS impressions,
    f.clicks AS clicks,
    ${CTR_SELECT},
    if(f.impressions = 0 OR f.clicks > f.impressions, NULL, ${wilson('-')}) AS ctr_low,
    if(f.impressions = 0 OR f.clicks > f.impressions, NULL, ${wilson('+')}) AS ctr_high,
    ${EXCEED_SELECT},
    f.undated_impressions AS undated_impressions,
    f.undated_clicks AS undated_clicks,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(ui) AS undated_impressions, sum(uk) AS undated_clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, if(place = 0, e.i, 0) AS i, if(place = 0, e.k, 0) AS k, if(place = 1, e.i, 0) AS ui, if(place = 1, e.k, 0) AS uk, 0 AS live
        FROM \${range_sums} AS e
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 1 FROM \${live_campaigns}
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0 OR undated_impressions != 0 OR undated_clicks != 0
) AS f
${JOIN_CAMPAIGN}`,
  report: plainReport(COLUMNS, 'ctr_low DESC NULLS LAST, campaign_id NULLS LAST'),
};
