-- Two more orders of the rollup, as projections like those of V20, for what most reports ask:
--
-- * by_date: as by_day, but by day first: a range of days reads its days, not all that the campaigns ever had.
-- * by_campaign: each campaign's sums of all time, for budgets.

ALTER TABLE ${database}.campaign_hourly ADD PROJECTION IF NOT EXISTS by_date
(
    SELECT intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400), campaign_id,
        sum(impressions), sum(clicks), sum(spend_cpc), sum(spend_cpm)
    GROUP BY intDiv(toUnixTimestamp64Second(hour) - positiveModulo(toUnixTimestamp64Second(hour), 86400), 86400), campaign_id
);

ALTER TABLE ${database}.campaign_hourly ADD PROJECTION IF NOT EXISTS by_campaign
(
    SELECT campaign_id, sum(impressions), sum(clicks), sum(spend_cpc), sum(spend_cpm)
    GROUP BY campaign_id
);

-- For the parts that are there already.
ALTER TABLE ${database}.campaign_hourly MATERIALIZE PROJECTION by_date SETTINGS mutations_sync = 1;

ALTER TABLE ${database}.campaign_hourly MATERIALIZE PROJECTION by_campaign SETTINGS mutations_sync = 1;
