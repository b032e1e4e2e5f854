-- Anomalies
-- Campaigns whose impressions, clicks or CTR are today not what the same weekday was in the last weeks.
--
-- Formula:  counts: z = (x − μ) / √(μ(1 + 1/w)), μ the mean of the same hours of the same weekday in the last w = 4 weeks (or as many as the flight has); CTR: z = (p₀ − p₁) / √(p(1 − p)(1/n₀ + 1/n₁)) with the pooled p
-- Unit:     z is a number of standard deviations; ctr a fraction
-- Grain:    one row per campaign that exists and kind: one alert per kind, campaign and day; anomalies first
-- NULL:     z is NULL without a week before, for an expectation of 0, and for a CTR above 1
-- Caveat:   Events of real traffic come in bunches: z says how unlikely under pure chance, so a large campaign has a large z soon.
-- Caveat:   Below 5 expected events nothing is called an anomaly; a campaign that went silent is in `zero_delivery`.
-- Caveat:   The hour that is not over counts nowhere.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, day, kind, value, expected, z, is_anomaly
--   FROM ads.kpi_anomalies(now = '2026-03-07 10:00:00', timezone = 'UTC')
--   ORDER BY is_anomaly DESC, abs(z) DESC NULLS LAST, campaign_id, kind
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_anomalies AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT advertiser_id, advertiser, campaign_id, campaign, deleted, toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AS day,
    figure.1 AS kind, figure.2 AS value, figure.3 AS expected, figure.4 AS z, ifNull(abs(z) >= 3 AND figure.5, false)::Bool AS is_anomaly,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM
(
    SELECT c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    coalesce(c.campaign, if(isNull(f.campaign_id), '(none)', '(unknown)')) AS campaign,
    ifNull(c.deleted, false) AS deleted, arrayJoin([('impressions', toFloat64(f.i0), f.i1 / f.weeks, if((f.i1 / f.weeks) = 0, NULL, (f.i0 - (f.i1 / f.weeks)) / sqrt((f.i1 / f.weeks) * (1 + 1 / f.weeks))), f.i1 / f.weeks >= 5),
        ('clicks', toFloat64(f.k0), f.k1 / f.weeks, if((f.k1 / f.weeks) = 0, NULL, (f.k0 - (f.k1 / f.weeks)) / sqrt((f.k1 / f.weeks) * (1 + 1 / f.weeks))), f.k1 / f.weeks >= 5),
        ('ctr', f.k0 / nullIf(f.i0, 0), f.k1 / nullIf(f.i1, 0), if(f.k0 > f.i0 OR f.k1 > f.i1, NULL, (f.k0 / nullIf(f.i0, 0) - f.k1 / nullIf(f.i1, 0)) / nullIf(sqrt(((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0)) * (1 - ((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0))) * (1 / nullIf(f.i0, 0) + 1 / nullIf(f.i1, 0))), 0)), ((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0)) * f.i0 >= 5 AND ((f.k0 + f.k1) / nullIf(f.i0 + f.i1, 0)) * f.i1 >= 5)]) AS figure
    FROM
    (
        SELECT d.campaign_id AS campaign_id,
            if(isNull(d.start_date), 4, toInt64(greatest(0, least(4, intDiv(dateDiff('day', d.start_date, toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))), 7))))) AS flight_weeks,
            if(flight_weeks = 0, NULL, flight_weeks) AS weeks,
            ifNull(sumIf(e.i, e.ago = 0), 0) AS i0, ifNull(sumIf(e.k, e.ago = 0), 0) AS k0,
            ifNull(sumIf(e.i, e.ago BETWEEN 1 AND flight_weeks), 0) AS i1, ifNull(sumIf(e.k, e.ago BETWEEN 1 AND flight_weeks), 0) AS k1
        FROM (SELECT campaign_id, start_date FROM (SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)) AS d
        LEFT JOIN
        (
            SELECT campaign_id, intDiv(dateDiff('day', toDate32(toTimeZone(hour, {timezone:String})), toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))), 7) AS ago, sum(impressions) AS i, sum(clicks) AS k
            FROM ${database}.campaign_hourly
            WHERE ((hour >= subtractHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0)), 0, {timezone:String}), 3) AND hour < addHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), -1)), 0, {timezone:String}), 3)) OR (hour >= subtractHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 7)), 0, {timezone:String}), 3) AND hour < addHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 6)), 0, {timezone:String}), 3)) OR (hour >= subtractHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 14)), 0, {timezone:String}), 3) AND hour < addHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 13)), 0, {timezone:String}), 3)) OR (hour >= subtractHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 21)), 0, {timezone:String}), 3) AND hour < addHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 20)), 0, {timezone:String}), 3)) OR (hour >= subtractHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 28)), 0, {timezone:String}), 3) AND hour < addHours(toDateTime64(toString(subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 27)), 0, {timezone:String}), 3))) AND hour >= subtractDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 29) AND hour < addDays(toDateTime64(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 0, 'UTC'), 2) AND toDate32(toTimeZone(hour, {timezone:String})) >= subtractDays(toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})), 28) AND toDate32(toTimeZone(hour, {timezone:String})) <= toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND throwIf((toMinute(toTimeZone(hour, {timezone:String})) != 0 OR toSecond(toTimeZone(hour, {timezone:String})) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0 AND toHour(hour, {timezone:String}) < toHour(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String})) AND dateDiff('day', toDate32(toTimeZone(hour, {timezone:String})), toDate32(toTimeZone({now:DateTime64(6, 'UTC')}, {timezone:String}))) % 7 = 0
            GROUP BY campaign_id, ago
        ) AS e ON d.campaign_id = e.campaign_id
        GROUP BY d.campaign_id, d.start_date
    ) AS f
    LEFT JOIN ${database}.campaign_names AS c ON f.campaign_id = c.campaign_id
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
);
