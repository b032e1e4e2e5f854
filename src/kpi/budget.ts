/** Budgets: what is used of them, how fast, and where that leads. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import {
  BANDS,
  EXPECTED_SPEND,
  FLIGHT,
  IN_FLIGHT,
  JOIN_ADVERTISER,
  PACE_DAYS,
  PACING,
  PERIOD_SPEND,
  TOTAL_BUDGET,
  WHOSE_FLIGHT,
} from './flight.ts';
import {
  AS_OF,
  AS_OF_COLUMNS,
  KNOWN_BUDGET_KIND,
  KNOWN_PRICING_MODEL,
  MONEY_CAVEATS,
  WHOSE_LIVE,
} from './fragments.ts';

const BUDGET_CAVEATS = [
  ...MONEY_CAVEATS,
  'A `lifetime` budget is for all events of the campaign, a `daily` one for those of each local day. The source does not stop delivery when it is used up.',
];

const BUDGET_COLUMNS = [
  ...WHOSE_LIVE,
  column('budget', 'Budget', 'money'),
  column('budget_kind', 'Budget is', 'text', 'lifetime or daily'),
  column('est_spend', 'Est. spend', 'money', 'of all time'),
  column('period_spend', 'Of the budget', 'money', 'of the budget’s period: all time, or today'),
  column('budget_used', 'Used', 'ratio', 'period spend / budget'),
  column('remaining', 'Remaining', 'money', 'budget − period spend; negative when overspent'),
  column('overdelivery', 'Overdelivery', 'money', 'max(0, spend − budget); of a daily budget the sum over all days'),
  column(
    'affordable_clicks',
    'Clicks left',
    'count',
    'clicks at the present bid until the budget is used up; of campaigns that pay for clicks',
  ),
];

/** Budget used and remaining. */
export const BUDGET_KPI: KpiDefinition = {
  name: 'budget',
  title: 'Budget',
  description: 'How much of each campaign’s budget is used, what remains, and what went beyond.',
  formula: 'used = spend / budget; remaining = budget − spend; overdelivery = max(0, spend − budget)',
  unit: 'money in the currency of the bids, exact decimals; used is a fraction',
  grain: 'one row per campaign that exists; most used first',
  nullRule: 'used is NULL for a budget of 0; clicks left for a bid of 0 and for cpm',
  caveats: BUDGET_CAVEATS,
  view: 'kpi_budget',
  params: ['now', 'timezone', 'pricing_model', 'budget_kind'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: BUDGET_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_FLIGHT},
    f.budget AS budget,
    f.budget_kind AS budget_kind,
    f.spend AS est_spend,
    ${PERIOD_SPEND} AS period_spend,
    toFloat64(period_spend) / nullIf(toFloat64(f.budget), 0) AS budget_used,
    f.budget - period_spend AS remaining,
    if(f.budget_kind = 'daily', f.overspend_daily, greatest(f.spend - f.budget, toDecimal128(0, 6))) AS overdelivery,
    if(f.pricing_model = 'cpm' OR f.bid = 0, NULL, greatest(toInt64(0), toInt64(remaining / nullIf(f.bid, 0)))) AS affordable_clicks,
    ${AS_OF_COLUMNS}
FROM ${FLIGHT} AS f
${JOIN_ADVERTISER}
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}`,
  report: plainReport(BUDGET_COLUMNS, 'budget_used DESC NULLS LAST, campaign_id'),
};

const PACING_COLUMNS = [
  ...WHOSE_LIVE,
  column('start_date', 'Start', 'day'),
  column('end_date', 'End', 'day'),
  column('d_total', 'Days', 'count', 'of the flight, both ends included'),
  column('d_elapsed', 'Full days', 'count', 'of the flight that are over'),
  column('days_left', 'Days left', 'count', 'today and the last day included'),
  column(
    'total_budget',
    'Total budget',
    'money',
    'of the flight: the lifetime budget, or the daily one times its days',
  ),
  column('est_spend', 'Est. spend', 'money', 'of all time'),
  column('expected_spend', 'Expected', 'estimate', 'in the full days: the budget’s even share; an estimate'),
  column('flight_spend', 'Spent', 'money', 'in the full days of the flight'),
  column('pacing', 'Pacing', 'ratio', 'spent / expected'),
  column(
    'band',
    'Band',
    'text',
    `behind (< ${BANDS.behind}), slightly behind (< ${BANDS.slightlyBehind}), on track (to ${BANDS.ahead}), ahead`,
  ),
  column(
    'required_daily_spend',
    'Required a day',
    'money',
    'max(0, total budget − spend) / days left, cut after six decimals',
  ),
  column(
    'mean_daily_spend',
    'Mean a day',
    'money',
    `of the last ${PACE_DAYS} full flight days, or as many as there were`,
  ),
  column(
    'projected_spend',
    'Projected',
    'money',
    'spend before today + mean a day · days left, cut after six decimals',
  ),
  column('projected_low', 'Low', 'estimate', '95 % band, from how much daily spend varied; never below what is spent'),
  column('projected_high', 'High', 'estimate', 'of the same band'),
  column(
    'exhaustion_day',
    'Exhausted on',
    'day',
    'the day on which a lifetime budget is used up at the mean pace, if in the flight; past ones: `cap_out`',
  ),
];

const MEAN = 'f.pace_sum / nullIf(f.pace_days, 0)';
const DEVIATION =
  'sqrt(greatest(0, (f.pace_squares - toFloat64(f.pace_sum) * toFloat64(f.pace_sum) / f.pace_days) / (f.pace_days - 1)))';
const HALF_WIDTH = `1.959964 * ${DEVIATION} * sqrt(f.days_left)`;
const CENTRE = 'toFloat64(f.spend_before) + toFloat64(f.pace_sum) * f.days_left / nullIf(f.pace_days, 0)';
const DAYS_TO_EXHAUSTION =
  'toInt64(least(36501, ifNull(ceil(toFloat64(f.budget - f.spend_before) / nullIf(toFloat64(f.pace_sum) / nullIf(f.pace_days, 0), 0)), 36501)))';

/** The band of a pacing. */
export function bandSql(pacing: string): string {
  return `multiIf(isNull(${pacing}), NULL, ${pacing} < ${BANDS.behind}, 'behind', ${pacing} < ${BANDS.slightlyBehind}, 'slightly behind', ${pacing} <= ${BANDS.ahead}, 'on track', 'ahead')`;
}

/** Pacing and projection. */
export const PACING_KPI: KpiDefinition = {
  name: 'pacing',
  title: 'Pacing and projection',
  description:
    'Whether each campaign spends its budget evenly over its flight, what it must spend a day, and where its pace leads.',
  formula: `pacing = spend in the full flight days / (total budget · full days / days); required = (total budget − spend) / days left; projected = spend before today + mean of the last ${PACE_DAYS} full days · days left, ± 1.959964 · s · √days left with their standard deviation s`,
  unit: 'money in the currency of the bids: exact decimals, expected spend and band estimates; pacing is a fraction',
  grain: 'one row per campaign that exists; furthest behind first',
  nullRule:
    'pacing is NULL before the first full day, without dates, for a budget of 0; the projection without an end or a full day, and after the end; the band with fewer than two full days',
  caveats: [
    ...BUDGET_CAVEATS,
    'Full days only: today is in neither side of pacing. Spend outside the flight is in no pacing, but it is in `est_spend` and uses up the budget.',
    'The projection takes the coming days to be like the last; it knows no weekdays. After the flight pacing says how it ended.',
  ],
  view: 'kpi_pacing',
  params: ['now', 'timezone', 'pricing_model', 'budget_kind'],
  filters: ['advertiser', 'campaign'],
  maxDays: null,
  cuts: 'day',
  source: 'rollup',
  columns: PACING_COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    ${WHOSE_FLIGHT},
    f.start_date AS start_date,
    f.end_date AS end_date,
    f.d_total AS d_total,
    f.d_elapsed AS d_elapsed,
    f.days_left AS days_left,
    ${TOTAL_BUDGET} AS total_budget,
    f.spend AS est_spend,
    ${EXPECTED_SPEND} AS expected_spend,
    f.flight_spend AS flight_spend,
    ${PACING} AS pacing,
    ${bandSql('pacing')} AS band,
    if(isNull(total_budget), NULL, greatest(total_budget - f.spend, toDecimal128(0, 6))) / nullIf(f.days_left, 0) AS required_daily_spend,
    ${MEAN} AS mean_daily_spend,
    if(f.days_left = 0, NULL, f.spend_before + f.pace_sum * f.days_left / nullIf(f.pace_days, 0)) AS projected_spend,
    if(ifNull(f.days_left, 0) = 0 OR f.pace_days < 2, NULL, greatest(toFloat64(f.spend), ${CENTRE} - ${HALF_WIDTH})) AS projected_low,
    if(ifNull(f.days_left, 0) = 0 OR f.pace_days < 2, NULL, greatest(toFloat64(f.spend), ${CENTRE} + ${HALF_WIDTH})) AS projected_high,
    if(f.budget_kind = 'daily' OR f.spend >= f.budget OR NOT (${IN_FLIGHT}) OR ifNull(${DAYS_TO_EXHAUSTION} > f.days_left, false) OR ${DAYS_TO_EXHAUSTION} > 36500, NULL,
        addDays(f.today, greatest(1, ${DAYS_TO_EXHAUSTION}) - 1)) AS exhaustion_day,
    ${AS_OF_COLUMNS}
FROM ${FLIGHT} AS f
${JOIN_ADVERTISER}
WHERE ${KNOWN_PRICING_MODEL} AND ${KNOWN_BUDGET_KIND}`,
  report: plainReport(PACING_COLUMNS, 'pacing NULLS LAST, campaign_id'),
};
