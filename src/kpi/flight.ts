/** Where each campaign stands at the moment `now`: what budgets, pacing, health and alerts are computed from. */
import { BUDGET_KIND, PRICING, spendOf, TODAY } from './fragments.ts';

/** Days whose mean is the pace of the projection. */
export const PACE_DAYS = 7;

/** Facts per campaign and local day, with what the campaign's budget and price mean. Spend is that of its pricing model. */
const BY_DAY = `SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, ${spendOf('d.cpc', 'd.cpm')} AS s,
            c.start_date AS start_date, c.end_date AS end_date, c.budget AS budget,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight
        FROM \${day_sums} AS d
        INNER JOIN \${campaigns} AS c ON d.campaign_id = c.campaign_id`;

/**
 * One row per campaign that exists (greatest and least leave NULLs out, so each may stand only where none can be): its attributes, its days, what it spent until when.
 *
 * Columns: campaign_id, campaign, advertiser_id, bid, budget, start_date, end_date, pricing_model, budget_kind, today,
 * d_total, d_elapsed (full days), days_left (today counts), impressions, clicks, spend (of all time), spend_before
 * (before today), spend_today, flight_spend (in flight, before today), overspend_daily, pace_days, pace_sum, pace_squares.
 */
export const FLIGHT = `(
    SELECT
        c.campaign_id AS campaign_id, c.campaign AS campaign, c.advertiser_id AS advertiser_id, c.bid AS bid, c.budget AS budget,
        c.start_date AS start_date, c.end_date AS end_date,
        ${PRICING} AS pricing_model, ${BUDGET_KIND} AS budget_kind, toNullable(${TODAY}) AS today,
        toInt64(dateDiff('day', c.start_date, c.end_date) + 1) AS d_total,
        if(isNull(c.start_date), NULL, greatest(toInt64(0), least(toInt64(dateDiff('day', c.start_date, today)), ifNull(d_total, 9223372036854775807)))) AS d_elapsed,
        if(isNull(c.end_date), NULL, greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, today), today), c.end_date) + 1))) AS days_left,
        greatest(toInt64(0), toInt64(dateDiff('day', greatest(ifNull(c.start_date, subtractDays(today, ${PACE_DAYS})), subtractDays(today, ${PACE_DAYS})), least(ifNull(c.end_date, subtractDays(today, 1)), subtractDays(today, 1))) + 1)) AS pace_days,
        ifNull(f.impressions, 0) AS impressions, ifNull(f.clicks, 0) AS clicks, ifNull(f.spend, 0) AS spend, ifNull(f.spend_before, 0) AS spend_before,
        ifNull(f.spend_today, 0) AS spend_today, ifNull(f.flight_spend, 0) AS flight_spend, ifNull(f.overspend_daily, 0) AS overspend_daily,
        ifNull(f.pace_sum, 0) AS pace_sum, ifNull(f.pace_squares, 0) AS pace_squares
    FROM (SELECT * FROM \${campaigns} WHERE NOT deleted) AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < ${TODAY}) AS spend_before, sumIf(s, day = ${TODAY}) AS spend_today,
            sumIf(s, in_flight AND day < ${TODAY}) AS flight_spend,
            sum(greatest(s - budget, toDecimal128(0, 6))) AS overspend_daily,
            sumIf(s, in_flight AND day < ${TODAY} AND day >= subtractDays(${TODAY}, ${PACE_DAYS})) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < ${TODAY} AND day >= subtractDays(${TODAY}, ${PACE_DAYS})) AS pace_squares
        FROM
        (
        ${BY_DAY}
        )
        GROUP BY campaign_id
    ) AS f ON c.campaign_id = f.campaign_id
)`;

/** The campaign is in flight today; without a date its flight has no end there. */
export const IN_FLIGHT = 'ifNull(f.start_date <= f.today, true) AND ifNull(f.today <= f.end_date, true)';

/** What was spent of the budget's period: all time, or today. */
export const PERIOD_SPEND = "if(f.budget_kind = 'daily', f.spend_today, f.spend)";

/** The budget of the whole flight; NULL for a daily one without two dates. */
export const TOTAL_BUDGET = "if(f.budget_kind = 'daily', f.budget * f.d_total, f.budget)";

/** What should have been spent in the full days of the flight until now. */
export const EXPECTED_SPEND =
  "if(f.budget_kind = 'daily', toFloat64(f.budget) * f.d_elapsed, toFloat64(f.budget) * f.d_elapsed / nullIf(f.d_total, 0))";

/** Spend of the full flight days over what it should be. */
export const PACING = `toFloat64(f.flight_spend) / nullIf(${EXPECTED_SPEND}, 0)`;

/** Limits of the bands of pacing. */
export const BANDS = { behind: 0.9, slightlyBehind: 0.95, ahead: 1.25 } as const;

/** Joins names of advertisers to campaigns `f`. */
export const JOIN_ADVERTISER = 'LEFT JOIN ${advertisers} AS a ON f.advertiser_id = a.advertiser_id';

/** Whose figures a row of `f` has. */
export const WHOSE_FLIGHT = `f.advertiser_id AS advertiser_id,
    coalesce(a.advertiser, if(isNull(f.advertiser_id), '(none)', '(unknown)')) AS advertiser,
    f.campaign_id AS campaign_id,
    f.campaign AS campaign`;
