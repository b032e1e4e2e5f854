-- Cap-out
-- When the spend of each campaign reached its budget, and what came afterwards.
--
-- Formula:  the first instant at which the spend of all events of the period up to then, that instant included, is at least the budget
-- Unit:     money in the currency of the bids, exact decimals; times in UTC
-- Grain:    one row per campaign that exists and period (its life, or each local day of a daily budget) in which the budget was reached; latest first
-- NULL:     campaigns that have not reached their budget have no row, those with a budget of 0 neither
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   The hour comes from the rollup, the instant from the events of that hour: those tables are read.
-- Caveat:   Compared with the present budget, also for days before it was changed. Events that came late count where they happened.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, budget, budget_kind, period, cap_out_at, est_spend, overdelivery, clicks_after
--   FROM ads.kpi_cap_out(timezone = 'UTC', pricing_model = 'cpc', budget_kind = 'lifetime')
--   ORDER BY cap_out_at DESC, campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_cap_out AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at,
capped_days AS
(
    SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind, pricing,
        max(total) AS est_spend, min(day) AS cap_day, argMin(running - s, day) AS spend_before_day, argMin(clicks_later, day) AS clicks_after_day
    FROM
    (
        SELECT *, sum(s) OVER w AS running, sum(s) OVER p AS total, sum(k) OVER p - sum(k) OVER w AS clicks_later
        FROM
        (
        SELECT d.campaign_id AS campaign_id, d.day AS day, if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', d.day, NULL) AS period, d.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', d.cpm, d.cpc) AS s,
            c.budget AS budget, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, coalesce(c.pricing_rule, {pricing_model:String}) AS pricing, c.campaign AS campaign, c.advertiser_id AS advertiser_id
        FROM (SELECT campaign_id, CAST(toInt32(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 'Nullable(Date32)') AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE {timezone:String} = 'UTC' GROUP BY campaign_id, day
        UNION ALL
        SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND (isNull(hour) OR ifNull(throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0, true)) GROUP BY campaign_id, day) AS d
        INNER JOIN (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted AND budget > 0) AS c ON d.campaign_id = c.campaign_id
        WHERE isNotNull(d.day)
        )
        WINDOW w AS (PARTITION BY campaign_id, period ORDER BY day ROWS UNBOUNDED PRECEDING), p AS (PARTITION BY campaign_id, period)
    )
    WHERE running >= budget
    GROUP BY campaign_id, period, campaign, advertiser_id, budget, budget_kind, pricing
),
capped AS
(
    SELECT campaign_id, period, any(campaign) AS campaign, any(advertiser_id) AS advertiser_id, any(budget) AS budget, any(budget_kind) AS budget_kind,
        any(pricing) AS pricing, any(est_spend) AS est_spend, any(cap_day) AS cap_day,
        min(hour) AS cap_hour, argMin(running - s, hour) AS spend_before, argMin(clicks_later, hour) AS clicks_later
    FROM
    (
        SELECT *, spend_before_day + sum(s) OVER w AS running, clicks_after_day + sum(k) OVER p - sum(k) OVER w AS clicks_later, running >= budget AS is_reached
        FROM
        (
            SELECT g.campaign_id AS campaign_id, g.period AS period, fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(e.at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(e.at, 6, 'UTC')), 3600000000), 1000000), 'UTC') AS hour, sum(e.k) AS k, sum(if(g.pricing = 'cpm', e.cpm, e.cpc)) AS s,
                any(g.campaign) AS campaign, any(g.advertiser_id) AS advertiser_id, any(g.budget) AS budget, any(g.budget_kind) AS budget_kind, any(g.pricing) AS pricing, any(g.est_spend) AS est_spend, any(g.cap_day) AS cap_day, any(g.spend_before_day) AS spend_before_day, any(g.clicks_after_day) AS clicks_after_day
            FROM
            (
                SELECT campaign_id, hour AS at, toDate32(toTimeZone(hour, {timezone:String})) AS day, clicks AS k, spend_cpc AS cpc, spend_cpm AS cpm
                FROM ${database}.campaign_hourly
                WHERE isNotNull(hour) AND isNotNull(campaign_id) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0
            ) AS e
            INNER JOIN capped_days AS g ON e.campaign_id = g.campaign_id AND e.day = g.cap_day
            GROUP BY g.campaign_id, g.period, hour
        )
        WINDOW w AS (PARTITION BY campaign_id, period ORDER BY hour ROWS UNBOUNDED PRECEDING), p AS (PARTITION BY campaign_id, period)
    )
    WHERE is_reached
    GROUP BY campaign_id, period
),
(SELECT (subtractDays(toDateTime64(min(cap_day), 6, 'UTC'), 1), addDays(toDateTime64(max(cap_day), 6, 'UTC'), 2)) FROM capped_days) AS span
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.budget AS budget,
    f.budget_kind AS budget_kind,
    f.period AS period,
    f.cap_out_at AS cap_out_at,
    f.est_spend AS est_spend,
    f.est_spend - f.budget AS overdelivery,
    f.clicks_after AS clicks_after,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind, est_spend,
        minIf(created_at, running >= budget) AS cap_out_at,
        any(clicks_later) + countIf(fact = 'clicks' AND running - own >= budget AND created_at > first_at) AS clicks_after
    FROM
    (
        SELECT *, minIf(created_at, running >= budget) OVER (PARTITION BY campaign_id, period) AS first_at
        FROM
        (
            SELECT g.campaign_id AS campaign_id, g.period AS period, g.campaign AS campaign, g.advertiser_id AS advertiser_id, g.budget AS budget,
                g.budget_kind AS budget_kind, g.est_spend AS est_spend, g.clicks_later AS clicks_later, e.fact AS fact, assumeNotNull(e.created_at) AS created_at,
                if(g.pricing = 'cpm', e.cpm, e.cpc) AS own,
                g.spend_before + sum(own) OVER (PARTITION BY g.campaign_id, g.period ORDER BY e.created_at RANGE UNBOUNDED PRECEDING) AS running
            FROM
            (
                -- By hour before anything is priced.
                SELECT * FROM ${database}.campaign_events
                WHERE created_at >= span.1 AND created_at < span.2 AND (campaign_id, fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(created_at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(created_at, 6, 'UTC')), 3600000000), 1000000), 'UTC')) IN (SELECT campaign_id, cap_hour FROM capped)
            ) AS e
            INNER JOIN capped AS g ON e.campaign_id = g.campaign_id AND fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(e.created_at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(e.created_at, 6, 'UTC')), 3600000000), 1000000), 'UTC') = g.cap_hour
            WHERE toDate32(toTimeZone(e.created_at, {timezone:String})) = g.cap_day
        )
    )
    GROUP BY ALL
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;
