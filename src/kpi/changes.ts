/** What campaigns were, and what happened when they changed. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  BUDGET_KIND,
  KNOWN_BUDGET_KIND,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  PRICING,
  spendOf,
  utcHour,
} from './fragments.ts';

const NOW = "{now:DateTime64(6, 'UTC')}";

const CAMPAIGN_COLUMNS = [
  column('advertiser_id', 'Advertiser id', 'id'),
  column('advertiser', 'Advertiser', 'text', '“(none)” for campaigns without one'),
  column('campaign_id', 'Campaign id', 'id'),
  column('campaign', 'Campaign', 'text'),
  column('bid', 'Bid', 'money'),
  column('pricing_model', 'Pays for', 'text', 'cpc: a click, cpm: a thousand impressions'),
  column('budget', 'Budget', 'money'),
  column('budget_kind', 'Budget is', 'text', 'lifetime or daily'),
  column('start_date', 'Start', 'day'),
  column('end_date', 'End', 'day'),
];

/** The attributes of campaigns. */
export const CAMPAIGNS_KPI: KpiDefinition = {
  name: 'campaigns',
  title: 'Campaigns',
  description: 'The campaigns that exist, with bid, budget and flight: now, or as they stood at a past position.',
  formula: 'as in the source; pricing and kind of budget by the rules of the configuration',
  unit: 'money in the currency of the bids, exact decimals',
  grain: 'one row per campaign that exists',
  nullRule: 'as in the source',
  caveats: [
    'Names, bids, budgets and dates are the present ones; all versions are in `campaign_versions` and `advertiser_versions`, and `--as-of` asks for those of a past position.',
  ],
  view: 'kpi_campaigns',
  params: ['pricing_model', 'budget_kind'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'none',
  source: 'state',
  columns: CAMPAIGN_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    c.campaign_id AS campaign_id,
    c.campaign AS campaign,
    c.bid AS bid,
    ${PRICING} AS pricing_model,
    c.budget AS budget,
    ${BUDGET_KIND} AS budget_kind,
    c.start_date AS start_date,
    c.end_date AS end_date,
    ${AS_OF_COLUMNS}
FROM \${live_priced_campaigns} AS c
LEFT JOIN \${advertisers} AS a ON c.advertiser_id = a.advertiser_id
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}`,
  report: plainReport(CAMPAIGN_COLUMNS, 'campaign_id'),
};

/** Hours before and after a change that are compared. */
const WINDOW_HOURS = 168;

const CHANGE_COLUMNS = [
  column('advertiser_id', 'Advertiser id', 'id', 'after the change'),
  column('advertiser', 'Advertiser', 'text'),
  column('campaign_id', 'Campaign id', 'id'),
  column('campaign', 'Campaign', 'text', 'its name after the change'),
  column('changed_at', 'Changed at', 'time', 'commit time'),
  column('bid_before', 'Bid before', 'money'),
  column('bid_after', 'Bid after', 'money'),
  column('budget_before', 'Budget before', 'money'),
  column('budget_after', 'Budget after', 'money'),
  column(
    'hours_after',
    'Hours after',
    'count',
    `whole hours since, until now: at most ${WINDOW_HOURS}; as many before are compared`,
  ),
  column('impressions_before', 'Impr. before', 'count'),
  column('impressions_after', 'Impr. after', 'count'),
  column('clicks_before', 'Clicks before', 'count'),
  column('clicks_after', 'Clicks after', 'count'),
  column('ctr_before', 'CTR before', 'ratio'),
  column('ctr_after', 'CTR after', 'ratio'),
  column('spend_before', 'Spend before', 'money'),
  column('spend_after', 'Spend after', 'money'),
];

const CHANGE_HOUR = utcHour('v.changed_at');

/** Delivery before and after changes. */
export const CHANGES_KPI: KpiDefinition = {
  name: 'changes',
  title: 'Impact of changes',
  description: 'Delivery before and after each change of a bid or budget.',
  formula: `sums over the whole hours after the hour of the change, up to ${WINDOW_HOURS} and until now, and over as many before it`,
  unit: 'counts; money; CTR is a fraction',
  grain: 'one row per change of a bid or budget; the latest first',
  nullRule: 'CTR is NULL without impressions',
  caveats: [
    'Confounded: other things changed too (time of day and week, other campaigns, other changes inside the window). No proof of an effect.',
    'Changes are those that the change stream saw: none from before the copy began. The hour of the change is on neither side.',
    ...MONEY_CAVEATS,
  ],
  view: 'kpi_changes',
  params: ['now', 'pricing_model'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'none',
  source: 'rollup',
  columns: CHANGE_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.changed_at AS changed_at,
    f.bid_before AS bid_before,
    f.bid_after AS bid_after,
    f.budget_before AS budget_before,
    f.budget_after AS budget_after,
    f.hours_after AS hours_after,
    f.i0 AS impressions_before,
    f.i1 AS impressions_after,
    f.k0 AS clicks_before,
    f.k1 AS clicks_after,
    f.k0 / nullIf(f.i0, 0) AS ctr_before,
    f.k1 / nullIf(f.i1, 0) AS ctr_after,
    ${spendOf('f.c0', 'f.m0')} AS spend_before,
    ${spendOf('f.c1', 'f.m1')} AS spend_after,
    ${AS_OF_COLUMNS}
FROM
(
    SELECT v.id AS campaign_id, v.version AS version, v.name AS campaign, v.advertiser_id AS advertiser_id, v.changed_at AS changed_at,
        v.bid_before AS bid_before, v.bid AS bid_after, v.budget_before AS budget_before, v.budget AS budget_after, v.hours_after AS hours_after,
        ifNull(sumIf(e.i, e.hour < v.change_hour), 0) AS i0, ifNull(sumIf(e.i, e.hour > v.change_hour), 0) AS i1,
        ifNull(sumIf(e.k, e.hour < v.change_hour), 0) AS k0, ifNull(sumIf(e.k, e.hour > v.change_hour), 0) AS k1,
        ifNull(sumIf(e.cpc, e.hour < v.change_hour), 0) AS c0, ifNull(sumIf(e.cpc, e.hour > v.change_hour), 0) AS c1,
        ifNull(sumIf(e.cpm, e.hour < v.change_hour), 0) AS m0, ifNull(sumIf(e.cpm, e.hour > v.change_hour), 0) AS m1
    FROM
    (
        SELECT *, ${CHANGE_HOUR} AS change_hour,
            toInt64(greatest(0, least(${WINDOW_HOURS}, dateDiff('hour', addHours(change_hour, 1), ${NOW})))) AS hours_after
        FROM
        (
            SELECT id, version, name, advertiser_id, bid, budget, valid_from AS changed_at,
                lagInFrame(toNullable(bid)) OVER w AS bid_before, lagInFrame(toNullable(budget)) OVER w AS budget_before
            FROM \${versions}
            WINDOW w AS (PARTITION BY id ORDER BY version, committed_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        ) AS v
        WHERE bid != bid_before OR budget != budget_before
    ) AS v
    LEFT JOIN
    (
        SELECT campaign_id, hour, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
        FROM \${facts}
        WHERE campaign_id IN (SELECT id FROM \${versions} GROUP BY id HAVING count() > 1)
        GROUP BY campaign_id, hour
    ) AS e ON v.id = e.campaign_id AND e.hour >= subtractHours(v.change_hour, v.hours_after) AND e.hour < addHours(v.change_hour, v.hours_after + 1)
    GROUP BY ALL
) AS f
LEFT JOIN \${campaigns} AS c ON f.campaign_id = c.campaign_id
LEFT JOIN \${advertisers} AS a ON f.advertiser_id = a.advertiser_id
WHERE ${KNOWN_PRICING_MODEL}`,
  report: plainReport(CHANGE_COLUMNS, 'changed_at DESC, campaign_id'),
};
