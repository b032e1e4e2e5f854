-- Share of delivery
-- What part of its advertiser’s and of all impressions each campaign has.
--
-- Formula:  impressions / Σ impressions of the advertiser; impressions / Σ impressions of the platform; clicks likewise
-- Unit:     shares are fractions
-- Grain:    one row per campaign; largest first
-- NULL:     a share of nothing is NULL
-- Caveat:   Of what was delivered: no auction’s impression share.
-- Caveat:   Campaigns without an advertiser share “(none)”; so do events without a campaign.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, impressions, share_of_advertiser, share_of_platform, clicks, click_share_of_platform
--   FROM ads.kpi_share(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   ORDER BY impressions DESC, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
        SELECT campaign_id, i, k, 0 AS live FROM (SELECT campaign_id, if(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, 0) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE (isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR ((intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32}))) AND ({timezone:String} = 'UTC' OR (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) > toInt64(toInt32({from:Date32})) AND intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) < toInt64(toInt32({to:Date32})))))) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, 0 AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) AND (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY campaign_id, place) WHERE place = 0
        UNION ALL
        SELECT campaign_id, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    )
    GROUP BY campaign_id
    HAVING is_live = 1 OR impressions != 0 OR clicks != 0
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;
