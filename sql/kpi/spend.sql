-- Estimated spend and budget
-- What the events of each campaign cost, per click and per thousand impressions, and what is left of its budget.
--
-- Formula:  cpc: Σ bid at each click; cpm: Σ bid at each impression / 1000; eCPC = spend / clicks; eCPM = 1000 · spend / impressions; budget used = total spend / budget; remaining = budget − total spend
-- Unit:     money in the currency of the bids, exact decimals; budget used is a fraction
-- Grain:    one row per campaign; highest spend first
-- NULL:     eCPC is NULL without clicks, eCPM without impressions, budget used for a budget of 0; budget figures for events without a campaign and for daily budgets (see `budget`)
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   Spend is that of the range; budget used and remaining compare the budget, taken as that of the whole campaign, with the spend of all time.
-- Caveat:   A campaign’s spend can exceed its budget: the source does not stop delivery.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, bid, budget, pricing_model, impressions, clicks, est_spend, ecpc, ecpm, est_spend_total, budget_used, remaining, unpriced_events
--   FROM ads.kpi_spend(from = '2026-03-01', to = '2026-03-07', timezone = 'UTC', pricing_model = 'cpc', budget_kind = 'lifetime')
--   ORDER BY est_spend DESC, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_spend AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted,
    c.bid AS bid,
    c.budget AS budget,
    coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model,
    f.impressions AS impressions,
    f.clicks AS clicks,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.cpm, f.cpc) AS est_spend,
    est_spend / nullIf(f.clicks, 0) AS ecpc,
    1000 * est_spend / nullIf(f.impressions, 0) AS ecpm,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.cpm_total, f.cpc_total) AS est_spend_total,
    if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', NULL, toFloat64(est_spend_total) / nullIf(toFloat64(c.budget), 0)) AS budget_used,
    if(coalesce(c.budget_rule, {budget_kind:String}) = 'daily', NULL, c.budget - est_spend_total) AS remaining,
    if(isNull(c.campaign_id), if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.impressions, f.clicks), 0) + if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.undated_impressions, f.undated_clicks) AS unpriced_events,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(c) AS cpc, sum(m) AS cpm, sum(ct) AS cpc_total, sum(mt) AS cpm_total,
        sum(ui) AS undated_impressions, sum(uk) AS undated_clicks, max(live) AS is_live
    FROM
    (
        SELECT campaign_id, if(place = 0, f.i, 0) AS i, if(place = 0, f.k, 0) AS k, if(place = 0, cpc, toDecimal128(0, 6)) AS c,
            if(place = 0, cpm, toDecimal128(0, 6)) AS m, toDecimal128(0, 6) AS ct, toDecimal128(0, 6) AS mt, if(place = 1, f.i, 0) AS ui, if(place = 1, f.k, 0) AS uk, 0 AS live
        FROM (SELECT campaign_id, if(isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)), 1, 0) AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE (isNull(intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)) OR ((intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) BETWEEN toInt64(toInt32({from:Date32})) AND toInt64(toInt32({to:Date32}))) AND ({timezone:String} = 'UTC' OR (intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) > toInt64(toInt32({from:Date32})) AND intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400) < toInt64(toInt32({to:Date32})))))) GROUP BY campaign_id, place
        UNION ALL
        SELECT campaign_id, 0 AS place, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly WHERE NOT ({timezone:String} = 'UTC') AND ((hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({from:Date32}, 0, 'UTC'), 1)) OR (hour >= subtractDays(toDateTime64({to:Date32}, 0, 'UTC'), 0) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2))) AND (hour >= subtractDays(toDateTime64({from:Date32}, 0, 'UTC'), 1) AND hour < addDays(toDateTime64({to:Date32}, 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= {from:Date32} AND toDate32(toTimeZone(hour, {timezone:String})) <= {to:Date32} AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0) GROUP BY campaign_id, place) AS f
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, cpc, cpm, 0, 0, 0 FROM (SELECT campaign_id, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm FROM ${database}.campaign_hourly GROUP BY campaign_id)
        UNION ALL
        SELECT campaign_id, 0, 0, 0, 0, 0, 0, 0, 0, 1 FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)
    )
    GROUP BY campaign_id
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0
    AND (f.is_live = 1 OR f.impressions != 0 OR f.clicks != 0 OR if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.undated_impressions, f.undated_clicks) != 0);
