-- Budget
-- How much of each campaign’s budget is used, what remains, and what went beyond.
--
-- Formula:  used = spend / budget; remaining = budget − spend; overdelivery = max(0, spend − budget)
-- Unit:     money in the currency of the bids, exact decimals; used is a fraction
-- Grain:    one row per campaign that exists; most used first
-- NULL:     used is NULL for a budget of 0; clicks left for a bid of 0 and for cpm
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   A `lifetime` budget is for all events of the campaign, a `daily` one for those of each local day. The source does not stop delivery when it is used up.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, budget, budget_kind, est_spend, period_spend, budget_used, remaining, overdelivery, affordable_clicks
--   FROM ads.kpi_budget(now = '2026-03-07 10:00:00', timezone = 'UTC', pricing_model = 'cpc', budget_kind = 'lifetime')
--   ORDER BY budget_used DESC NULLS LAST, campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_budget AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.budget AS budget,
    f.budget_kind AS budget_kind,
    f.spend AS est_spend,
    if(f.budget_kind = 'daily', f.spend_today, f.spend) AS period_spend,
    toFloat64(period_spend) / nullIf(toFloat64(f.budget), 0) AS budget_used,
    f.budget - period_spend AS remaining,
    if(f.budget_kind = 'daily', f.overspend_daily, greatest(f.spend - f.budget, toDecimal128(0, 6))) AS overdelivery,
    if(f.pricing_model = 'cpm' OR f.bid = 0, NULL, greatest(toInt64(0), toInt64(remaining / nullIf(f.bid, 0)))) AS affordable_clicks,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM (
    SELECT
        c.campaign_id AS campaign_id, c.campaign AS campaign, c.advertiser_id AS advertiser_id, c.bid AS bid, c.budget AS budget,
        c.start_date AS start_date, c.end_date AS end_date,
        coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, toNullable(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS today,
        toInt64(dateDiff('day', c.start_date, c.end_date) + 1) AS d_total,
        if(isNull(c.start_date), NULL, greatest(toInt64(0), least(toInt64(dateDiff('day', c.start_date, today)), ifNull(d_total, 9223372036854775807)))) AS d_elapsed,
        if(isNull(c.end_date), NULL, greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, today), today), c.end_date) + 1))) AS days_left,
        greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, subtractDays(today, 7)), subtractDays(today, 7)), least(ifNull(c.end_date, subtractDays(today, 1)), subtractDays(today, 1))) + 1)) AS pace_days,
        ifNull(f.impressions, 0) AS impressions, ifNull(f.clicks, 0) AS clicks, ifNull(f.spend, 0) AS spend, ifNull(f.spend_before, 0) AS spend_before,
        ifNull(f.spend_today, 0) AS spend_today, ifNull(f.flight_spend, 0) AS flight_spend, ifNull(f.overspend_daily, 0) AS overspend_daily,
        ifNull(f.pace_sum, 0) AS pace_sum, ifNull(f.pace_squares, 0) AS pace_squares
    FROM ${database}.live_campaign_directory AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_before, sumIf(s, day = toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS spend_today,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) AS flight_spend,
            sum(overspend) AS overspend_daily,
            sumIf(s, in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND day >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)) AS pace_squares
        FROM
        (
        SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', d.cpm, d.cpc) AS s,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight,
            greatest(s - c.budget, toDecimal128(0, 6)) AS overspend
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day) AS d
        INNER JOIN ${database}.live_campaign_directory AS c ON d.campaign_id = c.campaign_id
        )
        GROUP BY campaign_id
    ) AS f ON c.campaign_id = f.campaign_id
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;
