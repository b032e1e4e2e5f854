/** Figures of counts by plain SQL on the source, event by event: see tables.ts for what they read. */

/** Who a row of `x` by campaign is, with `c` joined: campaigns that are known, ids that only events have, and nobody. */
export const WHOSE = `c.advertiser_id, coalesce(c.adv, '(none)') AS advertiser, x.campaign_id,
  coalesce(c.name, CASE WHEN x.campaign_id IS NULL THEN '(none)' ELSE '(unknown)' END) AS campaign, coalesce(c.deleted, false) AS deleted`;
const JOIN = 'LEFT JOIN o_c c ON c.id = x.campaign_id';
const RATE = 'k::float8 / nullif(n, 0) AS ctr';
const EXCEED = 'k > n AS clicks_exceed_impressions';
/** All but what is named is left out of the sums. */
const COUNTS = "count(*) FILTER (WHERE fact = 'i') AS n, count(*) FILTER (WHERE fact = 'k') AS k";

/** Wilson's interval; at the ends its bounds are whole. */
const bound = (
  sign: '+' | '-',
): string => `CASE ${sign === '-' ? 'WHEN n > 0 AND k = 0 THEN 0' : 'WHEN n > 0 AND k = n THEN 1'} WHEN n > 0 AND k <= n THEN
  (k::float8 / n + 3.841458881296 / (2 * n) ${sign} 1.959964 * sqrt(k::float8 / n * (1 - k::float8 / n) / n + 3.841458881296 / (4.0 * n * n))) / (1 + 3.841458881296 / n) END`;

/** Local hours as the instants at which they begin. */
const HOUR_OF = (at: string, local: string): string =>
  `to_char(${at} - make_interval(mins => extract(minute FROM ${local})::int, secs => extract(second FROM ${local})), 'YYYY-MM-DD HH24:MI:SS')`;
const ALL_HOURS = `SELECT DISTINCT ${HOUR_OF('t', 'l')} AS step FROM generate_series(:from::timestamp - interval '1 day', :to + 2, interval '15 minutes') t,
    LATERAL (SELECT (t AT TIME ZONE 'UTC') AT TIME ZONE :tz AS l) z WHERE l::date BETWEEN :from AND :to`;

/** Steps of the events that a filter leaves, and all steps if there is anybody who could have had some. */
const steps = (name: string, ofEvent: string, all: string): string => `WITH
  s AS (SELECT ${ofEvent} AS step, fact FROM o_e x WHERE (inside OR at IS NULL) AND :whose),
  who AS (SELECT 1 FROM o_c WHERE NOT deleted AND :whom UNION ALL SELECT 1 FROM o_e x WHERE inside AND :whose LIMIT 1)
  SELECT step AS ${name}, n AS impressions, k AS clicks, ${RATE}, ${EXCEED} FROM
    (SELECT step, ${COUNTS} FROM (SELECT * FROM s UNION ALL SELECT step, NULL FROM (${all}) a WHERE EXISTS (SELECT FROM who)) y GROUP BY 1) z`;

const ALL_DAYS =
  "SELECT to_char(d, 'YYYY-MM-DD') AS step FROM generate_series(:from::timestamp, :to, interval '1 day') d";

