-- Delivery over time
-- Impressions, clicks, CTR and estimated spend by hour, day, week, month or in total, of the platform, its advertisers or its campaigns.
--
-- Formula:  sums over the events of the period; CTR, eCPC and eCPM are ratios of these sums; spend as in `spend`
-- Unit:     counts; money in the currency of the bids, exact decimals; CTR is a fraction
-- Grain:    one row per period (`grain`) and platform, advertiser or campaign (`by`)
-- NULL:     CTR and eCPM are NULL without impressions, eCPC without clicks; events without a time have a row with period NULL, last, whatever the range
-- Caveat:   An event counts on the day on which it happened, however late it arrived. A click after midnight counts on its own day, also when its impression lies before.
-- Caveat:   Nothing is left out: days without events are there with zeros, events outside the flight of their campaign count.
-- Caveat:   A day on which clocks change has 23 or 25 hours.
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   A week or month counts the days that lie in the range, and is named by its first day, also when that lies before.
-- Caveat:   By advertiser: events count for the advertiser that their campaign belongs to now.
--
-- The report, where the copy is the database “ads”:
--   SELECT period, advertiser_id, advertiser, campaign_id, campaign, impressions, clicks, ctr, clicks_exceed_impressions, est_spend, ecpc, ecpm
--   FROM ads.kpi_delivery(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC', grain = 'day', by = 'platform', pricing_model = 'cpc')
--   ORDER BY period NULLS LAST, advertiser_id NULLS LAST, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_delivery AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    if(isNull(f.step), NULL, if({grain:String} = 'hour', toString(fromUnixTimestamp64Second(assumeNotNull(f.step), 'UTC')), toString(CAST(toInt32(assumeNotNull(f.step)), 'Date32')))) AS period,
    f.advertiser_id AS advertiser_id,
    if({by:String} = 'platform', '(all)', coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)'))) AS advertiser,
    f.campaign_id AS campaign_id,
    if({by:String} != 'campaign', '(all)', coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)'))) AS campaign,
    f.impressions AS impressions,
    f.clicks AS clicks,
    f.clicks / nullIf(f.impressions, 0) AS ctr,
    (f.clicks > f.impressions)::Bool AS clicks_exceed_impressions,
    f.est_spend AS est_spend,
    f.est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * f.est_spend / nullIf(f.impressions, 0) AS ecpm,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT advertiser_id, campaign_id, step, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS est_spend
    FROM
    (
        SELECT if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id, e.step AS step, e.i AS i, e.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s
            FROM (SELECT * FROM (SELECT campaign_id, multiIf({grain:String} = 'hour', NULL, {grain:String} = 'day', toInt64(toInt32(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)'))), {grain:String} = 'week', toInt64(toInt32(subtractDays(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)'), toDayOfWeek(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)')) - 1))), {grain:String} = 'month', toInt64(toInt32(subtractDays(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)'), toDayOfMonth(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)')) - 1))), if(isNull(CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)')), NULL, toInt64(toInt32({from:Date32})))) AS step, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' AND {grain:String} != 'hour' AND ((intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32}))) OR isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400))) GROUP BY campaign_id, step
        UNION ALL
        SELECT campaign_id, multiIf({grain:String} = 'hour', toUnixTimestamp64Second(subtractSeconds(hour, toMinute(toTimeZone(hour, {timezone:String})) * 60 + toSecond(toTimeZone(hour, {timezone:String})))), {grain:String} = 'day', toInt64(toInt32(toDate32(toTimeZone(hour, {timezone:String})))), {grain:String} = 'week', toInt64(toInt32(subtractDays(toDate32(toTimeZone(hour, {timezone:String})), toDayOfWeek(toDate32(toTimeZone(hour, {timezone:String}))) - 1))), {grain:String} = 'month', toInt64(toInt32(subtractDays(toDate32(toTimeZone(hour, {timezone:String})), toDayOfMonth(toDate32(toTimeZone(hour, {timezone:String}))) - 1))), if(isNull(hour), NULL, toInt64(toInt32({from:Date32})))) AS step, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC' AND {grain:String} != 'hour') AND (((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0)) OR isNull(hour)) GROUP BY campaign_id, step) WHERE i != 0 OR k != 0) AS e
            LEFT JOIN ${database}.campaign_directory AS c ON e.campaign_id = c.campaign_id
        UNION ALL
        -- Every period of everybody who exists or has events in the range.
        SELECT advertiser_id, campaign_id, toNullable(arrayJoin(multiIf({grain:String} = 'hour', arrayMap(t -> toUnixTimestamp64Second(t), if({grain:String} = 'hour', arrayDistinct(arrayFilter(t -> toDate32(toTimeZone(t, {timezone:String})) BETWEEN {from:Date32} AND {to:Date32}, arrayMap(i -> subtractSeconds(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), toMinute(toTimeZone(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), {timezone:String})) * 60 + toSecond(toTimeZone(addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440), {timezone:String}))), range(96 * (toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)) + 2))))), [])), {grain:String} = 'day', arrayDistinct(arrayMap(d -> toInt64(toInt32(d)), arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), {grain:String} = 'week', arrayDistinct(arrayMap(d -> toInt64(toInt32(subtractDays(d, toDayOfWeek(d) - 1))), arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), {grain:String} = 'month', arrayDistinct(arrayMap(d -> toInt64(toInt32(subtractDays(d, toDayOfMonth(d) - 1))), arrayMap(i -> addDays({from:Date32}, i), range(toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1)))))), [toInt64(toInt32({from:Date32}))]))), 0, 0, toDecimal128(0, 6)
        FROM
        (
            SELECT CAST(NULL, 'Nullable(Int32)') AS advertiser_id, CAST(NULL, 'Nullable(Int32)') AS campaign_id WHERE {by:String} = 'platform'
            UNION ALL SELECT advertiser_id, NULL FROM ${database}.advertiser_directory WHERE {by:String} = 'advertiser' AND NOT deleted
            UNION ALL SELECT advertiser_id, campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0) WHERE {by:String} = 'campaign'
            UNION DISTINCT SELECT if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id FROM (SELECT * FROM (SELECT campaign_id, if(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, 0) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE (isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR ((intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32}))) AND ({timezone:String} = 'UTC' OR (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) > toInt64(toInt32({from:Date32})) AND intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) < toInt64(toInt32({to:Date32})))))) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, 0 AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) AND (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY campaign_id, place) WHERE place = 0 AND (i != 0 OR k != 0)) AS e
            LEFT JOIN ${database}.campaign_names AS c ON e.campaign_id = c.campaign_id
        )
    )
    GROUP BY advertiser_id, campaign_id, step
) AS f
LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({grain:String} NOT IN ('hour', 'day', 'week', 'month', 'total'), 'grain is hour, day, week, month or total') = 0 AND throwIf({by:String} NOT IN ('platform', 'advertiser', 'campaign'), 'by is platform, advertiser or campaign') = 0;
