/** The key figures by plain SQL on PostgreSQL, over the same rows: what each result must equal. */
import type pg from 'pg';
import { pgRows, type TextRow } from '../source/connection.ts';

/**
 * A difficult week. Idle campaign and advertiser, campaigns without advertiser, a deleted one, budgets and bids
 * of 0, more clicks than impressions, days with clicks alone, events outside the flight, without campaign,
 * without time, at midnight, in 1905 and 2150, and bids that change meanwhile.
 * `price` holds what the change stream would have seen; `gone` the deleted campaign as it was.
 */
export const DIFFICULT_WEEK = `
ALTER TABLE impressions DROP CONSTRAINT impressions_campaign_id_fkey;
ALTER TABLE clicks DROP CONSTRAINT clicks_campaign_id_fkey;
INSERT INTO advertiser (id, name) VALUES (1, 'A'), (2, 'B'), (3, 'idle'), (4, 'O''Hara "x"');
INSERT INTO campaign (id, name, bid, budget, start_date, end_date, advertiser_id) VALUES
  (1, 'c1', 1.23, 100, '2026-03-01', '2026-03-31', 1), (2, 'c2', 0.55, 33.33, NULL, NULL, 1), (3, 'idle', 9, 500, '2026-03-02', '2026-03-02', 2),
  (4, 'c4', 4.99, 0, '2026-03-05', NULL, 2), (5, 'c5', 0, 12, '2026-04-01', '2026-04-30', NULL), (6, 'c6', 99999999.99, 99999999.99, NULL, NULL, 4), (7, 'gone', 2, 70, NULL, NULL, 2);
CREATE TABLE price (campaign_id int, valid_from timestamp, bid numeric(10, 2));
INSERT INTO price SELECT id, '-infinity', bid FROM campaign;
INSERT INTO price VALUES (1, '2026-03-03 12:30:00.5', 2.5), (1, '2026-03-04 00:00:00', 0.01), (4, '2026-03-06 23:59:59.999999', 7);
INSERT INTO impressions (campaign_id, created_at) SELECT
  CASE WHEN i % 19 = 0 THEN NULL WHEN i % 7 = 3 THEN 1 ELSE i % 7 + 1 END,
  CASE WHEN i % 53 = 0 THEN NULL ELSE timestamp '2026-02-27' + make_interval(mins => i * 7919 % 12960, secs => i % 60 * 0.987654) END
FROM generate_series(1, 3000) i;
UPDATE impressions SET campaign_id = 1 WHERE campaign_id = 3;
DELETE FROM impressions WHERE created_at::date = '2026-03-04';
INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + make_interval(secs => id % 120) FROM impressions WHERE id % 11 = 0;
INSERT INTO clicks (campaign_id, created_at) SELECT 2, timestamp '2026-03-04 23:59:59.999999' + make_interval(mins => i) FROM generate_series(0, 500) i;
INSERT INTO clicks (campaign_id, created_at) VALUES (1, '1905-01-01 00:00:00'), (1, '2150-12-31 23:59:59.999999'), (NULL, NULL), (1, '2026-03-03 12:30:00.499999'),
  (1, '2026-03-03 12:30:00.5'), (1, '2026-03-03 23:59:59.999999'), (1, '2026-03-04 00:00:00'), (6, '2026-03-03 00:00:00'), (7, NULL);
INSERT INTO impressions (campaign_id, created_at) VALUES (6, '2026-03-03 00:00:00'), (4, '2026-03-06 23:59:59.999999'), (4, '2026-03-06 23:59:59.999998');
CREATE TABLE gone AS SELECT * FROM campaign WHERE id = 7;
DELETE FROM campaign WHERE id = 7`;

/** A range of days, both included. */
export interface Days {
  readonly from: string;
  readonly to: string;
}

/** Campaigns with what they were called, facts per event with price and place in the range. */
const COMMON = `WITH
  c AS (SELECT *, false AS deleted FROM campaign UNION ALL SELECT *, true FROM gone),
  events AS (SELECT 'i' AS fact, campaign_id, created_at FROM impressions UNION ALL SELECT 'k', campaign_id, created_at FROM clicks),
  e AS (SELECT fact, campaign_id, created_at, coalesce(created_at >= $1::date AND created_at < $2::date + 1, false) AS inside,
      coalesce((SELECT bid FROM price p WHERE p.campaign_id = v.campaign_id AND p.valid_from <= v.created_at ORDER BY valid_from DESC LIMIT 1), 0) AS bid
    FROM events v),
  f AS (SELECT campaign_id, count(*) FILTER (WHERE inside AND fact = 'i') AS n, count(*) FILTER (WHERE inside AND fact = 'k') AS k,
      count(*) FILTER (WHERE created_at IS NULL AND fact = 'i') AS un, count(*) FILTER (WHERE created_at IS NULL AND fact = 'k') AS uk,
      coalesce(sum(bid) FILTER (WHERE inside AND fact = 'k'), 0) AS cpc, coalesce(sum(bid) FILTER (WHERE inside AND fact = 'i'), 0) / 1000 AS cpm,
      coalesce(sum(bid) FILTER (WHERE fact = 'k'), 0) AS cpc_total, coalesce(sum(bid) FILTER (WHERE fact = 'i'), 0) / 1000 AS cpm_total
    FROM e GROUP BY 1),
  r AS (SELECT c.advertiser_id, coalesce(a.name, '(none)') AS advertiser, c.id AS known_id, coalesce(c.id, f.campaign_id) AS campaign_id,
      coalesce(c.name, CASE WHEN f.campaign_id IS NULL THEN '(none)' ELSE '(unknown)' END) AS campaign,
      coalesce(c.deleted, false) AS deleted, c.bid, c.budget, coalesce(n, 0) AS n, coalesce(k, 0) AS k, coalesce(un, 0) AS un, coalesce(uk, 0) AS uk,
      coalesce(cpc, 0) AS cpc, coalesce(cpm, 0) AS cpm, coalesce(cpc_total, 0) AS cpc_total, coalesce(cpm_total, 0) AS cpm_total
    FROM c FULL JOIN f ON c.id = f.campaign_id LEFT JOIN advertiser a ON a.id = c.advertiser_id)`;