/** By name. `:whose` and `:whom` stand for the filter on events and on campaigns. */
export const COUNT_FIGURES = {
  ctr: `SELECT ${WHOSE}, n AS impressions, k AS clicks, ${RATE}, ${bound('-')} AS ctr_low, ${bound('+')} AS ctr_high, ${EXCEED}, un AS undated_impressions, uk AS undated_clicks
    FROM o_sum x ${JOIN} WHERE live OR n + k + un + uk > 0`,
  ranking: `SELECT CASE WHEN verdict = 'ranked' THEN row_number() OVER (PARTITION BY verdict = 'ranked' ORDER BY low DESC, n DESC, x.campaign_id) END AS rank, ${WHOSE}, n AS impressions, k AS clicks,
      ${RATE}, low AS ctr_low, CASE WHEN k > n THEN NULL WHEN tau2 <= 0 THEN m WHEN n + strength = 0 THEN m ELSE (k + m * strength) / (n + strength) END AS smoothed_ctr, verdict
    FROM (SELECT y.*, m, coalesce(tau2, 0) AS tau2, CASE WHEN tau2 > 0 THEN greatest(0, m * (1 - m) / tau2 - 1) ELSE 0 END AS strength,
        CASE WHEN k > n THEN 'invalid' WHEN n < 100 THEN 'not enough data' ELSE 'ranked' END AS verdict
      FROM (SELECT campaign_id, n, k, ${bound('-')} AS low FROM o_sum WHERE live OR n + k > 0) y,
        (SELECT m, greatest(0, ((SELECT sum(n * (k::float8 / n - m) ^ 2) FROM o_sum WHERE n > 0 AND k <= n) - (cnt - 1) * m * (1 - m)) / nullif(nn - n2 / nullif(nn, 0), 0)) AS tau2
          FROM (SELECT sum(k)::float8 / nullif(sum(n), 0) AS m, count(*) AS cnt, sum(n)::float8 AS nn, sum(n * n)::float8 AS n2 FROM o_sum WHERE n > 0 AND k <= n) f) t) x ${JOIN}`,
  daily: steps('day', "to_char(local, 'YYYY-MM-DD')", ALL_DAYS),
  hourly: steps('hour', HOUR_OF('at', 'local'), ALL_HOURS),
  share: `SELECT ${WHOSE}, n AS impressions, n / nullif(sum(n) OVER (PARTITION BY c.advertiser_id), 0) AS share_of_advertiser, n / nullif(sum(n) OVER (), 0) AS share_of_platform,
      k AS clicks, k / nullif(sum(k) OVER (), 0) AS click_share_of_platform FROM o_sum x ${JOIN} WHERE live OR n + k > 0`,
  heatmap: `SELECT d AS weekday, h AS hour_of_day, n AS impressions, k AS clicks, ${RATE}, ${EXCEED} FROM (SELECT d, h, ${COUNTS}
      FROM generate_series(1, 7) d CROSS JOIN generate_series(0, 23) h LEFT JOIN o_e x ON extract(isodow FROM local) = d AND extract(hour FROM local) = h AND inside AND :whose
      WHERE EXISTS (SELECT FROM o_c WHERE NOT deleted AND :whom) OR EXISTS (SELECT FROM o_e x WHERE inside AND :whose) GROUP BY 1, 2) z`,
  campaign_days: `WITH f AS (SELECT campaign_id, local::date AS day, ${COUNTS} FROM o_e WHERE inside GROUP BY 1, 2
      UNION ALL SELECT id, d::date, 0, 0 FROM o_c, generate_series(:from::timestamp, :to, interval '1 day') d WHERE NOT deleted AND d >= start_date AND d <= coalesce(end_date, d)),
    x AS (SELECT campaign_id, day, sum(n) AS n, sum(k) AS k FROM f GROUP BY 1, 2)
    SELECT ${WHOSE}, day - c.start_date + 1 AS campaign_day, day, n AS impressions, k AS clicks, ${RATE},
      sum(n) OVER w AS impressions_so_far, sum(k) OVER w AS clicks_so_far FROM x ${JOIN} WHERE c.start_date IS NOT NULL WINDOW w AS (PARTITION BY x.campaign_id ORDER BY day)`,
  anomalies: `WITH
    w AS (SELECT c.id, least(4, (:today - start_date) / 7) AS fw, coalesce(greatest(0, least(4, (:today - start_date) / 7)), 4)::float8 AS wk FROM o_c c WHERE NOT deleted),
    n AS (SELECT w.*, f, (SELECT count(*) FROM o_e WHERE known = w.id AND fact = f AND local::date = :today AND extract(hour FROM local) < :hournow) AS now_n,
      (SELECT count(*) FROM o_e WHERE known = w.id AND fact = f AND (:today - local::date) % 7 = 0 AND (:today - local::date) / 7 BETWEEN 1 AND wk AND extract(hour FROM local) < :hournow) AS then_n
      FROM w, unnest(ARRAY['i', 'k']) f),
    p AS (SELECT i.id, nullif(i.wk, 0) AS wk, i.now_n AS i0, i.then_n AS i1, k.now_n AS k0, k.then_n AS k1, (k.now_n + k.then_n)::float8 / nullif(i.now_n + i.then_n, 0) AS pooled
      FROM n i JOIN n k ON i.id = k.id AND i.f = 'i' AND k.f = 'k'),
    z AS (SELECT id AS campaign_id, 'impressions' AS kind, i0::float8 AS value, i1 / wk AS expected, CASE WHEN i1 > 0 THEN (i0 - i1 / wk) / sqrt(i1 / wk * (1 + 1 / wk)) END AS z, i1 / wk >= 5 AS enough FROM p
      UNION ALL SELECT id, 'clicks', k0, k1 / wk, CASE WHEN k1 > 0 THEN (k0 - k1 / wk) / sqrt(k1 / wk * (1 + 1 / wk)) END, k1 / wk >= 5 FROM p
      UNION ALL SELECT id, 'ctr', k0::float8 / nullif(i0, 0), k1::float8 / nullif(i1, 0), CASE WHEN k0 <= i0 AND k1 <= i1 AND i0 > 0 AND i1 > 0 AND pooled > 0 AND pooled < 1 THEN
        (k0::float8 / i0 - k1::float8 / i1) / sqrt(pooled * (1 - pooled) * (1.0 / i0 + 1.0 / i1)) END, pooled * i0 >= 5 AND pooled * i1 >= 5 FROM p)
    SELECT ${WHOSE}, :today AS day, kind, value, expected, z, coalesce(abs(z) >= 3 AND enough, false) AS is_anomaly FROM z x ${JOIN}`,
  quality: `SELECT ${WHOSE}, n AS impressions, k AS clicks, ${EXCEED}, before_flight, after_flight, future_events, undated_events, CASE WHEN c.id IS NULL THEN n + k ELSE 0 END AS without_campaign
    FROM (SELECT campaign_id, ${COUNTS}, count(*) FILTER (WHERE local::date < start_date) AS before_flight, count(*) FILTER (WHERE local::date > end_date) AS after_flight,
        count(*) FILTER (WHERE date_trunc('hour', at) > :now) AS future_events, count(fact) FILTER (WHERE at IS NULL) AS undated_events
      FROM (SELECT campaign_id, fact, at, local, start_date, end_date FROM o_e UNION ALL SELECT id, NULL, NULL, NULL, NULL, NULL FROM o_c WHERE NOT deleted) y GROUP BY 1) x ${JOIN}`,
  time_to_click: `SELECT ${WHOSE}, clicks, matched, median_seconds, p90_seconds FROM (SELECT campaign_id, count(*) AS clicks, count(d) AS matched,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY d) AS median_seconds, percentile_disc(0.9) WITHIN GROUP (ORDER BY d) AS p90_seconds
      FROM (SELECT k.campaign_id, extract(epoch FROM k.at - (SELECT max(i.at) FROM o_event i WHERE i.fact = 'i' AND i.campaign_id = k.campaign_id AND i.at <= k.at)) AS d
        FROM o_e k WHERE k.fact = 'k' AND k.campaign_id IS NOT NULL AND k.inside) y GROUP BY 1) x ${JOIN}`,
  freshness: `SELECT t AS table_name, 'live' AS phase FROM (SELECT '(all)' AS t UNION SELECT schemaname || '.' || tablename FROM pg_publication_tables) x`,
} as const;
