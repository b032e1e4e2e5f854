-- Data quality
-- What is odd about the events of each campaign: shown, never corrected.
--
-- Formula:  counts of events (impressions and clicks) by what is odd
-- Unit:     counts
-- Grain:    one row per campaign, deleted and “(none)” if they have events; the oddest first
-- NULL:     a campaign without dates has no events outside its flight
-- Caveat:   All events count in all other figures, whatever is odd about them.
-- Caveat:   An event may be odd in more than one way.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, impressions, clicks, clicks_exceed_impressions, before_flight, after_flight, future_events, undated_events, without_campaign
--   FROM ads.kpi_quality(now = '2026-03-07 10:00:00', timezone = 'UTC')
--   ORDER BY without_campaign + undated_events + future_events + before_flight + after_flight DESC, clicks_exceed_impressions DESC, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
