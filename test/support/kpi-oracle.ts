/** Key figures by plain SQL on PostgreSQL, event by event: what the views over the rollup must say. Independent of their code. */

import type { Grain, Level } from '../../src/kpi/query.ts';

/** What a figure is asked with. */
export interface Asked {
  readonly from: string;
  readonly to: string;
  readonly now: string;
  readonly timezone: string;
  readonly grain: Grain;
  readonly by: Level;
  readonly pricingModel: 'cpc' | 'cpm';
  readonly budgetKind: 'lifetime' | 'daily';
  readonly hours: number;
}

/**
 * A month of random ads around changes of clocks. Bids change at whole and odd times, budgets are small, campaigns start, end, have no
 * dates, belong to nobody; events come without campaign and time, outside flights, in the future; rules differ.
 */
export function randomMonth(seed: number): string {
  return `
SELECT setseed(${(seed % 1000) / 1000});
ALTER TABLE impressions DROP CONSTRAINT impressions_campaign_id_fkey;
ALTER TABLE clicks DROP CONSTRAINT clicks_campaign_id_fkey;
INSERT INTO advertiser (id, name) SELECT i, 'a' || i FROM generate_series(1, 4) i;
INSERT INTO campaign (id, name, bid, budget, start_date, end_date, advertiser_id) SELECT i, 'c' || i, round((random() * 3)::numeric, 2),
  CASE WHEN random() < 0.1 THEN 0 ELSE round((random() * 150)::numeric, 2) END,
  CASE WHEN random() < 0.1 THEN NULL ELSE date '2026-03-10' + (random() * 30)::int END, NULL,
  CASE WHEN random() < 0.2 THEN NULL ELSE 1 + (random() * 2)::int END FROM generate_series(1, 12) i;
UPDATE campaign SET end_date = coalesce(start_date, '2026-03-20') + (random() * 20 - 1)::int WHERE random() < 0.8;
CREATE TABLE price (campaign_id int, valid_from timestamp, bid numeric(10, 2));
INSERT INTO price SELECT id, '-infinity', bid FROM campaign;
INSERT INTO price SELECT 1 + (random() * 11)::int, timestamp '2026-03-15' + make_interval(secs => (random() * 1800000)::int), round((random() * 4)::numeric, 2) FROM generate_series(1, 15);
CREATE TABLE rule (scope text, id int, pricing_model text, budget_kind text);
INSERT INTO rule VALUES ('advertiser', 1, 'cpm', NULL), ('campaign', 2, 'cpc', 'daily'), ('campaign', 3, NULL, 'lifetime'), ('advertiser', 2, NULL, 'daily');
INSERT INTO impressions (campaign_id, created_at) SELECT CASE WHEN random() < 0.03 THEN NULL WHEN random() < 0.02 THEN 99 ELSE 1 + (random() * random() * 10)::int END,
  CASE WHEN random() < 0.01 THEN NULL ELSE timestamp '2026-03-03' + make_interval(secs => random() * 33 * 86400) END FROM generate_series(1, 4000);
INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + make_interval(secs => random() * 120) FROM impressions WHERE random() < 0.12;
INSERT INTO clicks (campaign_id, created_at) SELECT 1 + (random() * 11)::int, timestamp '2026-03-05' + make_interval(secs => random() * 30 * 86400) FROM generate_series(1, 60)`;
}

/** One statement for a figure; its columns are compared by name. */
export function oracleSql(name: string, asked: Asked): string {
  const figure = FIGURES[name];
  if (figure === undefined) throw new Error(`no oracle for ${name}`);
  const values: Record<string, string> = {
    now: `(timestamp '${asked.now}')`,
    today: `((timestamp '${asked.now}' AT TIME ZONE 'UTC') AT TIME ZONE '${asked.timezone}')::date`,
    hournow: `extract(hour FROM (timestamp '${asked.now}' AT TIME ZONE 'UTC') AT TIME ZONE '${asked.timezone}')`,
    from: `(date '${asked.from}')`,
    to: `(date '${asked.to}')`,
    tz: `'${asked.timezone}'`,
    grain: `'${asked.grain}'`,
    by: `'${asked.by}'`,
    model: `'${asked.pricingModel}'`,
    kind: `'${asked.budgetKind}'`,
    hours: String(asked.hours),
  };
  return `${COMMON}${figure}`.replaceAll(
    /(?<!:):(now|today|hournow|from|to|tz|grain|by|model|kind|hours)\b/g,
    (_, key: string) => values[key] ?? '',
  );
}

