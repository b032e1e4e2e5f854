-- Impact of changes
-- Delivery before and after each change of a bid or budget.
--
-- Formula:  sums over the whole hours after the hour of the change, up to 168 and until now, and over as many before it
-- Unit:     counts; money; CTR is a fraction
-- Grain:    one row per change of a bid or budget; the latest first
-- NULL:     CTR is NULL without impressions
-- Caveat:   Confounded: other things changed too (time of day and week, other campaigns, other changes inside the window). No proof of an effect.
-- Caveat:   Changes are those that the change stream saw: none from before the copy began. The hour of the change is on neither side.
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, changed_at, bid_before, bid_after, budget_before, budget_after, hours_after, impressions_before, impressions_after, clicks_before, clicks_after, ctr_before, ctr_after, spend_before, spend_after
--   FROM ads.kpi_changes(now = '2026-03-07 10:00:00', pricing_model = 'cpc')
--   ORDER BY changed_at DESC, campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_changes AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign,
    f.changed_at AS changed_at,
    f.bid_before AS bid_before,
    f.bid_after AS bid_after,
    f.budget_before AS budget_before,
    f.budget_after AS budget_after,
    f.hours_after AS hours_after,
    f.i0 AS impressions_before,
    f.i1 AS impressions_after,
    f.k0 AS clicks_before,
    f.k1 AS clicks_after,
    f.k0 / nullIf(f.i0, 0) AS ctr_before,
    f.k1 / nullIf(f.i1, 0) AS ctr_after,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.m0, f.c0) AS spend_before,
    if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', f.m1, f.c1) AS spend_after,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT v.id AS campaign_id, v.version AS version, v.name AS campaign, v.advertiser_id AS advertiser_id, v.changed_at AS changed_at,
        v.bid_before AS bid_before, v.bid AS bid_after, v.budget_before AS budget_before, v.budget AS budget_after, v.hours_after AS hours_after,
        ifNull(sumIf(e.i, e.hour < v.change_hour), 0) AS i0, ifNull(sumIf(e.i, e.hour > v.change_hour), 0) AS i1,
        ifNull(sumIf(e.k, e.hour < v.change_hour), 0) AS k0, ifNull(sumIf(e.k, e.hour > v.change_hour), 0) AS k1,
        ifNull(sumIf(e.cpc, e.hour < v.change_hour), 0) AS c0, ifNull(sumIf(e.cpc, e.hour > v.change_hour), 0) AS c1,
        ifNull(sumIf(e.cpm, e.hour < v.change_hour), 0) AS m0, ifNull(sumIf(e.cpm, e.hour > v.change_hour), 0) AS m1
    FROM
    (
        SELECT *, fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(toDateTime64(v.changed_at, 6, 'UTC')) - positiveModulo(toUnixTimestamp64Micro(toDateTime64(v.changed_at, 6, 'UTC')), 3600000000), 1000000), 'UTC') AS change_hour,
            toInt64(greatest(0, least(168, dateDiff('hour', addHours(change_hour, 1), {now:DateTime64(6, 'UTC')})))) AS hours_after
        FROM
        (
            SELECT id, version, name, advertiser_id, bid, budget, valid_from AS changed_at,
                lagInFrame(toNullable(bid)) OVER w AS bid_before, lagInFrame(toNullable(budget)) OVER w AS budget_before
            FROM ${database}.campaign_versions
            WINDOW w AS (PARTITION BY id ORDER BY version, committed_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        ) AS v
        WHERE bid != bid_before OR budget != budget_before
    ) AS v
    LEFT JOIN
    (
        SELECT campaign_id, hour, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
        FROM ${database}.campaign_hourly
        WHERE campaign_id IN (SELECT id FROM ${database}.campaign_versions GROUP BY id HAVING count() > 1)
        GROUP BY campaign_id, hour
    ) AS e ON v.id = e.campaign_id AND e.hour >= subtractHours(v.change_hour, v.hours_after) AND e.hour < addHours(v.change_hour, v.hours_after + 1)
    GROUP BY ALL
) AS f
LEFT JOIN ${database}.campaign_directory AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0;
