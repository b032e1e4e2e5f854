-- Weekday and hour
-- Impressions, clicks and CTR by weekday and hour of the day.
--
-- Formula:  sums over the events of that weekday and hour in the range; CTR = clicks / impressions
-- Unit:     counts; CTR is a fraction
-- Grain:    one row per weekday (1 is Monday) and hour of the day, 168 in all; the view has as many per campaign
-- NULL:     CTR is NULL without impressions; events without a time are in no cell
-- Caveat:   A range of whole weeks compares fairly: otherwise some weekdays are in it more often than others. Where clocks change, an hour is there twice or not at all.
--
-- As a view:  SELECT * FROM ads.kpi_heatmap(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
-- This file:  clickhouse-client --param_from=… --param_to=… --param_timezone=… --queries-file sql/kpi/heatmap.sql
-- Written by scripts/docs.mjs from src/kpi.

SELECT weekday, hour_of_day, f.impressions AS impressions, f.clicks AS clicks, f.clicks / nullIf(f.impressions, 0) AS ctr, (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions
FROM (
SELECT weekday, hour_of_day, sum(impressions) AS impressions, sum(clicks) AS clicks
FROM (
SELECT cell DIV 24 + 1 AS weekday, cell % 24 AS hour_of_day, sum(i) AS impressions, sum(k) AS clicks
FROM
(
    SELECT assumeNotNull((toDayOfWeek(toTimeZone(hour, {timezone:String})) - 1) * 24 + toHour(toTimeZone(hour, {timezone:String}))) AS cell, sum(impressions) AS i, sum(clicks) AS k FROM ads.campaign_hourly WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY cell
    UNION ALL
    SELECT arrayJoin(range(168)), 0, 0 FROM (SELECT 1 FROM (SELECT 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ads.campaign FINAL WHERE _deleted = 0) LIMIT 1
        UNION ALL SELECT 1 FROM ads.campaign_hourly WHERE (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY hour HAVING sum(impressions) != 0 OR sum(clicks) != 0 LIMIT 1) LIMIT 1)
)
GROUP BY cell
)
GROUP BY weekday, hour_of_day
) AS f
ORDER BY weekday, hour_of_day;
