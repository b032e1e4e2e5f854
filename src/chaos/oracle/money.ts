/** Figures of money and flights by plain SQL on the source, event by event: see tables.ts for what they read. */
import { WHOSE } from './counts.ts';

const FLIGHT_WHOSE = 'advertiser_id, adv AS advertiser, id AS campaign_id, name AS campaign';
const JOIN = 'LEFT JOIN o_c c ON c.id = x.campaign_id';
const BILLABLE = "CASE WHEN coalesce(c.model_rule, :model) = 'cpm'";
const SPREAD = '(SELECT stddev_samp(v) FROM unnest(pace) v)';
const projected = (sign: '+' | '-'): string =>
  `CASE WHEN days_left > 0 AND n7 > 1 THEN greatest(spend, spend_before + pace_sum / n7 * days_left ${sign} 1.959964 * ${SPREAD} * sqrt(days_left)) END`;

/** Ids of events by the level that is asked. */
const LEVEL =
  "CASE WHEN :by <> 'platform' THEN advertiser_id END AS aid, CASE WHEN :by = 'campaign' THEN campaign_id END AS cid";
const EVERYBODY = `SELECT NULL::int AS aid, NULL::int AS cid WHERE :by = 'platform' UNION SELECT id, NULL FROM o_a WHERE NOT deleted AND :by = 'advertiser'
  UNION SELECT advertiser_id, id FROM o_c WHERE NOT deleted AND :by = 'campaign'`;
const LEVEL_NAMES = `aid AS advertiser_id, CASE WHEN :by = 'platform' THEN '(all)' ELSE coalesce(a.name, CASE WHEN aid IS NULL THEN '(none)' ELSE '(unknown)' END) END AS advertiser,
  cid AS campaign_id, CASE WHEN :by <> 'campaign' THEN '(all)' ELSE coalesce(c.name, CASE WHEN cid IS NULL THEN '(none)' ELSE '(unknown)' END) END AS campaign`;
const LEVEL_JOIN = 'LEFT JOIN o_a a ON a.id = aid LEFT JOIN o_c c ON c.id = cid';

const PERIODS = {
  yesterday: ['ago = 1', 1],
  week_ago: ['ago = 7', 1],
  mean_7_days: ['ago BETWEEN 1 AND 7', 7],
} as const;
const METRICS = { impressions: "fact = 'i'", clicks: "fact = 'k'", est_spend: null } as const;

/** A metric's sum over the days that meet a condition. */
function sumOf(metric: keyof typeof METRICS, condition: string): string {
  const fact = METRICS[metric];
  return fact === null
    ? `coalesce(sum(s) FILTER (WHERE ${condition}), 0)`
    : `count(*) FILTER (WHERE ${fact} AND ${condition})`;
}

function comparisons(): string {
  const metrics = (Object.keys(METRICS) as (keyof typeof METRICS)[]).flatMap((metric) => [
    `${sumOf(metric, 'ago = 0')} AS ${metric}`,
    ...Object.entries(PERIODS).flatMap(([name, [condition, days]]) => {
      const then = days === 1 ? sumOf(metric, condition) : `${sumOf(metric, condition)}::float8 / ${days}`;
      return [
        `${then} AS ${metric}_${name}`,
        `${sumOf(metric, 'ago = 0')}::float8 / nullif((${then})::float8, 0) - 1 AS ${metric}_vs_${name}`,
      ];
    }),
  ]);
  const rates = Object.entries({ today: ['ago = 0'], ...PERIODS }).map(
    ([name, [condition]]) =>
      `${sumOf('clicks', condition)}::float8 / nullif(${sumOf('impressions', condition)}, 0) AS ctr_${name}`,
  );
  return [...metrics, ...rates].join(', ');
}

/** Events before and after the hour of a change. */
const BEFORE = "date_trunc('hour', e.at) < x.ch";
const AFTER = "date_trunc('hour', e.at) > x.ch";
const beforeAndAfter = (fact: 'i' | 'k'): string =>
  `count(*) FILTER (WHERE fact = '${fact}' AND ${BEFORE}) AS ${fact}0, count(*) FILTER (WHERE fact = '${fact}' AND ${AFTER}) AS ${fact}1`;

