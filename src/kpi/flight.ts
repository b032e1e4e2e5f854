/** Where each campaign stands at the moment `now`: what budgets, pacing, health and alerts are computed from. */
import { BUDGET_KIND, DAY_NUMBER, PRICING, spendOf, TODAY } from './fragments.ts';

/** Days whose mean is the pace of the projection. */
export const PACE_DAYS = 7;

/** Facts per campaign and local day, with what the campaign's budget and price mean. Spend is that of its pricing model. */
export const FLIGHT_DAYS = `SELECT d.campaign_id AS campaign_id, d.day AS day, d.i AS i, d.k AS k, ${spendOf('d.cpc', 'd.cpm')} AS s,
            isNotNull(d.day) AND ifNull(d.day >= c.start_date, true) AND ifNull(d.day <= c.end_date, true) AS in_flight,
            greatest(s - c.budget, toDecimal128(0, 6)) AS overspend
        FROM \${day_sums} AS d
        INNER JOIN \${live_priced_campaigns} AS c ON d.campaign_id = c.campaign_id`;

/** Today as a number of days since 1970. */
const TODAY_NUMBER = `toInt64(toInt32(${TODAY}))`;
/** Beyond all days, for campaigns without a first or a last one. */
const NO_DAY = 1_000_000;

/**
 * The same in UTC where no campaign has a rule and budgets are of the whole life: in or outside of the flight, the last days and
 * today one by one, all that lies before as one day, all that comes later as another, so that ClickHouse adds up a few
 * sums per campaign instead of one per day. What single days went beyond a budget is not known then, and nothing needs it.
 */
export const FLIGHT_PERIODS = `SELECT campaign_id, CAST(toInt32(period), 'Nullable(Date32)') AS day, i, k, if({pricing_model:String} = 'cpm', cpm, cpc) AS s,
            in_flight, CAST(NULL, 'Nullable(Decimal(38, 6))') AS overspend
        FROM
        (
            WITH (SELECT groupArray((id, ifNull(toInt64(toInt32(start_date)), -${NO_DAY}), ifNull(toInt64(toInt32(end_date)), ${NO_DAY}))) FROM \${database}.campaign FINAL WHERE _deleted = 0) AS flights
            SELECT campaign_id,
                isNotNull(${DAY_NUMBER}) AND ${DAY_NUMBER} >= transform(assumeNotNull(campaign_id), flights.1, flights.2, 0) AND ${DAY_NUMBER} <= transform(assumeNotNull(campaign_id), flights.1, flights.3, 0) AS in_flight,
                multiIf(isNull(${DAY_NUMBER}), NULL, ${DAY_NUMBER} < ${TODAY_NUMBER} - ${PACE_DAYS}, ${TODAY_NUMBER} - ${PACE_DAYS + 1}, ${DAY_NUMBER} > ${TODAY_NUMBER}, ${TODAY_NUMBER} + 1, ${DAY_NUMBER}) AS period,
                sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm
            FROM \${facts}
            GROUP BY campaign_id, in_flight, period
        )`;

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
    FROM \${live_priced_campaigns} AS c
    LEFT JOIN
    (
        SELECT campaign_id, sum(i) AS impressions, sum(k) AS clicks, sum(s) AS spend,
            sumIf(s, day < ${TODAY}) AS spend_before, sumIf(s, day = ${TODAY}) AS spend_today,
            sumIf(s, in_flight AND day < ${TODAY}) AS flight_spend,
            sum(overspend) AS overspend_daily,
            sumIf(s, in_flight AND day < ${TODAY} AND day >= subtractDays(${TODAY}, ${PACE_DAYS})) AS pace_sum,
            sumIf(toFloat64(s) * toFloat64(s), in_flight AND day < ${TODAY} AND day >= subtractDays(${TODAY}, ${PACE_DAYS})) AS pace_squares
        FROM
        (
        \${flight_days}
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
