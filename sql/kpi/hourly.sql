-- Hourly impressions and clicks
-- Impressions, clicks and CTR of each hour.
--
-- Formula:  counts of events by the hour of `created_at`; CTR = clicks / impressions of the hour
-- Unit:     counts; CTR is a fraction
-- Grain:    one row per hour of the range, of all campaigns or those asked for; the view has one per hour and campaign
-- NULL:     CTR is NULL in hours without impressions; events without a time have one row with hour NULL, last, whatever the range
-- Caveat:   An event counts on the day on which it happened, however late it arrived. A click after midnight counts on its own day, also when its impression lies before.
-- Caveat:   Nothing is left out: days without events are there with zeros, events outside the flight of their campaign count.
-- Caveat:   A day on which clocks change has 23 or 25 hours.
--
-- The report, where the copy is the database “ads”:
--   SELECT hour, f.impressions AS impressions, f.clicks AS clicks, f.clicks / nullIf(f.impressions, 0) AS ctr, (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions
--   FROM (
--   SELECT hour, sum(impressions) AS impressions, sum(clicks) AS clicks
--   FROM ads.kpi_hourly(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   GROUP BY hour
--   ) AS f
--   ORDER BY hour NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
