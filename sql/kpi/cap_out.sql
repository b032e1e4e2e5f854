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
capped AS
(
    SELECT campaign_id, period, campaign, advertiser_id, budget, budget_kind,
        max(total) AS est_spend, min(hour) AS cap_hour, argMin(running - s, hour) AS spend_before, argMin(clicks_later, hour) AS clicks_later
    FROM
    (
        SELECT *, sum(s) OVER w AS running, sum(s) OVER p AS total,
            sum(k) OVER p - sum(k) OVER w AS clicks_later
        FROM
        (
        SELECT e.campaign_id AS campaign_id, if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', e.day, NULL) AS period, e.hour AS hour, e.k AS k,
            if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s, c.budget AS budget, coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind, c.campaign AS campaign, c.advertiser_id AS advertiser_id
        FROM
        (
            SELECT campaign_id, toDate32(toTimeZone(hour, {timezone:String})) AS day, fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(hour, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(hour, 6, 'UTC')), 3600000000), 1000000), 'UTC') AS hour, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly
            WHERE isNotNull(hour) AND isNotNull(campaign_id) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0
            GROUP BY campaign_id, day, hour
        ) AS e
        INNER JOIN (SELECT * FROM ${database}.campaign_directory WHERE NOT deleted AND budget > 0) AS c ON e.campaign_id = c.campaign_id
        )
        WINDOW w AS (PARTITION BY campaign_id, period ORDER BY hour ROWS UNBOUNDED PRECEDING), p AS (PARTITION BY campaign_id, period)
    )
    WHERE running >= budget
    GROUP BY campaign_id, period, campaign, advertiser_id, budget, budget_kind
)
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
                if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS own,
                g.spend_before + sum(own) OVER (PARTITION BY g.campaign_id, g.period ORDER BY e.created_at RANGE UNBOUNDED PRECEDING) AS running
            FROM
            (
                SELECT * FROM ${database}.campaign_events
                WHERE created_at >= (SELECT min(cap_hour) FROM capped) AND created_at < (SELECT addHours(max(cap_hour), 1) FROM capped)
            ) AS e
            INNER JOIN capped AS g ON e.campaign_id = g.campaign_id AND fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(e.created_at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(e.created_at, 6, 'UTC')), 3600000000), 1000000), 'UTC') = g.cap_hour
            LEFT JOIN ${database}.campaign_directory AS c ON g.campaign_id = c.campaign_id
            WHERE isNull(g.period) OR g.period = toDate32(toTimeZone(e.created_at, {timezone:String}))
        )
    )
    GROUP BY ALL
) AS f
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;
