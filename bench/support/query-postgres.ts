/**
 * The key figures asked of PostgreSQL, as somebody would who knows it well: events are counted first, by campaign and day
 * where that will do, and joined then. Prices are today's bids, as PostgreSQL keeps no history; days are of UTC.
 */
import { LAST_WEEK, SPAN } from './query-data.ts';

const NOW = `timestamp '${SPAN.now}'`;
const TODAY = `date '${SPAN.to}'`;
const WITHIN = (from: string): string => `created_at >= '${from}' AND created_at < date '${SPAN.to}' + 1`;

/** Impressions `i` and clicks `k` by campaign and something else, `step`. */
function counts(step: string, where = WITHIN(SPAN.from)): string {
  return `WITH e AS (
    SELECT campaign_id, ${step} AS step, count(*) AS i, 0 AS k FROM impressions WHERE ${where} GROUP BY 1, 2
    UNION ALL SELECT campaign_id, ${step}, 0, count(*) FROM clicks WHERE ${where} GROUP BY 1, 2)`;
}

const DAY = 'created_at::date';
const CTR = 'sum(k) / nullif(sum(i), 0)::float8';

/** What each campaign spent until when. */
const FLIGHT = `${counts(DAY, 'true')}, f AS (
    SELECT c.id, c.name, c.advertiser_id, c.bid, c.budget, c.start_date, c.end_date, c.end_date - c.start_date + 1 AS days,
      greatest(0, least(${TODAY} - c.start_date, c.end_date - c.start_date + 1)) AS elapsed, greatest(0, c.end_date - greatest(c.start_date, ${TODAY}) + 1) AS days_left,
      coalesce(sum(i), 0) AS i, coalesce(sum(k), 0) AS k, coalesce(sum(k * bid), 0) AS spend,
      coalesce(sum(k * bid) FILTER (WHERE step BETWEEN start_date AND least(end_date, ${TODAY} - 1)), 0) AS flight_spend,
      coalesce(sum(k * bid) FILTER (WHERE step >= ${TODAY} - 7 AND step < ${TODAY} AND step BETWEEN start_date AND end_date), 0) / 7 AS a_day
    FROM campaign c LEFT JOIN e ON e.campaign_id = c.id GROUP BY c.id)`;
const PACING = 'flight_spend / nullif(budget * elapsed / nullif(days, 0), 0)';

/** The last impression of each campaign: one look into the index each. */
const LAST_IMPRESSION = `LATERAL (SELECT max(created_at) AS at FROM impressions WHERE campaign_id = f.id AND created_at <= ${NOW})`;
const IDLE = `extract(epoch FROM ${NOW} - last.at) / 3600`;

const SAME_HOURS = (days: number): string =>
  `created_at >= ${TODAY} - ${days} AND created_at < ${TODAY} + 1 AND extract(hour FROM created_at) < extract(hour FROM ${NOW})`;

