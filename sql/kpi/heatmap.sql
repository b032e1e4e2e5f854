-- Weekday and hour
-- Impressions, clicks and CTR by weekday and hour of the day.
--
-- Formula:  sums over the events of that weekday and hour in the range; CTR = clicks / impressions
-- Unit:     counts; CTR is a fraction
-- Grain:    one row per weekday (1 is Monday) and hour of the day, 168 in all; the view has as many per campaign
-- NULL:     CTR is NULL without impressions; events without a time are in no cell
-- Caveat:   A range of whole weeks compares fairly: otherwise some weekdays are in it more often than others. Where clocks change, an hour is there twice or not at all.
--
-- The report, where the copy is the database “ads”:
--   SELECT weekday, hour_of_day, f.impressions AS impressions, f.clicks AS clicks, f.clicks / nullIf(f.impressions, 0) AS ctr, (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions
--   FROM (
--   SELECT weekday, hour_of_day, sum(impressions) AS impressions, sum(clicks) AS clicks
--   FROM ads.kpi_heatmap(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   GROUP BY weekday, hour_of_day
--   ) AS f
--   ORDER BY weekday, hour_of_day
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_heatmap AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    toInt16(f.cell DIV 24 + 1) AS weekday,
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
        SELECT campaign_id, assumeNotNull((toDayOfWeek(hour, 0, {timezone:String}) - 1) * 24 + toHour(hour, {timezone:String})) AS cell, sum(impressions) AS i, sum(clicks) AS k
        FROM ${database}.campaign_hourly
        WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)
        GROUP BY campaign_id, cell
        HAVING i != 0 OR k != 0
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