/** By name. */
export const MONEY_FIGURES = {
  spend: `SELECT ${WHOSE}, bid, budget, coalesce(c.model_rule, :model) AS pricing_model, n AS impressions, k AS clicks, x.spend AS est_spend,
      trunc(x.spend / nullif(k, 0), 6) AS ecpc, trunc(1000 * x.spend / nullif(n, 0), 6) AS ecpm, spend_total AS est_spend_total,
      CASE WHEN coalesce(c.kind_rule, :kind) <> 'daily' THEN spend_total::float8 / nullif(budget, 0)::float8 END AS budget_used,
      CASE WHEN coalesce(c.kind_rule, :kind) <> 'daily' THEN budget - spend_total END AS remaining,
      CASE WHEN c.id IS NULL THEN ${BILLABLE} THEN n ELSE k END ELSE 0 END + ${BILLABLE} THEN un ELSE uk END AS unpriced_events
    FROM o_sum x ${JOIN} WHERE live OR n + k + ${BILLABLE} THEN un ELSE uk END > 0`,
  advertisers: `SELECT x.advertiser_id, coalesce(a.name, CASE WHEN x.advertiser_id IS NULL THEN '(none)' ELSE '(unknown)' END) AS advertiser, coalesce(a.deleted, false) AS deleted,
      campaigns, x.budget, n AS impressions, k AS clicks, k::float8 / nullif(n, 0) AS ctr, k > n AS clicks_exceed_impressions, spend AS est_spend
    FROM (SELECT advertiser_id, bool_or(live) AS live, sum(one) AS campaigns, sum(budget) AS budget, sum(n) AS n, sum(k) AS k, sum(spend) AS spend FROM
        (SELECT c.advertiser_id, false AS live, 0 AS one, 0 AS budget, n, k, spend FROM o_sum x ${JOIN} UNION ALL SELECT advertiser_id, true, 1, budget, 0, 0, 0 FROM o_c WHERE NOT deleted
         UNION ALL SELECT id, true, 0, 0, 0, 0, 0 FROM o_a WHERE NOT deleted) y GROUP BY 1) x
    LEFT JOIN o_a a ON a.id = x.advertiser_id WHERE live OR n + k > 0`,
  campaigns: `SELECT ${FLIGHT_WHOSE}, bid, coalesce(model_rule, :model) AS pricing_model, budget, coalesce(kind_rule, :kind) AS budget_kind, start_date, end_date FROM o_c WHERE NOT deleted`,
  budget: `SELECT ${FLIGHT_WHOSE}, budget, kind AS budget_kind, spend AS est_spend, period AS period_spend, period / nullif(budget, 0) AS budget_used, budget - period AS remaining,
      CASE kind WHEN 'daily' THEN over_daily ELSE greatest(0, spend - budget) END AS overdelivery,
      CASE WHEN model = 'cpc' AND bid <> 0 THEN greatest(0, trunc((budget - period) / bid)) END AS affordable_clicks FROM o_flight`,
  pacing: `SELECT ${FLIGHT_WHOSE}, start_date, end_date, d_total, d_elapsed, days_left, total_budget, spend AS est_spend, expected AS expected_spend, flight_spend, pacing,
      CASE WHEN pacing < 0.9 THEN 'behind' WHEN pacing < 0.95 THEN 'slightly behind' WHEN pacing <= 1.25 THEN 'on track' WHEN pacing IS NOT NULL THEN 'ahead' END AS band,
      CASE WHEN total_budget IS NOT NULL THEN trunc(greatest(0, total_budget - spend) / nullif(days_left, 0), 6) END AS required_daily_spend,
      trunc(pace_sum / nullif(n7, 0), 6) AS mean_daily_spend, CASE WHEN days_left > 0 THEN spend_before + trunc(pace_sum * days_left / nullif(n7, 0), 6) END AS projected_spend,
      ${projected('-')} AS projected_low, ${projected('+')} AS projected_high,
      CASE WHEN kind = 'lifetime' AND spend < budget AND in_flight AND pace_sum > 0 AND ceil((budget - spend_before) * n7 / pace_sum) <= least(36500, coalesce(days_left, 36500))
        THEN today + greatest(1, ceil((budget - spend_before) * n7 / pace_sum)::int) - 1 END AS exhaustion_day FROM o_flight`,
  health: `SELECT ${FLIGHT_WHOSE}, CASE WHEN start_date > end_date THEN 'data problem' WHEN k > i THEN 'data problem' WHEN today > end_date THEN 'ended' WHEN today < start_date THEN 'scheduled'
      WHEN budget > 0 AND period >= budget THEN 'capped' WHEN idle >= :hours THEN 'no delivery' WHEN pacing < 0.95 THEN 'behind' WHEN pacing > 1.25 THEN 'ahead' ELSE 'delivering' END AS status,
      pacing, period / nullif(budget, 0) AS budget_used, idle AS idle_hours FROM o_flight`,
  zero_delivery: `SELECT ${FLIGHT_WHOSE}, start_date, end_date, last_hour AS last_impression_hour, idle AS idle_hours, idle >= :hours AS is_silent FROM o_flight WHERE in_flight`,
  delivery: `WITH s AS (SELECT e.*, ${LEVEL}, CASE :grain
        WHEN 'hour' THEN to_char(at - make_interval(mins => extract(minute FROM local)::int, secs => extract(second FROM local)), 'YYYY-MM-DD HH24:MI:SS')
        WHEN 'day' THEN to_char(local, 'YYYY-MM-DD') WHEN 'total' THEN CASE WHEN at IS NOT NULL THEN to_char(:from, 'YYYY-MM-DD') END
        ELSE to_char(date_trunc(:grain, local), 'YYYY-MM-DD') END AS period FROM o_e e WHERE at IS NULL OR inside),
    everybody AS (${EVERYBODY} UNION SELECT aid, cid FROM s WHERE period IS NOT NULL),
    periods AS (SELECT DISTINCT CASE :grain WHEN 'day' THEN to_char(t, 'YYYY-MM-DD') WHEN 'total' THEN to_char(:from, 'YYYY-MM-DD') ELSE to_char(date_trunc(:grain, t), 'YYYY-MM-DD') END AS period
        FROM generate_series(:from::timestamp, :to, interval '1 day') t WHERE :grain <> 'hour'
      UNION SELECT to_char(t - make_interval(mins => extract(minute FROM l)::int), 'YYYY-MM-DD HH24:MI:SS') FROM generate_series(:from::timestamp - interval '1 day', :to + 2, interval '15 minutes') t,
        LATERAL (SELECT (t AT TIME ZONE 'UTC') AT TIME ZONE :tz AS l) z WHERE :grain = 'hour' AND l::date BETWEEN :from AND :to),
    y AS (SELECT aid, cid, period, count(*) FILTER (WHERE fact = 'i') AS i, count(*) FILTER (WHERE fact = 'k') AS k, sum(s) AS s
      FROM (SELECT aid, cid, period, fact, s FROM s UNION ALL SELECT aid, cid, period, NULL, 0 FROM everybody CROSS JOIN periods) z GROUP BY 1, 2, 3)
    SELECT period, ${LEVEL_NAMES}, i AS impressions, k AS clicks, k::float8 / nullif(i, 0) AS ctr, k > i AS clicks_exceed_impressions, y.s AS est_spend,
      trunc(y.s / nullif(k, 0), 6) AS ecpc, trunc(1000 * y.s / nullif(i, 0), 6) AS ecpm FROM y ${LEVEL_JOIN}`,
  comparison: `WITH s AS (SELECT fact, s, :today - local::date AS ago, ${LEVEL} FROM o_e WHERE local::date BETWEEN :today - 7 AND :today AND extract(hour FROM local) < :hournow),
    y AS (SELECT aid, cid, ${comparisons()} FROM (SELECT * FROM s UNION ALL SELECT NULL, 0, 0, aid, cid FROM (${EVERYBODY}) z) x GROUP BY 1, 2)
    SELECT ${LEVEL_NAMES}, y.* FROM y ${LEVEL_JOIN}`,
  cap_out: `WITH r AS (SELECT *, CASE kind WHEN 'daily' THEN local::date END AS period FROM o_e WHERE known IS NOT NULL AND NOT deleted AND at IS NOT NULL AND budget > 0),
    q AS (SELECT r.*, sum(s) OVER (PARTITION BY known, period ORDER BY at) AS running, sum(s) OVER (PARTITION BY known, period) AS total FROM r),
    f AS (SELECT known, period, min(at) AS cap FROM q WHERE running >= budget GROUP BY 1, 2),
    y AS (SELECT q.known, q.period, f.cap, max(total) AS total, count(*) FILTER (WHERE fact = 'k' AND at > f.cap) AS clicks_after
      FROM q JOIN f ON q.known = f.known AND q.period IS NOT DISTINCT FROM f.period GROUP BY 1, 2, 3)
    SELECT ${FLIGHT_WHOSE}, budget, coalesce(kind_rule, :kind) AS budget_kind, y.period, cap AS cap_out_at, total AS est_spend, total - budget AS overdelivery, clicks_after FROM y JOIN o_c ON id = known`,
  changes: `WITH x AS (SELECT v.*, date_trunc('hour', at) AS ch, greatest(0, least(168, trunc(extract(epoch FROM date_trunc('hour', :now) - date_trunc('hour', at)) / 3600) - 1)) AS hours
      FROM o_change v WHERE bid <> bid_before OR budget <> budget_before),
    y AS (SELECT x.campaign_id, x.name, x.advertiser_id, x.at, bid_before, x.bid, budget_before, x.budget, hours, ${beforeAndAfter('i')}, ${beforeAndAfter('k')},
        coalesce(sum(e.s) FILTER (WHERE ${BEFORE}), 0) AS s0, coalesce(sum(e.s) FILTER (WHERE ${AFTER}), 0) AS s1
      FROM x LEFT JOIN o_e e ON e.known = x.campaign_id AND date_trunc('hour', e.at) >= x.ch - make_interval(hours => hours::int) AND date_trunc('hour', e.at) <= x.ch + make_interval(hours => hours::int)
      GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9)
    SELECT y.advertiser_id, coalesce(a.name, CASE WHEN y.advertiser_id IS NULL THEN '(none)' ELSE '(unknown)' END) AS advertiser, campaign_id, y.name AS campaign, at AS changed_at, bid_before, bid AS bid_after,
      budget_before, budget AS budget_after, hours AS hours_after, i0 AS impressions_before, i1 AS impressions_after, k0 AS clicks_before, k1 AS clicks_after,
      k0::float8 / nullif(i0, 0) AS ctr_before, k1::float8 / nullif(i1, 0) AS ctr_after, s0 AS spend_before, s1 AS spend_after FROM y LEFT JOIN o_a a ON a.id = y.advertiser_id`,
} as const;