const COMMON = `WITH
c AS (SELECT c.*, a.name AS advertiser, coalesce(own.pricing_model, adv.pricing_model, :model) AS model, coalesce(own.budget_kind, adv.budget_kind, :kind) AS kind
  FROM campaign c LEFT JOIN advertiser a ON a.id = c.advertiser_id
  LEFT JOIN rule own ON own.scope = 'campaign' AND own.id = c.id LEFT JOIN rule adv ON adv.scope = 'advertiser' AND adv.id = c.advertiser_id),
facts AS (SELECT 'i' AS fact, campaign_id, created_at AS at FROM impressions UNION ALL SELECT 'k', campaign_id, created_at FROM clicks),
e AS (SELECT v.fact, v.campaign_id, v.at, (v.at AT TIME ZONE 'UTC') AT TIME ZONE :tz AS local, c.id AS known, c.advertiser_id, c.start_date, c.end_date, c.budget, c.kind, c.model,
    CASE WHEN coalesce(c.model, :model) = 'cpc' AND fact = 'k' THEN p.bid WHEN coalesce(c.model, :model) = 'cpm' AND fact = 'i' THEN p.bid / 1000 ELSE 0 END AS s
  FROM (SELECT * FROM facts) v LEFT JOIN c ON c.id = v.campaign_id
  CROSS JOIN LATERAL (SELECT coalesce((SELECT bid FROM price WHERE price.campaign_id = v.campaign_id AND price.valid_from <= v.at ORDER BY valid_from DESC LIMIT 1), 0) AS bid) p),
days AS (SELECT known AS id, local::date AS day, sum(s) AS s FROM e WHERE known IS NOT NULL GROUP BY 1, 2),
g AS (SELECT c.*, coalesce(c.advertiser, '(none)') AS adv, :today AS today,
    (SELECT coalesce(sum(s), 0) FROM e WHERE known = c.id) AS spend,
    (SELECT coalesce(sum(s), 0) FROM e WHERE known = c.id AND local::date = :today) AS spend_today,
    (SELECT coalesce(sum(s), 0) FROM e WHERE known = c.id AND local::date < :today) AS spend_before,
    (SELECT coalesce(sum(s), 0) FROM days d WHERE d.id = c.id AND day < :today AND day >= coalesce(c.start_date, day) AND day <= coalesce(c.end_date, day)) AS flight_spend,
    (SELECT count(*) FROM generate_series(:today - 7, :today - 1, interval '1 day') x WHERE x >= coalesce(c.start_date, x) AND x <= coalesce(c.end_date, x)) AS n7,
    ARRAY(SELECT coalesce((SELECT s FROM days d WHERE d.id = c.id AND d.day = x::date), 0) FROM generate_series(:today - 7, :today - 1, interval '1 day') x WHERE x >= coalesce(c.start_date, x) AND x <= coalesce(c.end_date, x)) AS pace,
    (SELECT coalesce(sum(greatest(0, s - c.budget)), 0) FROM days d WHERE d.id = c.id) AS over_daily,
    (SELECT count(*) FROM e WHERE known = c.id AND fact = 'i') AS i, (SELECT count(*) FROM e WHERE known = c.id AND fact = 'k') AS k,
    end_date - start_date + 1 AS d_total, CASE WHEN start_date IS NOT NULL THEN greatest(0, least(:today - start_date, end_date - start_date + 1)) END AS d_elapsed,
    CASE WHEN end_date IS NOT NULL THEN greatest(0, end_date - greatest(coalesce(start_date, :today), :today) + 1) END AS days_left,
    (SELECT date_trunc('hour', max(at)) FROM e WHERE known = c.id AND fact = 'i' AND date_trunc('hour', at) <= :now AND date_trunc('hour', at) >= :now - interval '35 days') AS last_hour
  FROM c),
h AS (SELECT g.*, CASE kind WHEN 'daily' THEN spend_today ELSE spend END AS period,
    CASE kind WHEN 'daily' THEN budget * d_total ELSE budget END AS total_budget,
    CASE WHEN start_date IS NOT NULL THEN CASE kind WHEN 'daily' THEN budget * d_elapsed::numeric ELSE budget * d_elapsed::numeric / nullif(d_total, 0) END END AS expected,
    CASE WHEN last_hour IS NULL AND start_date IS NULL THEN 840 ELSE greatest(0, least(840, trunc(extract(epoch FROM date_trunc('second', :now) -
      greatest(last_hour + interval '1 hour', (start_date::timestamp AT TIME ZONE :tz) AT TIME ZONE 'UTC')) / 3600))) END AS idle FROM g),
w AS (SELECT h.*, flight_spend / nullif(expected, 0) AS pacing FROM h)
`;

