-- Advertisers
-- Campaigns, budgets, delivery and estimated spend of each advertiser.
--
-- Formula:  Σ over the advertiser’s campaigns; CTR = Σ clicks / Σ impressions; spend as in `spend`
-- Unit:     counts; money in the currency of the bids, exact decimals; CTR is a fraction
-- Grain:    one row per advertiser; highest spend first
-- NULL:     CTR is NULL without impressions
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   Events count for the advertiser that their campaign belongs to now (of a deleted campaign: belonged to last). Events of deleted campaigns count, their budgets do not.
-- Caveat:   Advertisers without campaigns or events are there, with zeros.
-- Caveat:   Events without a time are in no range: see `daily` and `ctr`.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, deleted, campaigns, budget, impressions, clicks, ctr, clicks_exceed_impressions, est_spend
--   FROM ads.kpi_advertisers(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC', pricing_model = 'cpc')
--   ORDER BY est_spend DESC, advertiser_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
        FROM (SELECT campaign_id, if(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, 0) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE (isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR ((intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32}))) AND ({timezone:String} = 'UTC' OR (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) > toInt64(toInt32({from:Date32})) AND intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) < toInt64(toInt32({to:Date32})))))) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, 0 AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) AND (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY campaign_id, place) AS e
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
