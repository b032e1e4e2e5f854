-- The key figures as views with parameters:
--   SELECT * FROM ${database}.kpi_ctr(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC') WHERE advertiser_id = 7
-- They read the rollup campaign_hourly; only cap_out and time_to_click read the events. Written by scripts/docs.mjs from src/kpi.

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
        SELECT campaign_id, if(place = 0, e.i, 0) AS i, if(place = 0, e.k, 0) AS k, if(place = 1, e.i, 0) AS ui, if(place = 1, e.k, 0) AS uk, 0 AS live
        FROM (SELECT campaign_id, multiIf(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE ({timezone:String} = 'UTC' OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR NOT (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) - 1 AND toInt64(toInt32({from:Date32})) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({to:Date32})) AND toInt64(toInt32({to:Date32})) + 1)) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, if((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) GROUP BY campaign_id, place) AS e
        WHERE place != 2
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0 OR undated_impressions != 0 OR undated_clicks != 0
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Ranked CTR: Which campaigns are clicked most, as far as their impressions tell.
CREATE OR REPLACE VIEW ${database}.kpi_ranking AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    if(f.verdict != 'ranked', NULL, toInt64(row_number() OVER (PARTITION BY f.verdict = 'ranked' ORDER BY f.ctr_low DESC, f.impressions DESC, f.campaign_id))) AS rank,
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    f.ctr_low AS ctr_low,
    multiIf(f.clicks > f.impressions, NULL, isNull(f.m) OR isNaN(f.m), NULL, f.tau2 <= 0, f.m, (f.clicks + f.m * f.strength) / (f.impressions + f.strength)) AS smoothed_ctr,
    f.verdict AS verdict,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, impressions, clicks, if(f.impressions > 0 AND f.clicks <= f.impressions, ((f.clicks / f.impressions) + 1.959964 * 1.959964 / (2 * f.impressions) - 1.959964 * sqrt((f.clicks / f.impressions) * (1 - (f.clicks / f.impressions)) / f.impressions + 1.959964 * 1.959964 / (4 * f.impressions * f.impressions))) / (1 + 1.959964 * 1.959964 / f.impressions), NULL) AS ctr_low,
        multiIf(clicks > impressions, 'invalid', impressions < 100, 'not enough data', 'ranked') AS verdict,
        m, tau2, if(tau2 > 0, greatest(0, m * (1 - m) / tau2 - 1), 0) AS strength
    FROM
    (
        SELECT *,
            (sumIf(n * pow(clicks / n - m, 2), valid) OVER () - (sum(valid) OVER () - 1) * m * (1 - m))
                / nullIf(sumIf(n, valid) OVER () - sumIf(n * n, valid) OVER () / nullIf(sumIf(n, valid) OVER (), 0), 0) AS moment,
            ifNull(moment, 0) AS tau2
        FROM
        (
            SELECT *, f.impressions > 0 AND f.clicks <= f.impressions AS valid, toFloat64(impressions) AS n,
                sumIf(clicks, valid) OVER () / nullIf(sumIf(n, valid) OVER (), 0) AS m
            FROM
            (
                SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, max(live) AS is_live
                FROM
                (
                    SELECT campaign_id, i, k, 0 AS live FROM (SELECT campaign_id, multiIf(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE ({timezone:String} = 'UTC' OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR NOT (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) - 1 AND toInt64(toInt32({from:Date32})) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({to:Date32})) AND toInt64(toInt32({to:Date32})) + 1)) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, if((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) GROUP BY campaign_id, place) WHERE place = 0
                    UNION ALL
                    SELECT campaign_id, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
                )
                GROUP BY campaign_id
                HAVING is_live = 1 OR impressions != 0 OR clicks != 0
            ) AS f
        )
    ) AS f
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Delivery over time: Impressions, clicks, CTR and estimated spend by hour, day, week, month or in total, of the platform, its advertisers or its campaigns.
CREATE OR REPLACE VIEW ${database}.kpi_delivery AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    if(isNull(f.step), NULL, if({grain:String} = 'hour', toString(fromUnixTimestamp64Second(assumeNotNull(f.step), 'UTC')), toString(CAST(toInt32(assumeNotNull(f.step)), 'Date32')))) AS period,
    f.advertiser_id AS advertiser_id,
    if({by:String} = 'platform', '(all)', coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)'))) AS advertiser,
    f.campaign_id AS campaign_id,
    if({by:String} != 'campaign', '(all)', coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)'))) AS campaign,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    f.est_spend AS est_spend,
    f.est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * f.est_spend / nullIf(f.impressions, 0) AS ecpm,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT advertiser_id, campaign_id, step, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend
    FROM
    (
        SELECT if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id, e.step AS step, e.i AS i, e.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s
            FROM (SELECT * FROM (SELECT campaign_id, multiIf({grain:String} = 'hour', NULL, {grain:String} = 'day', toInt64(toInt32(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)'))), {grain:String} = 'week', toInt64(toInt32(subtractDays(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)'), toDayOfWeek(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)')) - 1))), {grain:String} = 'month', toInt64(toInt32(subtractDays(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)'), toDayOfMonth(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)')) - 1))), if(isNull(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)')), NULL, toInt64(toInt32({from:Date32})))) AS step, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' AND {grain:String} != 'hour' AND (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})) OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400))) GROUP BY campaign_id, step
        UNION ALL
        SELECT campaign_id, multiIf({grain:String} = 'hour', toUnixTimestamp64Second(subtractSeconds(hour, toMinute(toTimeZone(hour, {timezone:String})) * 60 + toSecond(toTimeZone(hour, {timezone:String})))), {grain:String} = 'day', toInt64(toInt32(toDate32(toTimeZone(hour, {timezone:String})))), {grain:String} = 'week', toInt64(toInt32(subtractDays(toDate32(toTimeZone(hour, {timezone:String})), toDayOfWeek(toDate32(toTimeZone(hour, {timezone:String}))) - 1))), {grain:String} = 'month', toInt64(toInt32(subtractDays(toDate32(toTimeZone(hour, {timezone:String})), toDayOfMonth(toDate32(toTimeZone(hour, {timezone:String}))) - 1))), if(isNull(hour), NULL, toInt64(toInt32({from:Date32})))) AS step, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC' AND {grain:String} != 'hour') AND (((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)) OR isNull(hour)) GROUP BY campaign_id, step) WHERE i != 0 OR k != 0) AS e
            LEFT JOIN ${database}.campaign_directory AS c ON e.campaign_id = c.campaign_id
        UNION ALL
        -- Every period of everybody who exists or has events in the range.
        SELECT advertiser_id, campaign_id, toNullable(arrayJoin(multiIf({grain:String} = 'hour', arrayMap(t -> toUnixTimestamp64Second(t), if({grain:String} = 'hour', arrayDistinct(arrayFilter(t -> toDate32(toTimeZone(t, {timezone:String})) BETWEEN {from:Date32} AND {to:Date32}, arrayMap(i -> subtractSeconds(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), toMinute(toTimeZone(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), {timezone:String})) * 60 + toSecond(toTimeZone(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), {timezone:String}))), range(96 * (toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)) + 2))))), [])), {grain:String} = 'day', arrayDistinct(arrayMap(d -> toInt64(toInt32(d)), arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), {grain:String} = 'week', arrayDistinct(arrayMap(d -> toInt64(toInt32(subtractDays(d, toDayOfWeek(d) - 1))), arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), {grain:String} = 'month', arrayDistinct(arrayMap(d -> toInt64(toInt32(subtractDays(d, toDayOfMonth(d) - 1))), arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), [toInt64(toInt32({from:Date32}))]))), 0, 0, toDecimal128(0, 6)
        FROM
        (
            SELECT CAST(NULL, 'Nullable(Int32)') AS advertiser_id, CAST(NULL, 'Nullable(Int32)') AS campaign_id WHERE {by:String} = 'platform'
            UNION ALL SELECT advertiser_id, NULL FROM ${database}.advertiser_directory WHERE {by:String} = 'advertiser' AND NOT deleted
            UNION ALL SELECT advertiser_id, campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0) WHERE {by:String} = 'campaign'
            UNION DISTINCT SELECT if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id FROM (SELECT * FROM (SELECT campaign_id, multiIf(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE ({timezone:String} = 'UTC' OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR NOT (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) - 1 AND toInt64(toInt32({from:Date32})) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({to:Date32})) AND toInt64(toInt32({to:Date32})) + 1)) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, if((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) GROUP BY campaign_id, place) WHERE place = 0 AND (i != 0 OR k != 0)) AS e
            LEFT JOIN ${database}.campaign_names AS c ON e.campaign_id = c.campaign_id
        )
    )
    GROUP BY advertiser_id, campaign_id, step
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({grain:String} NOT IN ('hour', 'day', 'week', 'month', 'total'), 'grain is hour, day, week, month or total') = 0 AND throwIf({by:String} NOT IN ('platform', 'advertiser', 'campaign'), 'by is platform, advertiser or campaign') = 0;

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
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS step, sum(impressions) AS i, sum(clicks) AS k
        FROM ${database}.campaign_hourly
        WHERE ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)) OR isNull(hour)
        GROUP BY campaign_id, step
        HAVING i != 0 OR k != 0
        UNION ALL
        -- Every step of every campaign that lives or has events in the range, so that no gap is left out.
        SELECT campaign_id, toNullable(arrayJoin(arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), 0, 0
        FROM
        (
            SELECT campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
            UNION DISTINCT
            SELECT campaign_id FROM ${database}.campaign_hourly WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, step
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
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
        SELECT campaign_id, subtractSeconds(hour, toMinute(toTimeZone(hour, {timezone:String})) * 60 + toSecond(toTimeZone(hour, {timezone:String}))) AS step, sum(impressions) AS i, sum(clicks) AS k
        FROM ${database}.campaign_hourly
        WHERE ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)) OR isNull(hour)
        GROUP BY campaign_id, step
        HAVING i != 0 OR k != 0
        UNION ALL
        -- Every step of every campaign that lives or has events in the range, so that no gap is left out.
        SELECT campaign_id, toNullable(arrayJoin(arrayDistinct(arrayFilter(t -> toDate32(toTimeZone(t, {timezone:String})) BETWEEN {from:Date32} AND {to:Date32}, arrayMap(i -> subtractSeconds(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), toMinute(toTimeZone(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), {timezone:String})) * 60 + toSecond(toTimeZone(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), {timezone:String}))), range(96 * (toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)) + 2))))))), 0, 0
        FROM
        (
            SELECT campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
            UNION DISTINCT
            SELECT campaign_id FROM ${database}.campaign_hourly WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, step
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
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
    coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model,
    f.impressions AS impressions,
    f.clicks AS clicks,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.cpm, f.cpc) AS est_spend,
    est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * est_spend / nullIf(f.impressions, 0) AS ecpm,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.cpm_total, f.cpc_total) AS est_spend_total,
    if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', NULL, toFloat64(est_spend_total) / nullIf(toFloat64(c.budget), 0)) AS budget_used,
    if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', NULL, c.budget - est_spend_total) AS remaining,
    if(isNull(c.campaign_id), if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.impressions, f.clicks), 0) + if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.undated_impressions, f.undated_clicks) AS unpriced_events,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(c) AS cpc, sum(m) AS cpm, sum(ct) AS cpc_total, sum(mt) AS cpm_total,
        sum(ui) AS undated_impressions, sum(uk) AS undated_clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, if(place = 0, f.i, 0) AS i, if(place = 0, f.k, 0) AS k, if(place = 0, cpc, toDecimal128(0, 6)) AS c,
            if(place = 0, cpm, toDecimal128(0, 6)) AS m, cpc AS ct, cpm AS mt, if(place = 1, f.i, 0) AS ui, if(place = 1, f.k, 0) AS uk, 0 AS live
        FROM (SELECT campaign_id, multiIf(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE ({timezone:String} = 'UTC' OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR NOT (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) - 1 AND toInt64(toInt32({from:Date32})) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({to:Date32})) AND toInt64(toInt32({to:Date32})) + 1)) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, if((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) GROUP BY campaign_id, place) AS f
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 0, 0, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    )
    GROUP BY campaign_id
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0
    AND (f.is_live = 1 OR f.impressions != 0 OR f.clicks != 0 OR if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.undated_impressions, f.undated_clicks) != 0);

