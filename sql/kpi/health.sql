-- Campaign health
-- The state of each campaign in a word, with the reason.
--
-- Formula:  the first that applies: data problem (ends before it starts; more clicks than impressions), ended, scheduled, capped (budget used up), no delivery (no impression for `hours`), behind (pacing < 0.95), ahead (pacing > 1.25), delivering
-- Unit:     text; pacing and used are fractions
-- Grain:    one row per campaign that exists; trouble first
-- NULL:     pacing and used as in `pacing` and `budget`; without pacing a campaign that delivers is delivering
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, status, reason, pacing, budget_used, idle_hours
--   FROM ads.kpi_health(now = '2026-03-07 10:00:00', timezone = 'UTC', pricing_model = 'cpc', budget_kind = 'lifetime', hours = '6')
--   ORDER BY indexOf(['data problem', 'no delivery', 'capped', 'behind', 'ahead', 'delivering', 'scheduled', 'ended'], status), campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_health AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    multiIf(ifNull(f.start_date > f.end_date, false), 'data problem',
        ifNull(f.clicks > f.impressions, false), 'data problem',
        ifNull(f.today > f.end_date, false), 'ended',
        ifNull(f.today < f.start_date, false), 'scheduled',
        ifNull(f.budget > 0 AND period_spend >= f.budget, false), 'capped',
        ifNull(idle_hours >= {hours:UInt32}, false), 'no delivery',
        ifNull(pacing < 0.95, false), 'behind',
        ifNull(pacing > 1.25, false), 'ahead',
        ifNull(isNotNull(pacing), false), 'delivering',
        'delivering') AS status,
    multiIf(ifNull(f.start_date > f.end_date, false), concat('it ends on ', toString(f.end_date), ', before it starts on ', toString(f.start_date)),
        ifNull(f.clicks > f.impressions, false), concat('more clicks (', toString(f.clicks), ') than impressions (', toString(f.impressions), ')'),
        ifNull(f.today > f.end_date, false), concat('its last day was ', toString(f.end_date)),
        ifNull(f.today < f.start_date, false), concat('it starts on ', toString(f.start_date)),
        ifNull(f.budget > 0 AND period_spend >= f.budget, false), concat(if(f.budget_kind = 'daily', 'today’s budget of ', 'its budget of '), toString(f.budget), ' is used up: spend is ', toString(period_spend)),
        ifNull(idle_hours >= {hours:UInt32}, false), concat('no impression for ', toString(idle_hours), ' hours'),
        ifNull(pacing < 0.95, false), concat('spent ', toString(round(100 * pacing)), ' % of what it should have by now'),
        ifNull(pacing > 1.25, false), concat('spent ', toString(round(100 * pacing)), ' % of what it should have by now'),
        ifNull(isNotNull(pacing), false), concat('on track: spent ', toString(round(100 * pacing)), ' % of what it should have by now'),
        'it delivers; pacing is not known before its first full day or without dates and budget') AS reason,
    toFloat64(f.flight_spend) / nullIf(if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0)), 0) AS pacing,
    if(f.budget_kind = 'daily', f.spend_today, f.spend) AS period_spend,
    toFloat64(period_spend) / nullIf(toFloat64(f.budget), 0) AS budget_used,
    if(isNull(l.last_hour) AND isNull(f.start_date), 840, greatest(0, least(840, intDiv(toUnixTimestamp64Second(toDateTime64({now:DateTime64(6, 'UTC')}, 0, 'UTC')) - greatest(
        ifNull(toUnixTimestamp64Second(l.last_hour) + 3600, -9223372036854775807), ifNull(toUnixTimestamp64Second(toDateTime64(toString(f.start_date), 0, {timezone:String})), -9223372036854775807)), 3600)))) AS idle_hours,
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
LEFT JOIN (SELECT campaign_id, max(hour) AS last_hour
    FROM
    (
        WITH (SELECT groupArray((campaign_id, last_day)) FROM (SELECT campaign_id, max(if(n > 0 AND day < toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), day, -1)) AS latest, if(latest < 0, toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))), latest) AS last_day
            FROM
            (
                SELECT campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) AS day, sum(impressions) AS n FROM ${database}.campaign_hourly
                WHERE intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) - 35 AND toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC'))))
                GROUP BY campaign_id, day
            )
            GROUP BY campaign_id) WHERE isNotNull(campaign_id)) AS days
        SELECT campaign_id, hour FROM ${database}.campaign_hourly
        WHERE hour <= {now:DateTime64(6, 'UTC')} AND hour >= subtractDays({now:DateTime64(6, 'UTC')}, 35)
            AND hour >= fromUnixTimestamp64Second(86400 * arrayMin(days.2), 'UTC')
            AND (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) >= toInt64(toInt32(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, 'UTC')))) OR intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) = transform(assumeNotNull(campaign_id), days.1, days.2, -1))
        GROUP BY campaign_id, hour HAVING sum(impressions) > 0
    )
    GROUP BY campaign_id) AS l ON f.campaign_id = l.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;
