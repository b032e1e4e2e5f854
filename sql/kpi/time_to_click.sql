-- Time to click (estimate)
-- How long after an impression of the campaign clicks come, at least.
--
-- Formula:  click time − time of the latest impression of the same campaign not after it; median and 90th percentile (the least value that so many do not exceed)
-- Unit:     seconds
-- Grain:    one row per campaign with clicks in the range; most clicks first
-- NULL:     percentiles are NULL when no click has an earlier impression
-- Caveat:   A lower bound: a click does not name its impression, and the one that was clicked may lie before the latest.
-- Caveat:   Reads the events themselves: slower than figures from the rollup.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, clicks, matched, median_seconds, p90_seconds
--   FROM ads.kpi_time_to_click(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   ORDER BY clicks DESC, campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