-- Budget: How much of each campaign’s budget is used, what remains, and what went beyond.
CREATE OR REPLACE VIEW ${database}.kpi_budget AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.budget AS budget,
    f.budget_kind AS budget_kind,
    f.spend AS est_spend,
    if(f.budget_kind = 'daily', f.spend_today, f.spend) AS period_spend,
    toFloat64(period_spend) / nullIf(toFloat64(f.budget), 0) AS budget_used,
    f.budget - period_spend AS remaining,
    if(f.budget_kind = 'daily', f.overspend_daily, greatest(f.spend - f.budget, toDecimal128(0, 6))) AS overdelivery,
    if(f.pricing_model = 'cpm' OR f.bid = 0, NULL, greatest(toInt64(0), toInt64(remaining / nullIf(f.bid, 0)))) AS affordable_clicks,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM (
    SELECT
        c.campaign_id AS campaign_id, c.campaign AS campaign, c.advertiser_id AS advertiser_id, c.bid AS bid, c.budget AS budget,
        c.start_date AS start_date, c.end_date AS end_date,
        coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, toNullable(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS today,
        toInt64(dateDiff('day', c.start_date, c.end_date) + 1) AS d_total,
        if(isNull(c.start_date), NULL, greatest(toInt64(0), least(toInt64(dateDiff('day', c.start_date, today)), ifNull(d_total, 9223372036854775807)))) AS d_elapsed,
        if(isNull(c.end_date), NULL, greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, today), today), c.end_date) + 1))) AS days_left,
        greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, subtractDays(today, 7)), subtractDays(today, 7)), least(ifNull(c.end_date, subtractDays(today, 1)), subtractDays(today, 1))) + 1)) AS pace_days,
        ifNull(f.impressions, 0) AS impressions, ifNull(f.clicks, 0) AS clicks, ifNull(f.spend, 0) AS spend, ifNull(f.spend_before, 0) AS spend_before,
        ifNull(f.spend_today, 0) AS spend_today, ifNull(f.flight_spend, 0) AS flight_spend, ifNull(f.overspend_daily, 0) AS overspend_daily,
        ifNull(f.pace_sum, 0) AS pace_sum, ifNull(f.pace_squares, 0) AS pace_squares
    FROM (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted) AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_before, sumIf(s, day = toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_today,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS flight_spend,
            sum(greatest(s - budget, toDecimal128(0, 6))) AS overspend_daily,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_squares
        FROM
        (
        SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', d.cpm, d.cpc) AS s,
            c.start_date AS start_date, c.end_date AS end_date, c.budget AS budget,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day) AS d
        INNER JOIN ${database}.campaign_directory AS c ON d.campaign_id = c.campaign_id
        )
        GROUP BY campaign_id
    ) AS f ON c.campaign_id = f.campaign_id
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;