const WHOSE = 'advertiser_id, adv AS advertiser, id AS campaign_id, name AS campaign';
/** Everybody in `x` by campaign: campaigns that exist, and ids that only events have. */
const EVENT_WHOSE = `c.advertiser_id, coalesce(c.advertiser, CASE WHEN c.advertiser_id IS NULL THEN '(none)' END) AS advertiser, x.campaign_id,
  coalesce(c.name, CASE WHEN x.campaign_id IS NULL THEN '(none)' ELSE '(unknown)' END) AS campaign`;

const FIGURES: Record<string, string> = {
  budget: `SELECT ${WHOSE}, budget, kind AS budget_kind, spend AS est_spend, period AS period_spend, period / nullif(budget, 0) AS budget_used, budget - period AS remaining,
    CASE kind WHEN 'daily' THEN over_daily ELSE greatest(0, spend - budget) END AS overdelivery,
    CASE WHEN model = 'cpc' AND newest.bid <> 0 THEN greatest(0, trunc((budget - period) / newest.bid)) END AS affordable_clicks FROM w,
      LATERAL (SELECT p.bid FROM price p WHERE p.campaign_id = w.id ORDER BY valid_from DESC LIMIT 1) newest`,
  pacing: `SELECT ${WHOSE}, start_date, end_date, d_total, d_elapsed, days_left, total_budget, spend AS est_spend, expected AS expected_spend, flight_spend, pacing,
    CASE WHEN pacing < 0.9 THEN 'behind' WHEN pacing < 0.95 THEN 'slightly behind' WHEN pacing <= 1.25 THEN 'on track' WHEN pacing IS NOT NULL THEN 'ahead' END AS band,
    CASE WHEN total_budget IS NOT NULL THEN trunc(greatest(0, total_budget - spend) / nullif(days_left, 0), 6) END AS required_daily_spend,
    trunc((SELECT sum(v) FROM unnest(pace) v) / nullif(n7, 0), 6) AS mean_daily_spend,
    CASE WHEN days_left > 0 THEN spend_before + trunc((SELECT sum(v) FROM unnest(pace) v) * days_left / nullif(n7, 0), 6) END AS projected_spend,
    CASE WHEN days_left > 0 AND n7 > 1 THEN greatest(spend, spend_before + (SELECT avg(v) FROM unnest(pace) v) * days_left - 1.959964 * (SELECT stddev_samp(v) FROM unnest(pace) v) * sqrt(days_left)) END AS projected_low,
    CASE WHEN days_left > 0 AND n7 > 1 THEN greatest(spend, spend_before + (SELECT avg(v) FROM unnest(pace) v) * days_left + 1.959964 * (SELECT stddev_samp(v) FROM unnest(pace) v) * sqrt(days_left)) END AS projected_high
    FROM w`,
  health: `SELECT ${WHOSE}, CASE WHEN start_date > end_date THEN 'data problem' WHEN k > i THEN 'data problem' WHEN today > end_date THEN 'ended' WHEN today < start_date THEN 'scheduled'
      WHEN budget > 0 AND period >= budget THEN 'capped' WHEN idle >= :hours THEN 'no delivery' WHEN pacing < 0.95 THEN 'behind' WHEN pacing > 1.25 THEN 'ahead' ELSE 'delivering' END AS status,
    pacing, period / nullif(budget, 0) AS budget_used, idle AS idle_hours FROM w`,
  zero_delivery: `SELECT ${WHOSE}, start_date, end_date, last_hour AS last_impression_hour, idle AS idle_hours, idle >= :hours AS is_silent FROM w
    WHERE coalesce(start_date <= today, true) AND coalesce(today <= end_date, true)`,
  quality: `SELECT ${EVENT_WHOSE}, false AS deleted, i AS impressions, k AS clicks, k > i AS clicks_exceed_impressions, before_flight, after_flight, future_events, undated_events,
      CASE WHEN c.id IS NULL THEN i + k ELSE 0 END AS without_campaign
    FROM (SELECT campaign_id, count(*) FILTER (WHERE fact = 'i') AS i, count(*) FILTER (WHERE fact = 'k') AS k, count(*) FILTER (WHERE local::date < start_date) AS before_flight,
        count(*) FILTER (WHERE local::date > end_date) AS after_flight, count(*) FILTER (WHERE date_trunc('hour', at) > :now) AS future_events, count(*) FILTER (WHERE at IS NULL AND fact IS NOT NULL) AS undated_events
      FROM (SELECT * FROM e UNION ALL SELECT NULL, id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM campaign) y GROUP BY 1) x LEFT JOIN c ON c.id = x.campaign_id`,
  share: `SELECT ${EVENT_WHOSE}, false AS deleted, i AS impressions, i / nullif(sum(i) OVER (PARTITION BY c.advertiser_id), 0) AS share_of_advertiser, i / nullif(sum(i) OVER (), 0) AS share_of_platform,
      k AS clicks, k / nullif(sum(k) OVER (), 0) AS click_share_of_platform
    FROM (SELECT campaign_id, count(*) FILTER (WHERE fact = 'i') AS i, count(*) FILTER (WHERE fact = 'k') AS k
      FROM (SELECT campaign_id, fact FROM e WHERE local::date BETWEEN :from AND :to UNION ALL SELECT id, NULL FROM campaign) y GROUP BY 1) x LEFT JOIN c ON c.id = x.campaign_id`,
  heatmap: `SELECT d AS weekday, h AS hour_of_day, count(*) FILTER (WHERE fact = 'i') AS impressions, count(*) FILTER (WHERE fact = 'k') AS clicks,
      count(*) FILTER (WHERE fact = 'k')::float8 / nullif(count(*) FILTER (WHERE fact = 'i'), 0) AS ctr, count(*) FILTER (WHERE fact = 'k') > count(*) FILTER (WHERE fact = 'i') AS clicks_exceed_impressions
    FROM generate_series(1, 7) d CROSS JOIN generate_series(0, 23) h LEFT JOIN e ON extract(isodow FROM local) = d AND extract(hour FROM local) = h AND local::date BETWEEN :from AND :to GROUP BY 1, 2`,
  campaign_days: `, x AS (SELECT c.id, day::date AS day, (SELECT count(*) FROM e WHERE known = c.id AND local::date = day AND fact = 'i') AS i, (SELECT count(*) FROM e WHERE known = c.id AND local::date = day AND fact = 'k') AS k
      FROM c CROSS JOIN generate_series(:from::timestamp, :to, interval '1 day') day WHERE start_date IS NOT NULL)
    SELECT c.advertiser_id, coalesce(c.advertiser, '(none)') AS advertiser, c.id AS campaign_id, c.name AS campaign, false AS deleted, day - start_date + 1 AS campaign_day, day, i AS impressions, k AS clicks, i AS _i,
      k::float8 / nullif(i, 0) AS ctr, sum(i) OVER (PARTITION BY c.id ORDER BY day) AS impressions_so_far, sum(k) OVER (PARTITION BY c.id ORDER BY day) AS clicks_so_far
    FROM x JOIN c USING (id) WHERE i + k > 0 OR (day >= start_date AND day <= coalesce(end_date, day))`,
  delivery: `, s AS (SELECT e.*, CASE :grain WHEN 'hour' THEN to_char(at - make_interval(mins => extract(minute FROM local)::int, secs => extract(second FROM local)), 'YYYY-MM-DD HH24:MI:SS')
        WHEN 'day' THEN to_char(local, 'YYYY-MM-DD') WHEN 'total' THEN CASE WHEN at IS NOT NULL THEN to_char(:from, 'YYYY-MM-DD') END ELSE to_char(date_trunc(:grain, local), 'YYYY-MM-DD') END AS period,
        CASE WHEN :by <> 'platform' THEN advertiser_id END AS aid, CASE WHEN :by = 'campaign' THEN campaign_id END AS cid FROM e WHERE at IS NULL OR local::date BETWEEN :from AND :to),
    everybody AS (SELECT NULL::int AS aid, NULL::int AS cid WHERE :by = 'platform' UNION SELECT id, NULL FROM advertiser WHERE :by = 'advertiser' UNION SELECT advertiser_id, id FROM campaign WHERE :by = 'campaign' UNION SELECT aid, cid FROM s WHERE period IS NOT NULL),
    periods AS (SELECT DISTINCT CASE :grain WHEN 'day' THEN to_char(t, 'YYYY-MM-DD') WHEN 'total' THEN to_char(:from, 'YYYY-MM-DD') ELSE to_char(date_trunc(:grain, t), 'YYYY-MM-DD') END AS period FROM generate_series(:from::timestamp, :to, interval '1 day') t WHERE :grain <> 'hour'
      UNION SELECT to_char(t - make_interval(mins => extract(minute FROM l)::int), 'YYYY-MM-DD HH24:MI:SS') FROM generate_series(:from::timestamp - interval '1 day', :to + 2, interval '15 minutes') t, LATERAL (SELECT (t AT TIME ZONE 'UTC') AT TIME ZONE :tz AS l) z WHERE :grain = 'hour' AND l::date BETWEEN :from AND :to),
    x AS (SELECT aid, cid, period, fact, s FROM s UNION ALL SELECT aid, cid, period, NULL, 0 FROM everybody CROSS JOIN periods),
    y AS (SELECT aid, cid, period, count(*) FILTER (WHERE fact = 'i') AS i, count(*) FILTER (WHERE fact = 'k') AS k, sum(s) AS s FROM x GROUP BY 1, 2, 3)
    SELECT period, aid AS advertiser_id, CASE WHEN :by = 'platform' THEN '(all)' ELSE coalesce(a.name, '(none)') END AS advertiser, cid AS campaign_id,
      CASE WHEN :by <> 'campaign' THEN '(all)' ELSE coalesce(c.name, CASE WHEN cid IS NULL THEN '(none)' ELSE '(unknown)' END) END AS campaign,
      i AS impressions, k AS clicks, k::float8 / nullif(i, 0) AS ctr, k > i AS clicks_exceed_impressions, y.s AS est_spend, trunc(y.s / nullif(k, 0), 6) AS ecpc, trunc(1000 * y.s / nullif(i, 0), 6) AS ecpm
    FROM y LEFT JOIN advertiser a ON a.id = aid LEFT JOIN c ON c.id = cid`,
  comparison: `, s AS (SELECT fact, s, :today - local::date AS ago, CASE WHEN :by <> 'platform' THEN advertiser_id END AS aid, CASE WHEN :by = 'campaign' THEN campaign_id END AS cid
      FROM e WHERE local::date BETWEEN :today - 7 AND :today AND extract(hour FROM local) < :hournow),
    x AS (SELECT * FROM s UNION ALL SELECT NULL, 0, 0, CASE WHEN :by <> 'platform' THEN aid END, CASE WHEN :by = 'campaign' THEN cid END FROM
      (SELECT NULL::int AS aid, NULL::int AS cid WHERE :by = 'platform' UNION SELECT id, NULL FROM advertiser WHERE :by = 'advertiser' UNION SELECT advertiser_id, id FROM campaign WHERE :by = 'campaign') z)
    SELECT aid AS advertiser_id, cid AS campaign_id, count(*) FILTER (WHERE fact = 'i' AND ago = 0) AS impressions, count(*) FILTER (WHERE fact = 'i' AND ago = 1) AS impressions_yesterday,
      count(*) FILTER (WHERE fact = 'i' AND ago = 0)::float8 / nullif(count(*) FILTER (WHERE fact = 'i' AND ago = 1), 0) - 1 AS impressions_vs_yesterday,
      count(*) FILTER (WHERE fact = 'k' AND ago = 7) AS clicks_week_ago, count(*) FILTER (WHERE fact = 'i' AND ago BETWEEN 1 AND 7) / 7.0 AS impressions_mean_7_days,
      coalesce(sum(s) FILTER (WHERE ago = 0), 0) AS est_spend, coalesce(sum(s) FILTER (WHERE ago = 1), 0) AS est_spend_yesterday, coalesce(sum(s) FILTER (WHERE ago BETWEEN 1 AND 7), 0) / 7.0 AS est_spend_mean_7_days,
      count(*) FILTER (WHERE fact = 'k' AND ago = 0)::float8 / nullif(count(*) FILTER (WHERE fact = 'i' AND ago = 0), 0) AS ctr_today FROM x GROUP BY 1, 2`,
  anomalies: `, x AS (SELECT c.id, c.name, least(4, (:today - start_date) / 7) AS fw, coalesce(greatest(0, least(4, (:today - start_date) / 7)), 4)::float8 AS wk FROM c),
    n AS (SELECT x.*, (SELECT count(*) FROM e WHERE known = x.id AND fact = f AND local::date = :today AND extract(hour FROM local) < :hournow) AS now_n, f,
      (SELECT count(*) FROM e WHERE known = x.id AND fact = f AND (:today - local::date) % 7 = 0 AND (:today - local::date) / 7 BETWEEN 1 AND wk AND extract(hour FROM local) < :hournow) AS then_n FROM x, unnest(ARRAY['i', 'k']) f),
    p AS (SELECT i.id, i.wk, i.now_n AS i0, i.then_n AS i1, k.now_n AS k0, k.then_n AS k1 FROM n i JOIN n k ON i.id = k.id AND i.f = 'i' AND k.f = 'k')
    SELECT id AS campaign_id, 'impressions' AS kind, i0::float8 AS value, i1 / nullif(wk, 0) AS expected, CASE WHEN wk > 0 AND i1 > 0 THEN (i0 - i1 / wk) / sqrt(i1 / wk * (1 + 1 / wk)) END AS z FROM p
    UNION ALL SELECT id, 'clicks', k0, k1 / nullif(wk, 0), CASE WHEN wk > 0 AND k1 > 0 THEN (k0 - k1 / wk) / sqrt(k1 / wk * (1 + 1 / wk)) END FROM p
    UNION ALL SELECT id, 'ctr', k0::float8 / nullif(i0, 0), k1::float8 / nullif(i1, 0), CASE WHEN k0 <= i0 AND k1 <= i1 AND i0 > 0 AND i1 > 0 AND k0 + k1 > 0 AND k0 + k1 < i0 + i1 THEN
      (k0::float8 / i0 - k1::float8 / i1) / sqrt((k0 + k1)::float8 / (i0 + i1) * (1 - (k0 + k1)::float8 / (i0 + i1)) * (1.0 / i0 + 1.0 / i1)) END FROM p`,
  ranking: `, x AS (SELECT c.id, count(*) FILTER (WHERE fact = 'i')::float8 AS n, count(*) FILTER (WHERE fact = 'k')::float8 AS k FROM (SELECT id FROM c UNION SELECT campaign_id FROM e WHERE local::date BETWEEN :from AND :to) c LEFT JOIN e ON e.campaign_id IS NOT DISTINCT FROM c.id AND local::date BETWEEN :from AND :to GROUP BY 1),
    m AS (SELECT sum(k) / nullif(sum(n), 0) AS m, count(*) AS cnt, sum(n) AS nn, sum(n * n) AS n2 FROM x WHERE n > 0 AND k <= n),
    t AS (SELECT m, greatest(0, ((SELECT sum(n * (k / n - m) ^ 2) FROM x WHERE n > 0 AND k <= n) - (cnt - 1) * m * (1 - m)) / nullif(nn - n2 / nn, 0)) AS tau2 FROM m)
    SELECT id AS campaign_id, n AS impressions, k AS clicks, CASE WHEN k > n THEN 'invalid' WHEN n < 100 THEN 'not enough data' ELSE 'ranked' END AS verdict,
      CASE WHEN k <= n THEN CASE WHEN coalesce(tau2, 0) = 0 THEN m ELSE (k + m * greatest(0, m * (1 - m) / tau2 - 1)) / (n + greatest(0, m * (1 - m) / tau2 - 1)) END END AS smoothed_ctr FROM x, t`,
  cap_out: `, r AS (SELECT e.*, CASE kind WHEN 'daily' THEN local::date END AS period FROM e WHERE known IS NOT NULL AND at IS NOT NULL AND budget > 0),
    q AS (SELECT r.*, sum(s) OVER (PARTITION BY known, period ORDER BY at) AS running, sum(s) OVER (PARTITION BY known, period) AS total FROM r),
    f AS (SELECT known, period, min(at) AS cap FROM q WHERE running >= budget GROUP BY 1, 2)
    SELECT q.known AS campaign_id, q.period, f.cap AS cap_out_at, max(total) AS est_spend, max(total) - max(budget) AS overdelivery, count(*) FILTER (WHERE fact = 'k' AND at > f.cap) AS clicks_after
    FROM q JOIN f ON q.known = f.known AND q.period IS NOT DISTINCT FROM f.period GROUP BY 1, 2, 3`,
  changes: `, v AS (SELECT campaign_id, valid_from, bid, lag(bid) OVER (PARTITION BY campaign_id ORDER BY valid_from) AS was FROM price),
    x AS (SELECT v.*, date_trunc('hour', valid_from) AS ch, greatest(0, least(168, trunc(extract(epoch FROM date_trunc('hour', :now) - date_trunc('hour', valid_from)) / 3600) - 1)) AS n FROM v WHERE bid <> was)
    SELECT x.campaign_id, valid_from AS changed_at, was AS bid_before, bid AS bid_after, n AS hours_after,
      count(*) FILTER (WHERE fact = 'i' AND date_trunc('hour', at) < ch) AS impressions_before, count(*) FILTER (WHERE fact = 'i' AND date_trunc('hour', at) > ch) AS impressions_after,
      count(*) FILTER (WHERE fact = 'k' AND date_trunc('hour', at) < ch) AS clicks_before, count(*) FILTER (WHERE fact = 'k' AND date_trunc('hour', at) > ch) AS clicks_after,
      coalesce(sum(s) FILTER (WHERE date_trunc('hour', at) < ch), 0) AS spend_before, coalesce(sum(s) FILTER (WHERE date_trunc('hour', at) > ch), 0) AS spend_after
    FROM x LEFT JOIN e ON e.known = x.campaign_id AND date_trunc('hour', at) >= ch - make_interval(hours => n::int) AND date_trunc('hour', at) <= ch + make_interval(hours => n::int) GROUP BY 1, 2, 3, 4, 5`,
  time_to_click: `SELECT campaign_id, count(*) AS clicks, count(d) AS matched, percentile_disc(0.5) WITHIN GROUP (ORDER BY d) AS median_seconds
    FROM (SELECT k.campaign_id, extract(epoch FROM k.at - (SELECT max(i.at) FROM e i WHERE i.fact = 'i' AND i.campaign_id = k.campaign_id AND i.at <= k.at)) AS d
      FROM e k WHERE k.fact = 'k' AND k.campaign_id IS NOT NULL AND k.local::date BETWEEN :from AND :to) x GROUP BY 1`,
};

/** Figures that the oracle knows. */
export const ORACLE_NAMES = Object.keys(FIGURES);
