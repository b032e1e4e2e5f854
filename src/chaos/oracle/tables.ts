/**
 * What the oracle reads, as temporary tables of a session on the source: they are nothing of the source itself.
 *
 *   tables of the source ─┐
 *   audit.version ────────┴─► o_price, o_a, o_c, o_change, o_event   once per comparison
 *                                └─► o_e, o_sum, o_day, o_flight     once per way of asking
 *
 * Derived from source rows and the audit's triggers alone: no code or SQL of the key figures themselves.
 */
import type { Asked } from './asked.ts';

/**
 * - o_price: the bid in force from when on; the first one known holds since ever. Of one commit the last counts.
 * - o_a, o_c: advertisers and campaigns with what they are called, also those that are gone, as they were last.
 * - o_change: each state of a campaign with the one before it.
 * - o_event: each event with the bid in force at its time, 0 where that is not known.
 *
 * The audit must be dated by commit.
 */
export const ORACLE_TABLES = `
  SET LOCAL jit = off;
  CREATE TEMP TABLE o_price AS SELECT DISTINCT ON (id, valid_from) id AS campaign_id, valid_from, bid FROM (
    SELECT id, seq, (state ->> 'bid')::numeric(10, 2) AS bid,
      CASE WHEN row_number() OVER (PARTITION BY id ORDER BY seq) = 1 THEN timestamp '-infinity' ELSE at END AS valid_from
    FROM audit.version WHERE tbl = 'campaign' AND NOT gone) v ORDER BY id, valid_from, seq DESC;
  CREATE INDEX ON o_price (campaign_id, valid_from);
  CREATE TEMP TABLE o_a AS SELECT id, name, false AS deleted FROM public.advertiser
    UNION ALL SELECT v.id, v.state ->> 'name', true FROM (SELECT DISTINCT ON (id) id, state FROM audit.version WHERE tbl = 'advertiser' AND NOT gone ORDER BY id, seq DESC) v
      WHERE NOT EXISTS (SELECT FROM public.advertiser a WHERE a.id = v.id);
  CREATE TEMP TABLE o_c AS SELECT c.id, c.name, c.bid, c.budget, c.start_date, c.end_date, c.advertiser_id, c.deleted,
      coalesce(a.name, CASE WHEN c.advertiser_id IS NULL THEN '(none)' ELSE '(unknown)' END) AS adv,
      coalesce(own.pricing_model, of_adv.pricing_model) AS model_rule, coalesce(own.budget_kind, of_adv.budget_kind) AS kind_rule
    FROM (SELECT id, name, bid, budget, start_date, end_date, advertiser_id, false AS deleted FROM public.campaign
      UNION ALL SELECT g.id, g.name, g.bid, g.budget, g.start_date, g.end_date, g.advertiser_id, true
        FROM (SELECT DISTINCT ON (id) id, state FROM audit.version WHERE tbl = 'campaign' AND NOT gone ORDER BY id, seq DESC) v,
          LATERAL jsonb_populate_record(NULL::public.campaign, v.state) g WHERE NOT EXISTS (SELECT FROM public.campaign WHERE campaign.id = v.id)) c
    LEFT JOIN o_a a ON a.id = c.advertiser_id
    LEFT JOIN audit.rule own ON own.scope = 'campaign' AND own.id = c.id
    LEFT JOIN audit.rule of_adv ON of_adv.scope = 'advertiser' AND of_adv.id = c.advertiser_id;
  CREATE TEMP TABLE o_change AS SELECT v.id AS campaign_id, v.at, g.name, g.advertiser_id, g.bid, g.budget,
      lag(g.bid) OVER w AS bid_before, lag(g.budget) OVER w AS budget_before
    FROM audit.version v, LATERAL jsonb_populate_record(NULL::public.campaign, v.state) g
    WHERE v.tbl = 'campaign' AND NOT v.gone WINDOW w AS (PARTITION BY v.id ORDER BY v.seq);
  CREATE TEMP TABLE o_event AS SELECT v.fact, v.campaign_id, v.at, coalesce((SELECT bid FROM o_price p
      WHERE p.campaign_id = v.campaign_id AND p.valid_from <= v.at ORDER BY valid_from DESC LIMIT 1), 0) AS bid
    FROM (SELECT 'i' AS fact, campaign_id, created_at AS at FROM public.impressions UNION ALL SELECT 'k', campaign_id, created_at FROM public.clicks) v;
  CREATE INDEX ON o_event (campaign_id, at);
  ANALYZE o_price; ANALYZE o_c; ANALYZE o_event`;

/** A text with what is asked put in for its placeholders. */
export function withAsked(sql: string, asked: Asked): string {
  const utc = `(timestamp '${asked.now}' AT TIME ZONE 'UTC')`;
  const values: Record<string, string> = {
    now: `(timestamp '${asked.now}')`,
    today: `(${utc} AT TIME ZONE '${asked.timezone}')::date`,
    hournow: `extract(hour FROM ${utc} AT TIME ZONE '${asked.timezone}')`,
    from: `(date '${asked.from}')`,
    to: `(date '${asked.to}')`,
    tz: `'${asked.timezone}'`,
    grain: `'${asked.grain}'`,
    by: `'${asked.by}'`,
    model: `'${asked.pricingModel}'`,
    kind: `'${asked.budgetKind}'`,
    hours: String(asked.hours),
  };
  return sql.replaceAll(
    /(?<!:):(now|today|hournow|from|to|tz|grain|by|model|kind|hours)\b/g,
    (_, key: string) => values[key] ?? '',
  );
}