-- Pacing and projection: Whether each campaign spends its budget evenly over its flight, what it must spend a day, and where its pace leads.
CREATE OR REPLACE VIEW ${database}.kpi_pacing AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.start_date AS start_date,
    f.end_date AS end_date,
    f.d_total AS d_total,
    f.d_elapsed AS d_elapsed,
    f.days_left AS days_left,
    if(f.budget_kind = 'daily', f.budget * f.d_total, f.budget) AS total_budget,
    f.spend AS est_spend,
    if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0)) AS expected_spend,
    f.flight_spend AS flight_spend,
    toFloat64(f.flight_spend) / nullIf(if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0)), 0) AS pacing,
    multiIf(isNull(pacing), NULL, pacing < 0.9, 'behind', pacing < 0.95, 'slightly behind', pacing <= 1.25, 'on track', 'ahead') AS band,
    if(isNull(total_budget), NULL, greatest(total_budget - f.spend, toDecimal128(0, 6))) / nullIf(f.days_left, 0) AS required_daily_spend,
    f.pace_sum / nullIf(f.pace_days, 0) AS mean_daily_spend,
    if(f.days_left = 0, NULL, f.spend_before + f.pace_sum * f.days_left / nullIf(f.pace_days, 0)) AS projected_spend,
    if(ifNull(f.days_left, 0) = 0 OR f.pace_days < 2, NULL, greatest(toFloat64(f.spend), toFloat64(f.spend_before) + toFloat64(f.pace_sum) * f.days_left / nullIf(f.pace_days, 0) - 1.959964 * sqrt(greatest(0, (f.pace_squares - toFloat64(f.pace_sum) * toFloat64(f.pace_sum) / f.pace_days) / (f.pace_days - 1))) * sqrt(f.days_left))) AS projected_low,
    if(ifNull(f.days_left, 0) = 0 OR f.pace_days < 2, NULL, greatest(toFloat64(f.spend), toFloat64(f.spend_before) + toFloat64(f.pace_sum) * f.days_left / nullIf(f.pace_days, 0) + 1.959964 * sqrt(greatest(0, (f.pace_squares - toFloat64(f.pace_sum) * toFloat64(f.pace_sum) / f.pace_days) / (f.pace_days - 1))) * sqrt(f.days_left))) AS projected_high,
    if(f.budget_kind = 'daily' OR f.spend >= f.budget OR NOT (ifNull(f.start_date <= f.today, true) AND ifNull(f.today <= f.end_date, true)) OR ifNull(toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501))) > f.days_left, false) OR toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501))) > 36500, NULL,
        addDays(f.today, greatest(1, toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501)))) - 1)) AS exhaustion_day,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM (
    SELECT
        c.campaign_id AS campaign_id, c.campaign AS campaign, c.advertiser_id AS advertiser_id, c.bid AS bid, c.budget AS budget,
        c.start_date AS start_date, c.end_date AS end_date,
        coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, toNullable(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS today,
        toInt64(dateDiff('day', c.start_date, c.end_date) + 1) AS d_total,
        if(isNull(c.start_date), NULL, greatest(toInt64(0), least(toInt64(dateDiff('day', c.start_date, today)), ifNull(d_total, 9223372036854775807)))) AS d_elapsed,
        if(isNull(c.end_date), NULL, greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, today), today), c.end_date) + 1))) AS days_left,
        greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, subtractDays(today, 7)), subtractDays(today, 7)), least(ifNull(c.end_date, subtractDays(today, 1)), subtractDays(today, 1))) + 1)) AS pace_days,
        ifNull(f.impressions, 0) AS impressions, ifNull(f.clicks, 0) AS clicks, ifNull(f.spend, 0) AS spend, ifNull(f.spend_before, 0) AS spend_before,
        ifNull(f.spend_today, 0) AS spend_today, ifNull(f.flight_spend, 0) AS flight_spend, ifNull(f.overspend_daily, 0) AS overspend_daily,
        ifNull(f.pace_sum, 0) AS pace_sum, ifNull(f.pace_squares, 0) AS pace_squares
    FROM (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted) AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_before, sumIf(s, day = toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_today,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS flight_spend,
            sum(greatest(s - budget, toDecimal128(0, 6))) AS overspend_daily,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_squares
        FROM
        (
        SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', d.cpm, d.cpc) AS s,
            c.start_date AS start_date, c.end_date AS end_date, c.budget AS budget,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day) AS d
        INNER JOIN ${database}.campaign_directory AS c ON d.campaign_id = c.campaign_id
        )
        GROUP BY campaign_id
    ) AS f ON c.campaign_id = f.campaign_id
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;

