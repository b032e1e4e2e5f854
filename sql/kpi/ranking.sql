-- Ranked CTR
-- Which campaigns are clicked most, as far as their impressions tell.
--
-- Formula:  rank by the lower bound of the Wilson interval; smoothed = (clicks + α) / (n + α + β), where α = mM, β = (1 − m)M; m = Σ clicks / Σ n of all N campaigns with clicks ≤ n, M = m(1 − m)/τ² − 1, τ² = max(0, (Σ n(p − m)² − (N − 1)m(1 − m)) / (Σ n − Σ n²/Σ n)); τ² = 0: smoothed = m; M < 0: M = 0
-- Unit:     CTR, its bound and the smoothed one are fractions
-- Grain:    one row per campaign; best first, those not ranked last
-- NULL:     CTR and bound as in `ctr`; smoothed without impressions is m, and NULL with more clicks than impressions or when nothing can be fitted
-- Caveat:   α and β are fitted by moments on the campaigns of the range, whatever the filter: the rank is that among all of them.
-- Caveat:   Deleted campaigns and “(none)” are there, and in the fit, when they have events.
--
-- The report, where the copy is the database “ads”:
--   SELECT rank, advertiser_id, advertiser, campaign_id, campaign, deleted, impressions, clicks, ctr, ctr_low, smoothed_ctr, verdict
--   FROM ads.kpi_ranking(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC')
--   ORDER BY rank NULLS LAST, verdict, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

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
    multiIf(f.clicks > f.impressions, NULL, isNull(f.m) OR isNaN(f.m), NULL, f.tau2 <= 0 OR f.impressions + f.strength = 0, f.m, (f.clicks + f.m * f.strength) / (f.impressions + f.strength)) AS smoothed_ctr,
    f.verdict AS verdict,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, impressions, clicks, if(f.impressions > 0 AND f.clicks <= f.impressions, if(f.clicks = 0, 0, ((f.clicks / f.impressions) + 1.959964 * 1.959964 / (2 * f.impressions) - 1.959964 * sqrt((f.clicks / f.impressions) * (1 - (f.clicks / f.impressions)) / f.impressions + 1.959964 * 1.959964 / (4 * f.impressions * f.impressions))) / (1 + 1.959964 * 1.959964 / f.impressions)), NULL) AS ctr_low,
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
        )
    ) AS f
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id;