/** By name of the key figure. Not here: what needs the history of campaigns, and what is about the copy. */
export const POSTGRES_QUERIES: Readonly<Record<string, string>> = {
  ctr: `${counts('0')} SELECT c.id, c.name, a.name, sum(i), sum(k), ${CTR}
    FROM campaign c LEFT JOIN e ON e.campaign_id = c.id LEFT JOIN advertiser a ON a.id = c.advertiser_id GROUP BY 1, 2, 3 ORDER BY 1`,
  ranking: `${counts('0')}, s AS (SELECT c.id, c.name, sum(i)::float8 AS n, sum(k) / nullif(sum(i), 0)::float8 AS p FROM campaign c LEFT JOIN e ON e.campaign_id = c.id GROUP BY 1)
    SELECT id, name, n, p, (p + 1.92 / n - 1.96 * sqrt(p * (1 - p) / n + 0.96 / n / n)) / (1 + 3.84 / n) AS low FROM s WHERE p <= 1 ORDER BY low DESC NULLS LAST`,
  daily: `${counts(DAY)} SELECT step, sum(i), sum(k), ${CTR} FROM e GROUP BY 1 ORDER BY 1`,
  hourly: `${counts("date_trunc('hour', created_at)", WITHIN(LAST_WEEK))} SELECT step, sum(i), sum(k), ${CTR} FROM e GROUP BY 1 ORDER BY 1`,
  delivery: `${counts(DAY)} SELECT step, sum(i), sum(k), ${CTR}, sum(k * bid), sum(k * bid) / nullif(sum(k), 0), 1000 * sum(k * bid) / nullif(sum(i), 0)
    FROM e LEFT JOIN campaign c ON c.id = e.campaign_id GROUP BY 1 ORDER BY 1`,
  heatmap: `${counts("date_trunc('hour', created_at)")} SELECT extract(isodow FROM step), extract(hour FROM step), sum(i), sum(k), ${CTR} FROM e GROUP BY 1, 2 ORDER BY 1, 2`,
  campaign_days: `${counts(DAY)}, d AS (SELECT campaign_id, step, sum(i) AS i, sum(k) AS k FROM e GROUP BY 1, 2)
    SELECT c.id, c.name, step, step - start_date + 1, i, k, sum(i) OVER w, sum(k) OVER w FROM d JOIN campaign c ON c.id = d.campaign_id WINDOW w AS (PARTITION BY c.id ORDER BY step) ORDER BY 1, 3`,
  spend: `${counts('0')} SELECT c.id, c.name, c.budget, sum(k) * c.bid AS spend, sum(k) * c.bid / nullif(c.budget, 0)
    FROM campaign c LEFT JOIN e ON e.campaign_id = c.id GROUP BY c.id ORDER BY spend DESC NULLS LAST`,
  advertisers: `${counts('0')} SELECT a.id, a.name, count(DISTINCT c.id), sum(i), sum(k), sum(k * c.bid)
    FROM advertiser a LEFT JOIN campaign c ON c.advertiser_id = a.id LEFT JOIN e ON e.campaign_id = c.id GROUP BY 1 ORDER BY 1`,
  share: `${counts('0')}, s AS (SELECT c.id, c.advertiser_id, sum(i) AS i FROM campaign c LEFT JOIN e ON e.campaign_id = c.id GROUP BY 1)
    SELECT id, i / sum(i) OVER (PARTITION BY advertiser_id), i / sum(i) OVER () FROM s ORDER BY i DESC NULLS LAST`,
  budget: `${FLIGHT} SELECT id, name, budget, spend, spend / nullif(budget, 0) AS used, budget - spend, greatest(0, spend - budget) FROM f ORDER BY used DESC NULLS LAST`,
  pacing: `${FLIGHT} SELECT id, name, spend, ${PACING} AS pacing, greatest(0, budget - spend) / nullif(days_left, 0), a_day, spend + a_day * days_left FROM f ORDER BY pacing NULLS LAST`,
  health: `${FLIGHT} SELECT id, name, CASE WHEN k > i THEN 'data problem' WHEN ${TODAY} > end_date THEN 'ended' WHEN ${TODAY} < start_date THEN 'scheduled' WHEN spend >= budget THEN 'capped'
      WHEN coalesce(${IDLE}, 999) >= 6 THEN 'no delivery' WHEN ${PACING} < 0.95 THEN 'behind' WHEN ${PACING} > 1.25 THEN 'ahead' ELSE 'delivering' END AS status, ${PACING}, ${IDLE}
    FROM f, ${LAST_IMPRESSION} AS last ORDER BY status, id`,
  zero_delivery: `SELECT f.id, f.name, last.at, ${IDLE} AS idle FROM campaign f, ${LAST_IMPRESSION} AS last WHERE ${TODAY} BETWEEN start_date AND end_date ORDER BY idle DESC NULLS FIRST`,
  quality: `${counts(DAY, 'true')} SELECT c.id, c.name, sum(i), sum(k), sum(i + k) FILTER (WHERE step < start_date), sum(i + k) FILTER (WHERE step > end_date), sum(i + k) FILTER (WHERE step > ${TODAY})
    FROM e FULL JOIN campaign c ON c.id = e.campaign_id GROUP BY 1, 2 ORDER BY 1`,
  comparison: `${counts(DAY, SAME_HOURS(7))} SELECT sum(i) FILTER (WHERE step = ${TODAY}), sum(i) FILTER (WHERE step = ${TODAY} - 1), sum(i) FILTER (WHERE step = ${TODAY} - 7), sum(i) FILTER (WHERE step < ${TODAY}) / 7.0,
      sum(k) FILTER (WHERE step = ${TODAY}), sum(k) FILTER (WHERE step = ${TODAY} - 1), sum(k) FILTER (WHERE step = ${TODAY} - 7), sum(k * bid) FILTER (WHERE step = ${TODAY}), sum(k * bid) FILTER (WHERE step = ${TODAY} - 1)
    FROM e LEFT JOIN campaign c ON c.id = e.campaign_id`,
  anomalies: `${counts(DAY, `${SAME_HOURS(28)} AND (${TODAY} - created_at::date) % 7 = 0`)}, s AS (
    SELECT campaign_id, coalesce(sum(i) FILTER (WHERE step = ${TODAY}), 0) AS now, coalesce(sum(i) FILTER (WHERE step < ${TODAY}), 0) / 4 AS mean FROM e GROUP BY 1)
    SELECT c.id, c.name, now, mean, (now - mean) / nullif(sqrt(mean * 1.25), 0) AS z FROM campaign c LEFT JOIN s ON s.campaign_id = c.id ORDER BY abs((now - mean) / nullif(sqrt(mean * 1.25), 0)) DESC NULLS LAST`,
  cap_out: `WITH r AS (SELECT campaign_id, k.created_at, sum(bid) OVER (PARTITION BY campaign_id ORDER BY k.created_at) AS running, budget FROM clicks k JOIN campaign c ON c.id = k.campaign_id)
    SELECT campaign_id, min(created_at) FILTER (WHERE running >= budget) AS capped_at, max(running) - budget FROM r GROUP BY campaign_id, budget HAVING max(running) >= budget ORDER BY capped_at DESC`,
  time_to_click: `SELECT campaign_id, count(*), percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY k.created_at - seen.at)
    FROM clicks k, LATERAL (SELECT max(created_at) AS at FROM impressions i WHERE i.campaign_id = k.campaign_id AND i.created_at <= k.created_at) AS seen
    WHERE ${WITHIN(SPAN.from).replaceAll('created_at', 'k.created_at')} GROUP BY 1 ORDER BY 2 DESC`,
};