-- Cap-out: When the spend of each campaign reached its budget, and what came afterwards.
CREATE OR REPLACE VIEW ${database}.kpi_cap_out AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at,
capped AS
(
    SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind,
        max(total) AS est_spend, min(hour) AS cap_hour, argMin(running - s, hour) AS spend_before, argMin(clicks_later, hour) AS clicks_later
    FROM
    (
        SELECT *, sum(s) OVER w AS running, sum(s) OVER p AS total,
            sum(k) OVER p - sum(k) OVER w AS clicks_later
        FROM
        (
        SELECT e.campaign_id AS campaign_id, if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', e.day, NULL) AS period, e.hour AS hour, e.k AS k,
            if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s, c.budget AS budget, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, c.campaign AS campaign, c.advertiser_id AS advertiser_id
        FROM
        (
            SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(hour, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(hour, 6, 'UTC')), 3600000000), 1000000), 'UTC') AS hour, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly
            WHERE isNotNull(hour) AND isNotNull(campaign_id) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0
            GROUP BY campaign_id, day, hour
        ) AS e
        INNER JOIN (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted AND budget > 0) AS c ON e.campaign_id = c.campaign_id
        )
        WINDOW w AS (PARTITION BY campaign_id, period ORDER BY hour ROWS UNBOUNDED PRECEDING), p AS (PARTITION BY campaign_id, period)
    )
    WHERE running >= budget
    GROUP BY campaign_id, period, campaign, advertiser_id, budget, budget_kind
)
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.budget AS budget,
    f.budget_kind AS budget_kind,
    f.period AS period,
    f.cap_out_at AS cap_out_at,
    f.est_spend AS est_spend,
    f.est_spend - f.budget AS overdelivery,
    f.clicks_after AS clicks_after,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind, est_spend,
        minIf(created_at, running >= budget) AS cap_out_at,
        any(clicks_later) + countIf(fact = 'clicks' AND running - own >= budget AND created_at > first_at) AS clicks_after
    FROM
    (
        SELECT *, minIf(created_at, running >= budget) OVER (PARTITION BY campaign_id, period) AS first_at
        FROM
        (
            SELECT g.campaign_id AS campaign_id, g.period AS period, g.campaign AS campaign, g.advertiser_id AS advertiser_id, g.budget AS budget,
                g.budget_kind AS budget_kind, g.est_spend AS est_spend, g.clicks_later AS clicks_later, e.fact AS fact, assumeNotNull(e.created_at) AS created_at,
                if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS own,
                g.spend_before + sum(own) OVER (PARTITION BY g.campaign_id, g.period ORDER BY e.created_at RANGE UNBOUNDED PRECEDING) AS running
            FROM
            (
                SELECT * FROM ${database}.campaign_events
                WHERE created_at >= (SELECT min(cap_hour) FROM capped) AND created_at < (SELECT addHours(max(cap_hour), 1) FROM capped)
            ) AS e
            INNER JOIN capped AS g ON e.campaign_id = g.campaign_id AND fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(e.created_at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(e.created_at, 6, 'UTC')), 3600000000), 1000000), 'UTC') = g.cap_hour
            LEFT JOIN ${database}.campaign_directory AS c ON g.campaign_id = c.campaign_id
            WHERE isNull(g.period) OR g.period = toDate32(toTimeZone(e.created_at, {timezone:String}))
        )
    )
    GROUP BY ALL
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;

