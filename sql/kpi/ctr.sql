-- CTR by campaign
-- How many of the impressions of each campaign were clicked, and how sure that is.
--
-- Formula:  clicks / impressions; interval: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n) with n impressions, p = clicks/n, z = 1.959964 (Wilson, 95 %)
-- Unit:     CTR and its bounds are fractions (0.08 is 8 %); the others are counts
-- Grain:    one row per campaign; best first, by the lower bound of the interval
-- NULL:     CTR is NULL without impressions; the bounds also when clicks exceed impressions
-- Caveat:   A ratio of sums over the whole range, never a mean of daily rates.
-- Caveat:   Campaigns without events are there, with zeros; deleted campaigns and “(none)” only when they have events.
-- Caveat:   A small campaign has a wide interval: compare lower bounds, not rates.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, impressions, clicks, ctr, ctr_low, ctr_high, clicks_exceed_impressions, undated_impressions, undated_clicks
--   FROM ads.kpi_ctr(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   ORDER BY ctr_low DESC NULLS LAST, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
    if(f.impressions = 0 OR f.clicks > f.impressions, NULL, if(f.clicks = 0, 0, ((f.clicks / f.impressions) + 1.959964 * 1.959964 / (2 * f.impressions) - 1.959964 * sqrt((f.clicks / f.impressions) * (1 - (f.clicks / f.impressions)) / f.impressions + 1.959964 * 1.959964 / (4 * f.impressions * f.impressions))) / (1 + 1.959964 * 1.959964 / f.impressions))) AS ctr_low,
    if(f.impressions = 0 OR f.clicks > f.impressions, NULL, if(f.clicks = f.impressions, 1, ((f.clicks / f.impressions) + 1.959964 * 1.959964 / (2 * f.impressions) + 1.959964 * sqrt((f.clicks / f.impressions) * (1 - (f.clicks / f.impressions)) / f.impressions + 1.959964 * 1.959964 / (4 * f.impressions * f.impressions))) / (1 + 1.959964 * 1.959964 / f.impressions))) AS ctr_high,
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
        FROM (SELECT campaign_id, if(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, 0) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE (isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR ((intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32}))) AND ({timezone:String} = 'UTC' OR (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) > toInt64(toInt32({from:Date32})) AND intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) < toInt64(toInt32({to:Date32})))))) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, 0 AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) AND (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY campaign_id, place) AS e
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0 OR undated_impressions != 0 OR undated_clicks != 0
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;
