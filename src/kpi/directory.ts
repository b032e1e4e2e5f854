/** Campaigns with the rules for their price and budget. */

/**
 * One row per campaign of the query, with its rules.
 *
 * @param campaigns A query for id, name, bid, budget, start_date, end_date, advertiser_id, deleted.
 */
export function campaignDirectory(campaigns: string): string {
  return `SELECT toNullable(d.id) AS campaign_id, toNullable(d.name) AS campaign, toNullable(d.bid) AS bid, toNullable(d.budget) AS budget,
    d.start_date AS start_date, d.end_date AS end_date, d.advertiser_id AS advertiser_id, toNullable(d.deleted)::Nullable(Bool) AS deleted,
    coalesce(nullIf(own.pricing_model, ''), nullIf(of_advertiser.pricing_model, '')) AS pricing_rule,
    coalesce(nullIf(own.budget_kind, ''), nullIf(of_advertiser.budget_kind, '')) AS budget_rule
FROM
(
    ${campaigns}
) AS d
LEFT JOIN (SELECT id, pricing_model, budget_kind FROM \${database}.pricing_rules FINAL WHERE scope = 'campaign') AS own ON d.id = own.id
LEFT JOIN (SELECT toNullable(id) AS id, pricing_model, budget_kind FROM \${database}.pricing_rules FINAL WHERE scope = 'advertiser') AS of_advertiser
    ON d.advertiser_id = of_advertiser.id`;
}