-- Campaign health: The state of each campaign in a word, with the reason.
CREATE OR REPLACE VIEW ${database}.kpi_health AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    multiIf(ifNull(f.start_date > f.end_date, false), 'data problem',
        ifNull(f.clicks > f.impressions, false), 'data problem',
        ifNull(f.today > f.end_date, false), 'ended',
        ifNull(f.today < f.start_date, false), 'scheduled',
        ifNull(f.budget > 0 AND period_spend >= f.budget, false), 'capped',
        ifNull(idle_hours >= {hours:UInt32}, false), 'no delivery',
        ifNull(pacing < 0.95, false), 'behind',
        ifNull(pacing > 1.25, false), 'ahead',
        ifNull(isNotNull(pacing), false), 'delivering',
        'delivering') AS status,
    multiIf(ifNull(f.start_date > f.end_date, false), concat('it ends on ', toString(f.end_date), ', before it starts on ', toString(f.start_date)),
        ifNull(f.clicks > f.impressions, false), concat('more clicks (', toString(f.clicks), ') than impressions (', toString(f.impressions), ')'),
        ifNull(f.today > f.end_date, false), concat('its last day was ', toString(f.end_date)),
        ifNull(f.today < f.start_date, false), concat('it starts on ', toString(f.start_date)),
        ifNull(f.budget > 0 AND period_spend >= f.budget, false), concat(if(f.budget_kind = 'daily', 'today’s budget of ', 'its budget of '), toString(f.budget), ' is used up: spend is ', toString(period_spend)),
        ifNull(idle_hours >= {hours:UInt32}, false), concat('no impression for ', toString(idle_hours), ' hours'),
        ifNull(pacing < 0.95, false), concat('spent ', toString(round(100 * pacing)), ' % of what it should have by now'),
        ifNull(pacing > 1.25, false), concat('spent ', toString(round(100 * pacing)), ' % of what it should have by now'),
        ifNull(isNotNull(pacing), false), concat('on track: spent ', toString(round(100 * pacing)), ' % of what it should have by now'),
        'it delivers; pacing is not known before its first full day or without dates and budget') AS reason,
    toFloat64(f.flight_spend) / nullIf(if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0)), 0) AS pacing,
    if(f.budget_kind = 'daily', f.spend_today, f.spend) AS period_spend,
    toFloat64(period_spend) / nullIf(toFloat64(f.budget), 0) AS budget_used,
    if(isNull(l.last_hour) AND isNull(f.start_date), 840, greatest(0, least(840, intDiv(toUnixTimestamp64Second(toDateTime64({now:DateTime64(6, 'UTC')}, 0, 'UTC')) - greatest(
        ifNull(toUnixTimestamp64Second(l.last_hour) + 3600, -9223372036854775807), ifNull(toUnixTimestamp64Second(toDateTime64(toString(f.start_date), 0, {timezone:String})), -9223372036854775807)), 3600)))) AS idle_hours,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM (
    SELECT
        c.campaign_id AS campaign_id, c.campaign AS campaign, c.advertiser_id AS advertiser_id, c.bid AS bid, c.budget AS budget,
        c.start_date AS start_date, c.end_date AS end_date,
        coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, toNullable(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS today,
        toInt64(dateDiff('day', c.start_date, c.end_date) + 1) AS d_total,
        if(isNull(c.start_date), NULL, greatest(toInt64(0), least(toInt64(dateDiff('day', c.start_date, today)), ifNull(d_total, 9223372036854775807)))) AS d_elapsed,
        if(isNull(c.end_date), NULL, greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, today), today), c.end_date) + 1))) AS days_left,
        greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, subtractDays(today, 7)), subtractDays(today, 7)), least(ifNull(c.end_date, subtractDays(today, 1)), subtractDays(today, 1))) + 1)) AS pace_days,
        ifNull(f.impressions, 0) AS impressions, ifNull(f.clicks, 0) AS clicks, ifNull(f.spend, 0) AS spend, ifNull(f.spend_before, 0) AS spend_before,
        ifNull(f.spend_today, 0) AS spend_today, ifNull(f.flight_spend, 0) AS flight_spend, ifNull(f.overspend_daily, 0) AS overspend_daily,
        ifNull(f.pace_sum, 0) AS pace_sum, ifNull(f.pace_squares, 0) AS pace_squares
    FROM (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted) AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_before, sumIf(s, day = toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_today,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS flight_spend,
            sum(greatest(s - budget, toDecimal128(0, 6))) AS overspend_daily,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_squares
        FROM
        (
        SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', d.cpm, d.cpc) AS s,
            c.start_date AS start_date, c.end_date AS end_date, c.budget AS budget,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day) AS d
        INNER JOIN ${database}.campaign_directory AS c ON d.campaign_id = c.campaign_id
        )
        GROUP BY campaign_id
    ) AS f ON c.campaign_id = f.campaign_id
) AS f
LEFT JOIN (SELECT campaign_id, max(hour) AS last_hour
    FROM
    (
        SELECT campaign_id, hour FROM ${database}.campaign_hourly
        WHERE hour <= {now:DateTime64(6, 'UTC')} AND hour >= subtractDays({now:DateTime64(6, 'UTC')}, 35)
            AND hour >= (SELECT fromUnixTimestamp64Second(86400 * min(last_day), 'UTC') FROM (SELECT campaign_id, max(if(n > 0 AND day < toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), day, -1)) AS latest, if(latest < 0, toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), latest) AS last_day
            FROM
            (
                SELECT campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) AS day, sum(impressions) AS n FROM ${database}.campaign_hourly
                WHERE intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) - 35 AND toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC'))))
                GROUP BY campaign_id, day
            )
            GROUP BY campaign_id))
            AND (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) >= toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) OR (campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) IN (SELECT campaign_id, last_day FROM (SELECT campaign_id, max(if(n > 0 AND day < toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), day, -1)) AS latest, if(latest < 0, toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), latest) AS last_day
            FROM
            (
                SELECT campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) AS day, sum(impressions) AS n FROM ${database}.campaign_hourly
                WHERE intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) - 35 AND toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC'))))
                GROUP BY campaign_id, day
            )
            GROUP BY campaign_id)))
        GROUP BY campaign_id, hour HAVING sum(impressions) > 0
    )
    GROUP BY campaign_id) AS l ON f.campaign_id = l.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;

-- Zero delivery: How long each campaign in flight has had no impression.
CREATE OR REPLACE VIEW ${database}.kpi_zero_delivery AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.start_date AS start_date,
    f.end_date AS end_date,
    l.last_hour AS last_impression_hour,
    if(isNull(l.last_hour) AND isNull(f.start_date), 840, greatest(0, least(840, intDiv(toUnixTimestamp64Second(toDateTime64({now:DateTime64(6, 'UTC')}, 0, 'UTC')) - greatest(
        ifNull(toUnixTimestamp64Second(l.last_hour) + 3600, -9223372036854775807), ifNull(toUnixTimestamp64Second(toDateTime64(toString(f.start_date), 0, {timezone:String})), -9223372036854775807)), 3600)))) AS idle_hours,
    (idle_hours >= {hours:UInt32})::Bool AS is_silent,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM (
    SELECT
        c.campaign_id AS campaign_id, c.campaign AS campaign, c.advertiser_id AS advertiser_id, c.bid AS bid, c.budget AS budget,
        c.start_date AS start_date, c.end_date AS end_date,
        coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, toNullable(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS today,
        toInt64(dateDiff('day', c.start_date, c.end_date) + 1) AS d_total,
        if(isNull(c.start_date), NULL, greatest(toInt64(0), least(toInt64(dateDiff('day', c.start_date, today)), ifNull(d_total, 9223372036854775807)))) AS d_elapsed,
        if(isNull(c.end_date), NULL, greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, today), today), c.end_date) + 1))) AS days_left,
        greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, subtractDays(today, 7)), subtractDays(today, 7)), least(ifNull(c.end_date, subtractDays(today, 1)), subtractDays(today, 1))) + 1)) AS pace_days,
        ifNull(f.impressions, 0) AS impressions, ifNull(f.clicks, 0) AS clicks, ifNull(f.spend, 0) AS spend, ifNull(f.spend_before, 0) AS spend_before,
        ifNull(f.spend_today, 0) AS spend_today, ifNull(f.flight_spend, 0) AS flight_spend, ifNull(f.overspend_daily, 0) AS overspend_daily,
        ifNull(f.pace_sum, 0) AS pace_sum, ifNull(f.pace_squares, 0) AS pace_squares
    FROM (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted) AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_before, sumIf(s, day = toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_today,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS flight_spend,
            sum(greatest(s - budget, toDecimal128(0, 6))) AS overspend_daily,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_squares
        FROM
        (
        SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', d.cpm, d.cpc) AS s,
            c.start_date AS start_date, c.end_date AS end_date, c.budget AS budget,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day) AS d
        INNER JOIN ${database}.campaign_directory AS c ON d.campaign_id = c.campaign_id
        )
        GROUP BY campaign_id
    ) AS f ON c.campaign_id = f.campaign_id
) AS f
LEFT JOIN (SELECT campaign_id, max(hour) AS last_hour
    FROM
    (
        SELECT campaign_id, hour FROM ${database}.campaign_hourly
        WHERE hour <= {now:DateTime64(6, 'UTC')} AND hour >= subtractDays({now:DateTime64(6, 'UTC')}, 35)
            AND hour >= (SELECT fromUnixTimestamp64Second(86400 * min(last_day), 'UTC') FROM (SELECT campaign_id, max(if(n > 0 AND day < toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), day, -1)) AS latest, if(latest < 0, toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), latest) AS last_day
            FROM
            (
                SELECT campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) AS day, sum(impressions) AS n FROM ${database}.campaign_hourly
                WHERE intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) - 35 AND toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC'))))
                GROUP BY campaign_id, day
            )
            GROUP BY campaign_id))
            AND (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) >= toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) OR (campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) IN (SELECT campaign_id, last_day FROM (SELECT campaign_id, max(if(n > 0 AND day < toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), day, -1)) AS latest, if(latest < 0, toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), latest) AS last_day
            FROM
            (
                SELECT campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) AS day, sum(impressions) AS n FROM ${database}.campaign_hourly
                WHERE intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) - 35 AND toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC'))))
                GROUP BY campaign_id, day
            )
            GROUP BY campaign_id)))
        GROUP BY campaign_id, hour HAVING sum(impressions) > 0
    )
    GROUP BY campaign_id) AS l ON f.campaign_id = l.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE ifNull(f.start_date <= f.today, true) AND ifNull(f.today <= f.end_date, true) AND throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;

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
        SELECT c.advertiser_id AS advertiser_id, 0 AS n, toDecimal128(0, 2) AS b, e.i AS i, e.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s, 0 AS live
        FROM (SELECT campaign_id, multiIf(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE ({timezone:String} = 'UTC' OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR NOT (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) - 1 AND toInt64(toInt32({from:Date32})) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({to:Date32})) AND toInt64(toInt32({to:Date32})) + 1)) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, if((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) GROUP BY campaign_id, place) AS e
        LEFT JOIN ${database}.campaign_directory AS c ON e.campaign_id = c.campaign_id
        WHERE e.place = 0
        UNION ALL
        SELECT advertiser_id, 1, toDecimal128(assumeNotNull(budget), 2), 0, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
        UNION ALL
        SELECT advertiser_id, 0, 0, 0, 0, 0, 1 FROM ${database}.advertiser_directory WHERE NOT deleted
    )
    GROUP BY advertiser_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0;