const WHOSE = 'advertiser_id, advertiser, campaign_id, campaign, deleted';
const RATE = 'k::float8 / nullif(n, 0) AS ctr';
const EXCEED = 'k > n AS clicks_exceed_impressions';

const run = (client: pg.Client, sql: string, days: Days): Promise<TextRow[]> =>
  pgRows(client, `${COMMON} ${sql}`, [days.from, days.to]);

/** `ctr`, in order of campaign. */
export function oracleCtr(client: pg.Client, days: Days): Promise<TextRow[]> {
  const bound = (sign: string): string =>
    `CASE WHEN n > 0 AND k <= n THEN (p + z * z / (2 * n) ${sign} z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n) END`;
  return run(
    client,
    `SELECT ${WHOSE}, n AS impressions, k AS clicks, ${RATE}, ${bound('-')} AS ctr_low, ${bound('+')} AS ctr_high, ${EXCEED}, un AS undated_impressions, uk AS undated_clicks
     FROM (SELECT *, n::float8 AS nf, k::float8 / nullif(n, 0) AS p, 1.959964::float8 AS z FROM r) x
     WHERE (campaign_id IS NOT NULL AND NOT deleted) OR n + k + un + uk > 0 ORDER BY campaign_id NULLS LAST`,
    days,
  );
}

/** `daily` or `hourly` of all campaigns, or of one. */
export function oracleDelivery(
  client: pg.Client,
  days: Days,
  step: 'day' | 'hour',
  campaign?: number,
): Promise<TextRow[]> {
  const format = step === 'day' ? 'YYYY-MM-DD' : 'YYYY-MM-DD HH24:MI:SS';
  const only = campaign === undefined ? 'true' : `campaign_id = ${campaign}`;
  return run(
    client,
    `, s AS (SELECT generate_series($1::timestamp, $2::date + interval '23 hours', interval '1 ${step}') AS s),
     g AS (SELECT date_trunc('${step}', created_at) AS s, count(*) FILTER (WHERE fact = 'i') AS n, count(*) FILTER (WHERE fact = 'k') AS k
       FROM e WHERE ${only} AND (inside OR created_at IS NULL) GROUP BY 1)
     SELECT to_char(coalesce(s.s, g.s), '${format}') AS ${step}, coalesce(n, 0) AS impressions, coalesce(k, 0) AS clicks, ${RATE}, coalesce(${EXCEED.split(' AS ')[0]}, false) AS clicks_exceed_impressions
     FROM s FULL JOIN g ON s.s = g.s ORDER BY 1 NULLS LAST`,
    days,
  );
}

/** `spend`, in order of campaign. */
export function oracleSpend(client: pg.Client, days: Days, model: 'cpc' | 'cpm'): Promise<TextRow[]> {
  const [billable, undated] = model === 'cpc' ? ['k', 'uk'] : ['n', 'un'];
  const text = (sql: string): string => `trim_scale(${sql})::text`;
  return run(
    client,
    `SELECT ${WHOSE}, ${text('bid')} AS bid, ${text('budget')} AS budget, '${model}' AS pricing_model, n AS impressions, k AS clicks, ${text(model)} AS est_spend,
       ${text(`trunc(${model} / nullif(k, 0), 6)`)} AS ecpc, ${text(`trunc(1000 * ${model} / nullif(n, 0), 6)`)} AS ecpm, ${text(`${model}_total`)} AS est_spend_total,
       ${model}_total::float8 / nullif(budget, 0)::float8 AS budget_used, ${text(`budget - ${model}_total`)} AS remaining,
       CASE WHEN known_id IS NULL THEN ${billable} ELSE 0 END + ${undated} AS unpriced_events
     FROM r WHERE (campaign_id IS NOT NULL AND NOT deleted) OR n + k + ${undated} > 0 ORDER BY campaign_id NULLS LAST`,
    days,
  );
}

/** `advertisers`, in order of advertiser. */
export function oracleAdvertisers(client: pg.Client, days: Days, model: 'cpc' | 'cpm'): Promise<TextRow[]> {
  return run(
    client,
    `SELECT x.advertiser_id, coalesce(a.name, '(none)') AS advertiser, false AS deleted, campaigns, trim_scale(budget)::text AS budget, n AS impressions, k AS clicks, ${RATE}, ${EXCEED}, trim_scale(s)::text AS est_spend
     FROM (SELECT coalesce(a.id, r.advertiser_id) AS advertiser_id, count(r.known_id) FILTER (WHERE NOT r.deleted) AS campaigns,
         coalesce(sum(r.budget) FILTER (WHERE NOT r.deleted), 0) AS budget, coalesce(sum(n), 0) AS n, coalesce(sum(k), 0) AS k, coalesce(sum(${model}), 0) AS s
       FROM advertiser a FULL JOIN r ON r.advertiser_id = a.id GROUP BY 1) x LEFT JOIN advertiser a ON a.id = x.advertiser_id
     WHERE a.id IS NOT NULL OR campaigns > 0 OR n + k > 0 ORDER BY 1 NULLS LAST`,
    days,
  );
}
