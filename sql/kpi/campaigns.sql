-- Campaigns
-- The campaigns that exist, with bid, budget and flight: now, or as they stood at a past position.
--
-- Formula:  as in the source; pricing and kind of budget by the rules of the configuration
-- Unit:     money in the currency of the bids, exact decimals
-- Grain:    one row per campaign that exists
-- NULL:     as in the source
-- Caveat:   Names, bids, budgets and dates are the present ones; all versions are in `campaign_versions` and `advertiser_versions`, and `--as-of` asks for those of a past position.
--
-- The report, where the copy is the database “ads”:
--   SELECT advertiser_id, advertiser, campaign_id, campaign, bid, pricing_model, budget, budget_kind, start_date, end_date
--   FROM ads.kpi_campaigns(pricing_model = 'cpc', budget_kind = 'lifetime')
--   ORDER BY campaign_id
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_campaigns AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    c.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(c.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    c.campaign_id AS campaign_id,
    c.campaign AS campaign,
    c.bid AS bid,
    coalesce(c.pricing_rule, {pricing_model:String}) AS pricing_model,
    c.budget AS budget,
    coalesce(c.budget_rule, {budget_kind:String}) AS budget_kind,
    c.start_date AS start_date,
    c.end_date AS end_date,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM ${database}.live_campaign_directory AS c
LEFT JOIN ${database}.advertiser_directory AS a ON c.advertiser_id = a.advertiser_id
WHERE throwIf({pricing_model:String} NOT IN ('cpc', 'cpm'), 'pricing_model is cpc or cpm') = 0 AND throwIf({budget_kind:String} NOT IN ('lifetime', 'daily'), 'budget_kind is lifetime or daily') = 0;