-- Campaigns: The campaigns that exist, with bid, budget and flight: now, or as they stood at a past position.
CREATE OR REPLACE VIEW ${database}.kpi_campaigns AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    c.campaign_id AS campaign_id,
    c.campaign AS campaign,
    c.bid AS bid,
    coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model,
    c.budget AS budget,
    coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind,
    c.start_date AS start_date,
    c.end_date AS end_date,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM ${database}.campaign_directory AS c
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
WHERE NOT c.deleted AND throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;

-- Share of delivery: What part of its advertiser’s and of all impressions each campaign has.
CREATE OR REPLACE VIEW ${database}.kpi_share AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.impressions AS impressions,
    f.impressions / nullIf(sum(f.impressions) OVER (PARTITION BY c.advertiser_id), 0) AS share_of_advertiser,
    f.impressions / nullIf(sum(f.impressions) OVER (), 0) AS share_of_platform,
    f.clicks AS clicks,
    f.clicks / nullIf(sum(f.clicks) OVER (), 0) AS click_share_of_platform,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, i, k, 0 AS live FROM (SELECT campaign_id, multiIf(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32})), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE ({timezone:String} = 'UTC' OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR NOT (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) - 1 AND toInt64(toInt32({from:Date32})) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({to:Date32})) AND toInt64(toInt32({to:Date32})) + 1)) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, if((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0), 0, 2) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) GROUP BY campaign_id, place) WHERE place = 0
        UNION ALL
        SELECT campaign_id, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Weekday and hour: Impressions, clicks and CTR by weekday and hour of the day.
CREATE OR REPLACE VIEW ${database}.kpi_heatmap AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.cell DIV 24 + 1 AS weekday,
    f.cell % 24 AS hour_of_day,
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
    SELECT campaign_id, cell, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, assumeNotNull((toDayOfWeek(toTimeZone(hour, {timezone:String})) - 1) * 24 + toHour(toTimeZone(hour, {timezone:String}))) AS cell, sum(impressions) AS i, sum(clicks) AS k
        FROM ${database}.campaign_hourly
        WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)
        GROUP BY campaign_id, cell
        UNION ALL
        SELECT campaign_id, arrayJoin(range(168)), 0, 0
        FROM
        (
            SELECT campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
            UNION DISTINCT
            SELECT campaign_id FROM ${database}.campaign_hourly WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)
            GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0
        )
    )
    GROUP BY campaign_id, cell
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Campaign-day curve: Delivery of each campaign by day of its flight: whether it wears out.
CREATE OR REPLACE VIEW ${database}.kpi_campaign_days AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    toInt64(dateDiff('day', c.start_date, f.day) + 1) AS campaign_day,
    f.day AS day,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    sum(f.impressions) OVER (PARTITION BY f.campaign_id ORDER BY f.day ROWS UNBOUNDED PRECEDING) AS impressions_so_far,
    sum(f.clicks) OVER (PARTITION BY f.campaign_id ORDER BY f.day ROWS UNBOUNDED PRECEDING) AS clicks_so_far,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, day, sum(i) AS impressions, sum(k) AS clicks
    FROM
    (
        SELECT campaign_id, day, i, k
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day)
        WHERE day >= {from:Date32} AND day <= {to:Date32} AND (i != 0 OR k != 0)
        UNION ALL
        SELECT campaign_id, day, 0, 0
        FROM (SELECT campaign_id, start_date, end_date, toNullable(arrayJoin(arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))) AS day FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0))
        WHERE day >= start_date AND ifNull(day <= end_date, true)
    )
    GROUP BY campaign_id, day
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
WHERE isNotNull(c.start_date);

