-- Day over day, week over week
-- Today so far against the same hours of yesterday, of a week ago and of the last seven days.
--
-- Formula:  change = today / then − 1, of sums over the local hours of the day that are over at `now`; CTR = Σ clicks / Σ impressions
-- Unit:     counts; money; changes and CTR are fractions; means of seven days have fractions
-- Grain:    one row for the platform, or per advertiser or campaign (`by`); most impressions first
-- NULL:     a change against 0 is NULL, a CTR without impressions too
-- Caveat:   Estimated: the source has bids, which are maxima, and no auction prices.
-- Caveat:   `pricing_model` decides what a bid buys: `cpc` one click, `cpm` a thousand impressions; a rule for the campaign or its advertiser goes before it.
-- Caveat:   Each event is priced with the bid that was in force at its own time; a change of the bid re-prices nothing before it. The first bid known holds for everything before.
-- Caveat:   The hour that is not over counts nowhere: in the first hour of a day all is 0. A whole day is never compared in full: `now` at 23:59 leaves out its last hour, midnight begins the next day.
-- Caveat:   An hour that a change of clocks left out or repeated counts as often as it was there.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, impressions, impressions_yesterday, impressions_vs_yesterday, impressions_week_ago, impressions_vs_week_ago, impressions_mean_7_days, impressions_vs_mean_7_days, clicks, clicks_yesterday, clicks_vs_yesterday, clicks_week_ago, clicks_vs_week_ago, clicks_mean_7_days, clicks_vs_mean_7_days, est_spend, est_spend_yesterday, est_spend_vs_yesterday, est_spend_week_ago, est_spend_vs_week_ago, est_spend_mean_7_days, est_spend_vs_mean_7_days, ctr_today, ctr_yesterday, ctr_week_ago, ctr_mean_7_days
--   FROM ads.kpi_comparison(now = '2026-03-07 10:00:00', timezone = 'UTC', by = 'platform', pricing_model = 'cpc')
--   ORDER BY impressions DESC, advertiser_id NULLS LAST, campaign_id NULLS LAST
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_comparison AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT *, at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT
    f.advertiser_id AS advertiser_id,
    if({by:String} = 'platform', '(all)', coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)'))) AS advertiser,
    f.campaign_id AS campaign_id,
    if({by:String} != 'campaign', '(all)', coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)'))) AS campaign,
    sumIf(f.i, f.ago = 0) AS impressions,
    sumIf(f.i, f.ago = 1) AS impressions_yesterday,
    toFloat64(impressions) / nullIf(toFloat64(impressions_yesterday), 0) - 1 AS impressions_vs_yesterday,
    sumIf(f.i, f.ago = 7) AS impressions_week_ago,
    toFloat64(impressions) / nullIf(toFloat64(impressions_week_ago), 0) - 1 AS impressions_vs_week_ago,
    toFloat64(sumIf(f.i, f.ago BETWEEN 1 AND 7)) / 7 AS impressions_mean_7_days,
    toFloat64(impressions) / nullIf(toFloat64(impressions_mean_7_days), 0) - 1 AS impressions_vs_mean_7_days,
    sumIf(f.k, f.ago = 0) AS clicks,
    sumIf(f.k, f.ago = 1) AS clicks_yesterday,
    toFloat64(clicks) / nullIf(toFloat64(clicks_yesterday), 0) - 1 AS clicks_vs_yesterday,
    sumIf(f.k, f.ago = 7) AS clicks_week_ago,
    toFloat64(clicks) / nullIf(toFloat64(clicks_week_ago), 0) - 1 AS clicks_vs_week_ago,
    toFloat64(sumIf(f.k, f.ago BETWEEN 1 AND 7)) / 7 AS clicks_mean_7_days,
    toFloat64(clicks) / nullIf(toFloat64(clicks_mean_7_days), 0) - 1 AS clicks_vs_mean_7_days,
    sumIf(f.s, f.ago = 0) AS est_spend,
    sumIf(f.s, f.ago = 1) AS est_spend_yesterday,
    toFloat64(est_spend) / nullIf(toFloat64(est_spend_yesterday), 0) - 1 AS est_spend_vs_yesterday,
    sumIf(f.s, f.ago = 7) AS est_spend_week_ago,
    toFloat64(est_spend) / nullIf(toFloat64(est_spend_week_ago), 0) - 1 AS est_spend_vs_week_ago,
    toFloat64(sumIf(f.s, f.ago BETWEEN 1 AND 7)) / 7 AS est_spend_mean_7_days,
    toFloat64(est_spend) / nullIf(toFloat64(est_spend_mean_7_days), 0) - 1 AS est_spend_vs_mean_7_days,
    sumIf(f.k, f.ago = 0) / nullIf(sumIf(f.i, f.ago = 0), 0) AS ctr_today,
    sumIf(f.k, f.ago = 1) / nullIf(sumIf(f.i, f.ago = 1), 0) AS ctr_yesterday,
    sumIf(f.k, f.ago = 7) / nullIf(sumIf(f.i, f.ago = 7), 0) AS ctr_week_ago,
    sumIf(f.k, f.ago BETWEEN 1 AND 7) / nullIf(sumIf(f.i, f.ago BETWEEN 1 AND 7), 0) AS ctr_mean_7_days
    FROM
    (
        SELECT if({by:String} = 'platform', NULL, c.advertiser_id) AS advertiser_id, if({by:String} = 'campaign', e.campaign_id, NULL) AS campaign_id, e.ago AS ago, e.i AS i, e.k AS k, if(coalesce(c.pricing_rule, {pricing_model:String}) = 'cpm', e.cpm, e.cpc) AS s
        FROM
        (
            SELECT campaign_id, toInt32(dateDiff('day', toDate32(toTimeZone(hour, {timezone:String})), toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})))) AS ago, sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM ${database}.campaign_hourly
            WHERE hour >= subtractDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 8) AND hour < addDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7) AND toDate32(toTimeZone(hour, {timezone:String})) <= toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0 AND toHour(hour, {timezone:String}) < toHour(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))
            GROUP BY campaign_id, ago
            HAVING i != 0 OR k != 0
        ) AS e
        LEFT JOIN ${database}.campaign_directory AS c ON e.campaign_id = c.campaign_id
        UNION ALL
        SELECT advertiser_id, campaign_id, 0, 0, 0, toDecimal128(0, 6) FROM (SELECT CAST(NULL, 'Nullable(Int32)') AS advertiser_id, CAST(NULL, 'Nullable(Int32)') AS campaign_id WHERE {by:String} = 'platform'
            UNION ALL SELECT advertiser_id, NULL FROM ${database}.advertiser_directory WHERE {by:String} = 'advertiser' AND NOT deleted
            UNION ALL SELECT advertiser_id, campaign_id FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0) WHERE {by:String} = 'campaign')
    ) AS f
    LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON f.advertiser_id = a.advertiser_id
    WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({by:String} NOT IN ('platform', 'advertiser', 'campaign'), 'by is platform, advertiser or campaign') = 0
    GROUP BY f.advertiser_id, f.campaign_id, a.advertiser, c.campaign
);