/**
 * - o_e: each event in local time, with what it costs under its campaign's pricing model; `inside`: in the range.
 * - o_sum: sums per campaign, of all that live and all that have events.
 * - o_day: spend per campaign that is known and local day.
 * - o_flight: where each campaign that exists stands.
 */
export function askedTables(asked: Asked): string {
  return withAsked(
    `
  DROP TABLE IF EXISTS o_e, o_sum, o_day, o_flight;
  CREATE TEMP TABLE o_e AS SELECT v.*, coalesce(v.local::date BETWEEN :from AND :to, false) AS inside,
      CASE WHEN v.model = 'cpc' AND fact = 'k' THEN v.bid WHEN v.model = 'cpm' AND fact = 'i' THEN v.bid / 1000 ELSE 0 END AS s
    FROM (SELECT e.fact, e.campaign_id, e.at, e.bid, (e.at AT TIME ZONE 'UTC') AT TIME ZONE :tz AS local, c.id AS known, c.deleted, c.advertiser_id,
      c.start_date, c.end_date, c.budget, coalesce(c.kind_rule, :kind) AS kind, coalesce(c.model_rule, :model) AS model
      FROM o_event e LEFT JOIN o_c c ON c.id = e.campaign_id) v;
  CREATE INDEX ON o_e (known);
  ANALYZE o_e;
  CREATE TEMP TABLE o_sum AS SELECT campaign_id, bool_or(live) AS live, count(*) FILTER (WHERE inside AND fact = 'i') AS n, count(*) FILTER (WHERE inside AND fact = 'k') AS k,
      count(*) FILTER (WHERE at IS NULL AND fact = 'i') AS un, count(*) FILTER (WHERE at IS NULL AND fact = 'k') AS uk, count(fact) AS events,
      coalesce(sum(s) FILTER (WHERE inside), 0) AS spend, coalesce(sum(s), 0) AS spend_total
    FROM (SELECT campaign_id, fact, at, inside, s, false AS live FROM o_e UNION ALL SELECT id, NULL, NULL, false, 0, true FROM o_c WHERE NOT deleted) x GROUP BY 1;
  CREATE TEMP TABLE o_day AS SELECT known AS id, local::date AS day, sum(s) AS s FROM o_e WHERE known IS NOT NULL AND at IS NOT NULL GROUP BY 1, 2;
  CREATE TEMP TABLE o_flight AS WITH
    g AS (SELECT c.*, coalesce(c.kind_rule, :kind) AS kind, coalesce(c.model_rule, :model) AS model, :today AS today,
      (SELECT coalesce(sum(s), 0) FROM o_e WHERE known = c.id) AS spend,
      (SELECT coalesce(sum(s), 0) FROM o_e WHERE known = c.id AND local::date = :today) AS spend_today,
      (SELECT coalesce(sum(s), 0) FROM o_e WHERE known = c.id AND local::date < :today) AS spend_before,
      (SELECT coalesce(sum(s), 0) FROM o_day d WHERE d.id = c.id AND day < :today AND day >= coalesce(c.start_date, day) AND day <= coalesce(c.end_date, day)) AS flight_spend,
      (SELECT count(*) FROM generate_series(:today - 7, :today - 1, interval '1 day') x WHERE x >= coalesce(c.start_date, x) AND x <= coalesce(c.end_date, x)) AS n7,
      ARRAY(SELECT coalesce((SELECT s FROM o_day d WHERE d.id = c.id AND d.day = x::date), 0) FROM generate_series(:today - 7, :today - 1, interval '1 day') x
        WHERE x >= coalesce(c.start_date, x) AND x <= coalesce(c.end_date, x)) AS pace,
      (SELECT coalesce(sum(greatest(0, s - c.budget)), 0) FROM o_day d WHERE d.id = c.id) AS over_daily,
      (SELECT count(*) FROM o_e WHERE known = c.id AND fact = 'i') AS i, (SELECT count(*) FROM o_e WHERE known = c.id AND fact = 'k') AS k,
      end_date - start_date + 1 AS d_total, CASE WHEN start_date IS NOT NULL THEN greatest(0, least(:today - start_date, end_date - start_date + 1)) END AS d_elapsed,
      CASE WHEN end_date IS NOT NULL THEN greatest(0, end_date - greatest(coalesce(start_date, :today), :today) + 1) END AS days_left,
      (SELECT date_trunc('hour', max(at)) FROM o_e WHERE known = c.id AND fact = 'i' AND date_trunc('hour', at) <= :now AND date_trunc('hour', at) >= :now - interval '35 days') AS last_hour
      FROM o_c c WHERE NOT c.deleted),
    h AS (SELECT g.*, CASE kind WHEN 'daily' THEN spend_today ELSE spend END AS period, (SELECT sum(v) FROM unnest(pace) v) AS pace_sum,
      CASE kind WHEN 'daily' THEN budget * d_total ELSE budget END AS total_budget,
      CASE WHEN start_date IS NOT NULL THEN CASE kind WHEN 'daily' THEN budget * d_elapsed::numeric ELSE budget * d_elapsed::numeric / nullif(d_total, 0) END END AS expected,
      coalesce(start_date <= today, true) AND coalesce(today <= end_date, true) AS in_flight,
      CASE WHEN last_hour IS NULL AND start_date IS NULL THEN 840 ELSE greatest(0, least(840, trunc(extract(epoch FROM date_trunc('second', :now) -
        greatest(last_hour + interval '1 hour', (start_date::timestamp AT TIME ZONE :tz) AT TIME ZONE 'UTC')) / 3600))) END AS idle FROM g)
    SELECT h.*, flight_spend / nullif(expected, 0) AS pacing FROM h`,
    asked,
  );
}