-- Day over day, week over week: Today so far against the same hours of yesterday, of a week ago and of the last seven days.
CREATE OR REPLACE VIEW ${database}.kpi_comparison AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT *, at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT
    f.advertiser_id AS advertiser_id,
    if({by:String} = 'platform', '(all)', coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)'))) AS advertiser,
    f.campaign_id AS campaign_id,
    if({by:String} != 'campaign', '(all)', coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)'))) AS campaign,
    sumIf(f.i, f.ago = 0) AS impressions,
    sumIf(f.i, f.ago = 1) AS impressions_yesterday,
    toFloat64(impressions) / nullIf(toFloat64(impressions_yesterday), 0) - 1 AS impressions_vs_yesterday,
    sumIf(f.i, f.ago = 7) AS impressions_week_ago,
    toFloat64(impressions) / nullIf(toFloat64(impressions_week_ago), 0) - 1 AS impressions_vs_week_ago,
    toFloat64(sumIf(f.i, f.ago BETWEEN 1 AND 7)) / 7 AS impressions_mean_7_days,
    toFloat64(impressions) / nullIf(toFloat64(impressions_mean_7_days), 0) - 1 AS impressions_vs_mean_7_days,
    sumIf(f.k, f.ago = 0) AS clicks,
    sumIf(f.k, f.ago = 1) AS clicks_yesterday,
    toFloat64(clicks) / nullIf(toFloat64(clicks_yesterday), 0) - 1 AS clicks_vs_yesterday,
    sumIf(f.k, f.ago = 7) AS clicks_week_ago,
    toFloat64(clicks) / nullIf(toFloat64(clicks_week_ago), 0) - 1 AS clicks_vs_week_ago,
    toFloat64(sumIf(f.k, f.ago BETWEEN 1 AND 7)) / 7 AS clicks_mean_7_days,
    toFloat64(clicks) / nullIf(toFloat64(clicks_mean_7_days), 0) - 1 AS clicks_vs_mean_7_days,
    sumIf(f.s, f.ago = 0) AS est_spend,
    sumIf(f.s, f.ago = 1) AS est_spend_yesterday,
    toFloat64(est_spend) / nullIf(toFloat64(est_spend_yesterday), 0) - 1 AS est_spend_vs_yesterday,
    sumIf(f.s, f.ago = 7) AS est_spend_week_ago,
    toFloat64(est_spend) / nullIf(toFloat64(est_spend_week_ago), 0) - 1 AS est_spend_vs_week_ago,
    toFloat64(sumIf(f.s, f.ago BETWEEN 1 AND 7)) / 7 AS est_spend_mean_7_days,
    toFloat64(est_spend) / nullIf(toFloat64(est_spend_mean_7_days), 0) - 1 AS est_spend_vs_mean_7_days,
    sumIf(f.k, f.ago = 0) / nullIf(sumIf(f.i, f.ago = 0), 0) AS ctr_today,
    sumIf(f.k, f.ago = 1) / nullIf(sumIf(f.i, f.ago = 1), 0) AS ctr_yesterday,
    sumIf(f.k, f.ago = 7) / nullIf(sumIf(f.i, f.ago = 7), 0) AS ctr_week_ago,
    sumIf(f.k, f.ago BETWEEN 1 AND 7) / nullIf(sumIf(f.i, f.ago BETWEEN 1 AND 7), 0) AS ctr_mean_7_days
    FROM
    (
        SELECT if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id, e.ago AS ago, e.i AS i, e.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s
        FROM
        (
            SELECT campaign_id, toInt32(dateDiff('day', toDate32(toTimeZone(hour, {timezone:String})), toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})))) AS ago, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly
            WHERE hour >= subtractDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 8) AND hour < addDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7) AND toDate32(toTimeZone(hour, {timezone:String})) <= toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0 AND toHour(toTimeZone(hour, {timezone:String})) < toHour(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))
            GROUP BY campaign_id, ago
            HAVING i != 0 OR k != 0
        ) AS e
        LEFT JOIN ${database}.campaign_directory AS c ON e.campaign_id = c.campaign_id
        UNION ALL
        SELECT advertiser_id, campaign_id, 0, 0, 0, toDecimal128(0, 6) FROM (SELECT CAST(NULL, 'Nullable(Int32)') AS advertiser_id, CAST(NULL, 'Nullable(Int32)') AS campaign_id WHERE {by:String} = 'platform'
            UNION ALL SELECT advertiser_id, NULL FROM ${database}.advertiser_directory WHERE {by:String} = 'advertiser' AND NOT deleted
            UNION ALL SELECT advertiser_id, campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0) WHERE {by:String} = 'campaign')
    ) AS f
    LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
    WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({by:String} NOT IN ('platform', 'advertiser', 'campaign'), 'by is platform, advertiser or campaign') = 0
    GROUP BY f.advertiser_id, f.campaign_id, a.advertiser, c.campaign
);

-- Anomalies: Campaigns whose impressions, clicks or CTR are today not what the same weekday was in the last weeks.
CREATE OR REPLACE VIEW ${database}.kpi_anomalies AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AS day,
    figure.1 AS kind, figure.2 AS value, figure.3 AS expected, figure.4 AS z, ifNull(abs(z) >= 3 AND figure.5, false)::Bool AS is_anomaly,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted, arrayJoin([('impressions', toFloat64(f.i0), f.i1 / f.weeks, if((f.i1 / f.weeks) = 0, NULL, (f.i0 - (f.i1 / f.weeks)) / sqrt((f.i1 / f.weeks) * (1 + 1 / f.weeks))), f.i1 / f.weeks >= 5),
        ('clicks', toFloat64(f.k0), f.k1 / f.weeks, if((f.k1 / f.weeks) = 0, NULL, (f.k0 - (f.k1 / f.weeks)) / sqrt((f.k1 / f.weeks) * (1 + 1 / f.weeks))), f.k1 / f.weeks >= 5),
        ('ctr', f.k0 / nullIf(f.i0, 0), f.k1 / nullIf(f.i1, 0), if(f.k0 > f.i0 OR f.k1 > f.i1, NULL, (f.k0 / nullIf(f.i0, 0) - f.k1 / nullIf(f.i1, 0)) / nullIf(sqrt(((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0)) * (1 - ((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0))) * (1 / nullIf(f.i0, 0) + 1 / nullIf(f.i1, 0))), 0)), ((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0)) * f.i0 >= 5 AND ((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0)) * f.i1 >= 5)]) AS figure
    FROM
    (
        SELECT d.campaign_id AS campaign_id,
            if(isNull(d.start_date), 4, toInt64(greatest(0, least(4, intDiv(dateDiff('day', d.start_date, toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))), 7))))) AS flight_weeks,
            if(flight_weeks = 0, NULL, flight_weeks) AS weeks,
            ifNull(sumIf(e.i, e.ago = 0), 0) AS i0, ifNull(sumIf(e.k, e.ago = 0), 0) AS k0,
            ifNull(sumIf(e.i, e.ago BETWEEN 1 AND flight_weeks), 0) AS i1, ifNull(sumIf(e.k, e.ago BETWEEN 1 AND flight_weeks), 0) AS k1
        FROM (SELECT campaign_id, start_date FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)) AS d
        LEFT JOIN
        (
            SELECT campaign_id, intDiv(dateDiff('day', toDate32(toTimeZone(hour, {timezone:String})), toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))), 7) AS ago, sum(impressions) AS i, sum(clicks) AS k
            FROM ${database}.campaign_hourly
            WHERE hour >= subtractDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 29) AND hour < addDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 28) AND toDate32(toTimeZone(hour, {timezone:String})) <= toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0 AND toHour(toTimeZone(hour, {timezone:String})) < toHour(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND dateDiff('day', toDate32(toTimeZone(hour, {timezone:String})), toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) % 7 = 0
            GROUP BY campaign_id, ago
        ) AS e ON d.campaign_id = e.campaign_id
        GROUP BY d.campaign_id, d.start_date
    ) AS f
    LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
);

