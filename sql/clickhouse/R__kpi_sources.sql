-- What key figures read besides the rollup. Written by scripts/docs.mjs from src/kpi.

-- Campaigns and advertisers by id: those that exist as they stand, deleted ones as they were last.
-- Every column is Nullable, so that a join finds NULL where there is no row, whatever the session's settings.
CREATE OR REPLACE VIEW ${database}.campaign_names AS
SELECT toNullable(id) AS campaign_id, toNullable(name) AS campaign, toNullable(bid) AS bid, toNullable(budget) AS budget,
    start_date, end_date, advertiser_id, toNullable(false) AS deleted
FROM ${database}.campaign FINAL
WHERE _deleted = 0
UNION ALL
SELECT toNullable(id), toNullable(name), toNullable(bid), toNullable(budget), start_date, end_date, advertiser_id, toNullable(true)
FROM ${database}.campaign_history FINAL
WHERE _deleted = 0 AND id NOT IN (SELECT id FROM ${database}.campaign FINAL WHERE _deleted = 0)
ORDER BY id, _version DESC, _committed_at DESC
LIMIT 1 BY id;

-- The same, with the rules for their price and budget.
CREATE OR REPLACE VIEW ${database}.campaign_directory AS
SELECT toNullable(d.id) AS campaign_id, toNullable(d.name) AS campaign, toNullable(d.bid) AS bid, toNullable(d.budget) AS budget,
    d.start_date AS start_date, d.end_date AS end_date, d.advertiser_id AS advertiser_id, toNullable(d.deleted)::Nullable(Bool) AS deleted,
    coalesce(nullIf(own.pricing_model, ''), nullIf(of_advertiser.pricing_model, '')) AS pricing_rule,
    coalesce(nullIf(own.budget_kind, ''), nullIf(of_advertiser.budget_kind, '')) AS budget_rule
FROM
(
    SELECT assumeNotNull(campaign_id) AS id, assumeNotNull(campaign) AS name, assumeNotNull(bid) AS bid, assumeNotNull(budget) AS budget,
        start_date, end_date, advertiser_id, assumeNotNull(deleted) AS deleted
    FROM ${database}.campaign_names
) AS d
LEFT JOIN (SELECT id, pricing_model, budget_kind FROM ${database}.pricing_rules FINAL WHERE scope = 'campaign') AS own ON d.id = own.id
LEFT JOIN (SELECT toNullable(id) AS id, pricing_model, budget_kind FROM ${database}.pricing_rules FINAL WHERE scope = 'advertiser') AS of_advertiser
    ON d.advertiser_id = of_advertiser.id;

-- The same of those that exist, without a look at the history.
CREATE OR REPLACE VIEW ${database}.live_campaign_directory AS
SELECT toNullable(d.id) AS campaign_id, toNullable(d.name) AS campaign, toNullable(d.bid) AS bid, toNullable(d.budget) AS budget,
    d.start_date AS start_date, d.end_date AS end_date, d.advertiser_id AS advertiser_id, toNullable(d.deleted)::Nullable(Bool) AS deleted,
    coalesce(nullIf(own.pricing_model, ''), nullIf(of_advertiser.pricing_model, '')) AS pricing_rule,
    coalesce(nullIf(own.budget_kind, ''), nullIf(of_advertiser.budget_kind, '')) AS budget_rule
FROM
(
    SELECT id, name, bid, budget, start_date, end_date, advertiser_id, false AS deleted FROM ${database}.campaign FINAL WHERE _deleted = 0
) AS d
LEFT JOIN (SELECT id, pricing_model, budget_kind FROM ${database}.pricing_rules FINAL WHERE scope = 'campaign') AS own ON d.id = own.id
LEFT JOIN (SELECT toNullable(id) AS id, pricing_model, budget_kind FROM ${database}.pricing_rules FINAL WHERE scope = 'advertiser') AS of_advertiser
    ON d.advertiser_id = of_advertiser.id;

CREATE OR REPLACE VIEW ${database}.advertiser_directory AS
SELECT toNullable(id) AS advertiser_id, toNullable(name) AS advertiser, toNullable(false) AS deleted
FROM ${database}.advertiser FINAL
WHERE _deleted = 0
UNION ALL
SELECT toNullable(id), toNullable(name), toNullable(true)
FROM ${database}.advertiser_history FINAL
WHERE _deleted = 0 AND id NOT IN (SELECT id FROM ${database}.advertiser FINAL WHERE _deleted = 0)
ORDER BY id, _version DESC, _committed_at DESC
LIMIT 1 BY id;

-- The events one by one, with their price under both pricing models. For figures that the rollup cannot give.
CREATE OR REPLACE VIEW ${database}.campaign_events AS
SELECT fact, id, campaign_id, created_at, if(fact = 'clicks', price, toDecimal128(0, 6)) AS cpc, if(fact = 'impressions', price / 1000, toDecimal128(0, 6)) AS cpm
FROM
(
    SELECT fact, id, campaign_id, created_at,
        if(isNull(campaign_id) OR isNull(created_at), toDecimal128(0, 6), toDecimal128(dictGet('${database}.campaign_price', 'bid', toUInt64(assumeNotNull(campaign_id)), assumeNotNull(created_at)), 6)) AS price
    FROM
    (
        SELECT 'impressions' AS fact, id, campaign_id, created_at FROM ${database}.impressions FINAL WHERE _deleted = 0
        UNION ALL
        SELECT 'clicks', id, campaign_id, created_at FROM ${database}.clicks FINAL WHERE _deleted = 0
    )
);

-- How far each table is, and when the copy was last known to lack nothing.
CREATE OR REPLACE VIEW ${database}.table_freshness AS
SELECT t.table_name AS table_name, t.phase AS phase, c.commit_time AS commit_time, h.current_at AS current_at, h.heard_at AS heard_at, h.newest_lag AS lag_bytes
FROM
(
    SELECT pipeline, table AS table_name, toString(phase) AS phase FROM ${internal}.tables FINAL
    UNION ALL
    SELECT pipeline, '(all)', if((SELECT countIf(phase NOT IN ('live', 'paused', 'excluded', 'dropped')) FROM ${internal}.tables FINAL) = 0, 'live', 'not complete')
    FROM ${internal}.checkpoint FINAL
) AS t
LEFT JOIN (SELECT pipeline, nullIf(applied_commit_time, toDateTime64(0, 6, 'UTC')) AS commit_time FROM ${internal}.checkpoint FINAL) AS c ON t.pipeline = c.pipeline
LEFT JOIN
(
    SELECT pipeline, maxOrNullIf(at, lag_bytes = 0 AND phase = 'streaming') AS current_at, toNullable(max(at)) AS heard_at, toNullable(argMax(lag_bytes, at)) AS newest_lag
    FROM ${internal}.heartbeat WHERE holds_slot GROUP BY pipeline
) AS h ON t.pipeline = h.pipeline;
