-- The key figures as views, with the days from and to (both included, UTC) as parameters:
--   SELECT * FROM ${database}.kpi_ctr(from = '2026-03-01', to = '2026-03-07') WHERE advertiser_id = 7
-- They read the rollup campaign_hourly, never the events. Written by scripts/docs.mjs from src/kpi.

-- Campaigns and advertisers by id: those that exist as they stand, deleted ones as they were last.
-- Every column is Nullable, so that a join finds NULL where there is no row, whatever the session's settings.
CREATE OR REPLACE VIEW ${database}.campaign_directory AS
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

-- CTR by campaign: How many of the impressions of each campaign were clicked, and how sure that is.
CREATE OR REPLACE VIEW ${database}.kpi_ctr AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    if(f.impressions = 0 OR f.clicks > f.impressions, NULL, ((f.clicks / f.impressions) + 1.959964 * 1.959964 / (2 * f.impressions) - 1.959964 * sqrt((f.clicks / f.impressions) * (1 - (f.clicks / f.impressions)) / f.impressions + 1.959964 * 1.959964 / (4 * f.impressions * f.impressions))) / (1 + 1.959964 * 1.959964 / f.impressions)) AS ctr_low,
    if(f.impressions = 0 OR f.clicks > f.impressions, NULL, ((f.clicks / f.impressions) + 1.959964 * 1.959964 / (2 * f.impressions) + 1.959964 * sqrt((f.clicks / f.impressions) * (1 - (f.clicks / f.impressions)) / f.impressions + 1.959964 * 1.959964 / (4 * f.impressions * f.impressions))) / (1 + 1.959964 * 1.959964 / f.impressions)) AS ctr_high,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    f.undated_impressions AS undated_impressions,
    f.undated_clicks AS undated_clicks,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(ui) AS undated_impressions, sum(uk) AS undated_clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id,
            if(isNull(hour), 0, impressions) AS i, if(isNull(hour), 0, clicks) AS k,
            if(isNull(hour), impressions, 0) AS ui, if(isNull(hour), clicks, 0) AS uk, 0 AS live
        FROM ${database}.campaign_hourly
        WHERE (hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1)) OR isNull(hour)
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 1 FROM ${database}.campaign_directory WHERE NOT deleted
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0 OR undated_impressions != 0 OR undated_clicks != 0
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Daily impressions and clicks: Impressions, clicks and CTR of each day.
CREATE OR REPLACE VIEW ${database}.kpi_daily AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.step AS day,
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, step, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, toDate32(hour) AS step, sum(impressions) AS i, sum(clicks) AS k
        FROM ${database}.campaign_hourly
        WHERE (hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1)) OR isNull(hour)
        GROUP BY campaign_id, step
        HAVING i != 0 OR k != 0
        UNION ALL
        -- Every step of every campaign that lives or has events in the range, so that no gap is left out.
        SELECT campaign_id, toNullable(arrayJoin(arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), 0, 0
        FROM
        (
            SELECT campaign_id FROM ${database}.campaign_directory WHERE NOT deleted
            UNION DISTINCT
            SELECT campaign_id FROM ${database}.campaign_hourly WHERE hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1)
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, step
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Hourly impressions and clicks: Impressions, clicks and CTR of each hour.
CREATE OR REPLACE VIEW ${database}.kpi_hourly AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.step AS hour,
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, step, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, hour AS step, sum(impressions) AS i, sum(clicks) AS k
        FROM ${database}.campaign_hourly
        WHERE (hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1)) OR isNull(hour)
        GROUP BY campaign_id, step
        HAVING i != 0 OR k != 0
        UNION ALL
        -- Every step of every campaign that lives or has events in the range, so that no gap is left out.
        SELECT campaign_id, toNullable(arrayJoin(arrayMap(i -> addHours(toDateTime64({from:Date32}, 0, 'UTC'), i), range(24 * toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), 0, 0
        FROM
        (
            SELECT campaign_id FROM ${database}.campaign_directory WHERE NOT deleted
            UNION DISTINCT
            SELECT campaign_id FROM ${database}.campaign_hourly WHERE hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1)
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, step
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Estimated spend and budget: What the events of each campaign cost, per click and per thousand impressions, and what is left of its budget.
CREATE OR REPLACE VIEW ${database}.kpi_spend AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    c.bid AS bid,
    c.budget AS budget,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.est_spend AS est_spend,
    f.est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * f.est_spend / nullIf(f.impressions, 0) AS ecpm,
    f.est_spend_total AS est_spend_total,
    toFloat64(f.est_spend_total) / nullIf(toFloat64(c.budget), 0) AS budget_used,
    c.budget - f.est_spend_total AS remaining,
    if(isNull(c.campaign_id), f.billable, 0) + f.undated_billable AS unpriced_events,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend, sum(t) AS est_spend_total,
        sum(b) AS billable, sum(ub) AS undated_billable, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, sumIf(impressions, in_range) AS i, sumIf(clicks, in_range) AS k, sumIf(spend, in_range) AS s, sum(spend) AS t,
            sumIf(billable, in_range) AS b, sumIf(billable, isNull(hour)) AS ub, 0 AS live
        FROM
        (
            SELECT campaign_id, hour, impressions, clicks, if({pricing_model:String} = 'cpm', spend_cpm, spend_cpc) AS spend, if({pricing_model:String} = 'cpm', impressions, clicks) AS billable,
                ifNull(hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1), false) AS in_range
            FROM ${database}.campaign_hourly
        )
        GROUP BY campaign_id
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 0, 0, 1 FROM ${database}.campaign_directory WHERE NOT deleted
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0 OR undated_billable != 0
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0;

-- Advertisers: Campaigns, budgets, delivery and estimated spend of each advertiser.
CREATE OR REPLACE VIEW ${database}.kpi_advertisers AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    ifNull(a.deleted, false) AS deleted,
    f.campaigns AS campaigns,
    f.budget AS budget,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    f.est_spend AS est_spend,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT advertiser_id, sum(n) AS campaigns, sum(b) AS budget, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend, max(live) AS is_live
    FROM
    (
        SELECT c.advertiser_id AS advertiser_id, 0 AS n, toDecimal128(0, 2) AS b, e.i AS i, e.k AS k, e.s AS s, 0 AS live
        FROM
        (
            SELECT campaign_id, sum(impressions) AS i, sum(clicks) AS k, sum(if({pricing_model:String} = 'cpm', spend_cpm, spend_cpc)) AS s
            FROM ${database}.campaign_hourly
            WHERE hour >= toDateTime64({from:Date32}, 0, 'UTC') AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 1)
            GROUP BY campaign_id
        ) AS e
        LEFT JOIN ${database}.campaign_directory AS c ON e.campaign_id = c.campaign_id
        UNION ALL
        SELECT advertiser_id, 1, toDecimal128(assumeNotNull(budget), 2), 0, 0, 0, 1 FROM ${database}.campaign_directory WHERE NOT deleted
        UNION ALL
        SELECT advertiser_id, 0, 0, 0, 0, 0, 1 FROM ${database}.advertiser_directory WHERE NOT deleted
    )
    GROUP BY advertiser_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0;