-- Impact of changes: Delivery before and after each change of a bid or budget.
CREATE OR REPLACE VIEW ${database}.kpi_changes AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
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
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.m0, f.c0) AS spend_before,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.m1, f.c1) AS spend_after,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
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
        SELECT *, fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(v.changed_at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(v.changed_at, 6, 'UTC')), 3600000000), 1000000), 'UTC') AS change_hour,
            toInt64(greatest(0, least(168, dateDiff('hour', addHours(change_hour, 1), {now:DateTime64(6, 'UTC')})))) AS hours_after
        FROM
        (
            SELECT id, version, name, advertiser_id, bid, budget, valid_from AS changed_at,
                lagInFrame(toNullable(bid)) OVER w AS bid_before, lagInFrame(toNullable(budget)) OVER w AS budget_before
            FROM ${database}.campaign_versions
            WINDOW w AS (PARTITION BY id ORDER BY version, committed_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        ) AS v
        WHERE bid != bid_before OR budget != budget_before
    ) AS v
    LEFT JOIN
    (
        SELECT campaign_id, hour, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
        FROM ${database}.campaign_hourly
        WHERE campaign_id IN (SELECT id FROM ${database}.campaign_versions GROUP BY id HAVING count() > 1)
        GROUP BY campaign_id, hour
    ) AS e ON v.id = e.campaign_id AND e.hour >= subtractHours(v.change_hour, v.hours_after) AND e.hour < addHours(v.change_hour, v.hours_after + 1)
    GROUP BY ALL
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0;

-- Data quality: What is odd about the events of each campaign: shown, never corrected.
CREATE OR REPLACE VIEW ${database}.kpi_quality AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.impressions AS impressions,
    f.clicks AS clicks,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    f.before_flight AS before_flight,
    f.after_flight AS after_flight,
    f.future_events AS future_events,
    f.undated_events AS undated_events,
    if(isNull(c.campaign_id), f.impressions + f.clicks, 0) AS without_campaign,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT g.campaign_id AS campaign_id, sum(g.i) AS impressions, sum(g.k) AS clicks,
        sumIf(g.i + g.k, g.day < d.start_date) AS before_flight, sumIf(g.i + g.k, g.day > d.end_date) AS after_flight,
        sum(g.future) AS future_events, sumIf(g.i + g.k, isNull(g.day)) AS undated_events, max(g.live) AS is_live
    FROM
    (
        SELECT campaign_id, day, i, k, 0 AS future, 0 AS live FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day)
        UNION ALL
        SELECT campaign_id, NULL, 0, 0, sum(impressions + clicks), 0 FROM ${database}.campaign_hourly WHERE hour > {now:DateTime64(6, 'UTC')} GROUP BY campaign_id
        UNION ALL
        SELECT campaign_id, NULL, 0, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    ) AS g
    LEFT JOIN ${database}.campaign_names AS d ON g.campaign_id = d.campaign_id
    GROUP BY g.campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Time to click (estimate): How long after an impression of the campaign clicks come, at least.
CREATE OR REPLACE VIEW ${database}.kpi_time_to_click AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    f.clicks AS clicks,
    f.matched AS matched,
    if(f.matched = 0, NULL, f.micros[intDiv(f.matched + 1, 2)] / 1000000) AS median_seconds,
    if(f.matched = 0, NULL, f.micros[intDiv(9 * f.matched + 9, 10)] / 1000000) AS p90_seconds,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT k.of_campaign AS campaign_id, toInt64(count()) AS clicks, toInt64(countIf(isNotNull(i.seen_at))) AS matched,
        arraySort(groupArrayIf(assumeNotNull(toUnixTimestamp64Micro(k.clicked_at) - toUnixTimestamp64Micro(i.seen_at)), isNotNull(i.seen_at))) AS micros
    FROM
    (
        SELECT assumeNotNull(campaign_id) AS of_campaign, assumeNotNull(created_at) AS clicked_at
        FROM ${database}.campaign_events
        WHERE fact = 'clicks' AND isNotNull(campaign_id) AND isNotNull(created_at)
            AND toDate32(toTimeZone(created_at, {timezone:String})) BETWEEN {from:Date32} AND {to:Date32}
    ) AS k
    ASOF LEFT JOIN
    (
        SELECT assumeNotNull(campaign_id) AS of_campaign, assumeNotNull(created_at) AS at, created_at AS seen_at
        FROM ${database}.campaign_events
        WHERE fact = 'impressions' AND isNotNull(campaign_id) AND isNotNull(created_at)
    ) AS i ON k.of_campaign = i.of_campaign AND k.clicked_at >= i.at
    GROUP BY k.of_campaign
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;

-- Freshness: How old the copy is, as a whole and by table: by time, and by bytes of the source’s log.
CREATE OR REPLACE VIEW ${database}.kpi_freshness AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.table_name AS table_name,
    f.phase AS phase,
    f.commit_time AS commit_time,
    if(f.current_at > f.commit_time, toDateTime64(f.current_at, 6, 'UTC'), f.commit_time) AS equal_at,
    greatest(0., dateDiff('millisecond', equal_at, {now:DateTime64(6, 'UTC')}) / 1000) AS age_seconds,
    f.lag_bytes AS lag_bytes,
    greatest(0., dateDiff('millisecond', f.heard_at, {now:DateTime64(6, 'UTC')}) / 1000) AS silent_seconds,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM ${database}.table_freshness AS f;
