-- The rollup by other keys, as projections: they are written in the part whose rows they sum, so that nothing can come
-- between the two, whatever dies and when, and a correction corrects them too. Found by ClickHouse itself where a query
-- groups by what they have. Why so, and what it costs: docs/decisions/0013-daily-sums-as-projections.md.
--
-- * by_day: campaign and day of UTC, as days since 1970 (rounded down, also before 1970): a 24th of the rows.
-- * by_hour: all campaigns together; what days and hours of any reporting time zone are made of.
-- * by_time: the rows in the order of time, for short ranges and the last hours.
--
-- rebuild: rows of one bucket fold when parts merge, and so the projections are computed anew from what they fold to.

ALTER TABLE ${database}.campaign_hourly MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';

ALTER TABLE ${database}.campaign_hourly ADD PROJECTION IF NOT EXISTS by_day
(
    SELECT campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400),
        sum(impressions), sum(clicks), sum(spend_cpc), sum(spend_cpm)
    GROUP BY campaign_id, intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400)
);

ALTER TABLE ${database}.campaign_hourly ADD PROJECTION IF NOT EXISTS by_hour
(
    SELECT hour, sum(impressions), sum(clicks), sum(spend_cpc), sum(spend_cpm)
    GROUP BY hour
);

ALTER TABLE ${database}.campaign_hourly ADD PROJECTION IF NOT EXISTS by_time
(
    SELECT campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm
    ORDER BY hour, campaign_id
);

-- For the parts that are there already.
ALTER TABLE ${database}.campaign_hourly MATERIALIZE PROJECTION by_day SETTINGS mutations_sync = 1;

ALTER TABLE ${database}.campaign_hourly MATERIALIZE PROJECTION by_hour SETTINGS mutations_sync = 1;

ALTER TABLE ${database}.campaign_hourly MATERIALIZE PROJECTION by_time SETTINGS mutations_sync = 1;
