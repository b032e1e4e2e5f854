-- Campaign-day curve
-- Delivery of each campaign by day of its flight: whether it wears out.
--
-- Formula:  day of the flight = day − start + 1; sums over the events of the day, and running sums
-- Unit:     counts; CTR is a fraction
-- Grain:    one row per campaign with a start date and day of the range that lies in its flight or has events
-- NULL:     CTR is NULL without impressions; campaigns without a start date have no curve
-- Caveat:   Running sums begin with the range.
-- Caveat:   Days after `to` are not there, also when the flight goes on.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, campaign_day, day, impressions, clicks, ctr, impressions_so_far, clicks_so_far
--   FROM ads.kpi_campaign_days(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   ORDER BY campaign_id, day
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_campaign_days AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    toInt32(dateDiff('day', c.start_date, f.day) + 1) AS campaign_day,
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
