-- Pacing and projection
-- Whether each campaign spends its budget evenly over its flight, what it must spend a day, and where its pace leads.
--
-- Formula:  pacing = spend in the full flight days / (total budget · full days / days); required = (total budget − spend) / days left; projected = spend before today + mean of the last 7 full days · days left, ± 1.959964 · s · √days left with their standard deviation s
-- Unit:     money in the currency of the bids: exact decimals, expected spend and band estimates; pacing is a fraction
-- Grain:    one row per campaign that exists; furthest behind first
-- NULL:     pacing is NULL before the first full day, without dates, for a budget of 0; the projection without an end or a full day, and after the end; the band with fewer than two full days
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   A `lifetime` budget is for all events of the campaign, a `daily` one for those of each local day. The source does not stop delivery when it is used up.
-- Caveat:   Full days only: today is in neither side of pacing. Spend outside the flight is in no pacing, but it is in `est_spend` and uses up the budget.
-- Caveat:   The projection takes the coming days to be like the last; it knows no weekdays. After the flight pacing says how it ended.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, start_date, end_date, d_total, d_elapsed, days_left, total_budget, est_spend, expected_spend, flight_spend, pacing, band, required_daily_spend, mean_daily_spend, projected_spend, projected_low, projected_high, exhaustion_day
--   FROM ads.kpi_pacing(now = '2026-03-07 10:00:00', timezone = 'UTC', pricing_model = 'cpc', budget_kind = 'lifetime')
--   ORDER BY pacing NULLS LAST, campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_pacing AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.start_date AS start_date,
    f.end_date AS end_date,
    f.d_total AS d_total,
    f.d_elapsed AS d_elapsed,
    f.days_left AS days_left,
    if(f.budget_kind = 'daily', f.budget * f.d_total, f.budget) AS total_budget,
    f.spend AS est_spend,
    if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0)) AS expected_spend,
    f.flight_spend AS flight_spend,
    toFloat64(f.flight_spend) / nullIf(if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0)), 0) AS pacing,
    multiIf(isNull(pacing), NULL, pacing < 0.9, 'behind', pacing < 0.95, 'slightly behind', pacing <= 1.25, 'on track', 'ahead') AS band,
    if(isNull(total_budget), NULL, greatest(total_budget - f.spend, toDecimal128(0, 6))) / nullIf(f.days_left, 0) AS required_daily_spend,
    f.pace_sum / nullIf(f.pace_days, 0) AS mean_daily_spend,
    if(f.days_left = 0, NULL, f.spend_before + f.pace_sum * f.days_left / nullIf(f.pace_days, 0)) AS projected_spend,
    if(ifNull(f.days_left, 0) = 0 OR f.pace_days < 2, NULL, greatest(toFloat64(f.spend), toFloat64(f.spend_before) + toFloat64(f.pace_sum) * f.days_left / nullIf(f.pace_days, 0) - 1.959964 * sqrt(greatest(0, (f.pace_squares - toFloat64(f.pace_sum) * toFloat64(f.pace_sum) / f.pace_days) / (f.pace_days - 1))) * sqrt(f.days_left))) AS projected_low,
    if(ifNull(f.days_left, 0) = 0 OR f.pace_days < 2, NULL, greatest(toFloat64(f.spend), toFloat64(f.spend_before) + toFloat64(f.pace_sum) * f.days_left / nullIf(f.pace_days, 0) + 1.959964 * sqrt(greatest(0, (f.pace_squares - toFloat64(f.pace_sum) * toFloat64(f.pace_sum) / f.pace_days) / (f.pace_days - 1))) * sqrt(f.days_left))) AS projected_high,
    if(f.budget_kind = 'daily' OR f.spend >= f.budget OR NOT (ifNull(f.start_date <= f.today, true) AND ifNull(f.today <= f.end_date, true)) OR ifNull(toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501))) > f.days_left, false) OR toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501))) > 36500, NULL,
        addDays(f.today, greatest(1, toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501)))) - 1)) AS exhaustion_day,
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
