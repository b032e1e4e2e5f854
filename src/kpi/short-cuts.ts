/**
 * Sums that key figures read where the hours of every campaign would be too many. They say what the sources say
 * (sources.ts); over the present rollup by way of its projections, which ClickHouse takes where a query groups by what they have:
 *
 *   ${range_sums}       campaign_id, place (0: from `from` to `to`, 1: without a time), i, k, cpc, cpm
 *   ${total_sums}       campaign_id, i, k, cpc, cpm, of all time
 *   ${day_sums}         campaign_id, day (local; NULL: without a time), i, k, cpc, cpm
 *   ${flight_days}      what flight.ts sums up: days of campaigns, or only as many sums as tell its figures apart
 *   ${step_sums}        campaign_id, step (of the parameter `grain`; NULL likewise), i, k, cpc, cpm, of the range
 *   ${hour_facts}       impressions by whole hours of UTC, whatever the time zone
 *   ${live_campaigns}   campaigns that exist, with budget and dates
 *   ${named_campaigns}  all campaigns, without their pricing rules
 */
import { FLIGHT_DAYS, FLIGHT_PERIODS } from './flight.ts';
import { DAY_NUMBER, IN_RANGE, LOCAL_DAY, utcHour } from './fragments.ts';
import { PRESENT, type Sources } from './sources.ts';
import { STEP_OF_DAY, STEP_OF_HOUR } from './steps.ts';

const FROM = 'toInt64(toInt32({from:Date32}))';
const TO = 'toInt64(toInt32({to:Date32}))';
const IN_UTC = "{timezone:String} = 'UTC'";

/** Days of UTC that lie in the range whatever the time zone: offsets are less than a day. */
const INSIDE = `(${DAY_NUMBER} > ${FROM} AND ${DAY_NUMBER} < ${TO})`;
/** Days of UTC that are days of the range in UTC. */
const OF_RANGE = `(${DAY_NUMBER} BETWEEN ${FROM} AND ${TO})`;

/** The hours around: of the days of UTC in which the first local day may begin or the last one end, in terms of the order by time. */
const HOURS_AT_LIMIT = ['from', 'to']
  .map((day, i) => {
    const begin = `toDateTime64({${day}:Date32}, 0, 'UTC')`;
    return `(hour >= subtractDays(${begin}, ${1 - i}) AND hour < addDays(${begin}, ${1 + i}))`;
  })
  .join(' OR ');

/** The day of UTC of a bucket. */
const UTC_DAY = `CAST(toInt32(${DAY_NUMBER}), 'Nullable(Date32)')`;

const SUMS = 'sum(impressions) AS i, sum(clicks) AS k, sum(spend_cpc) AS cpc, sum(spend_cpm) AS cpm';

/** Sums of facts per campaign and whatever else is named. */
function sums(facts: string, by: readonly [name: string, sql: string], where: string): string {
  return `SELECT campaign_id, ${by[1]} AS ${by[0]}, ${SUMS}
            FROM ${facts} WHERE ${where} GROUP BY campaign_id, ${by[0]}`;
}

function totals(facts: string): string {
  return `(SELECT campaign_id, ${SUMS} FROM ${facts} GROUP BY campaign_id)`;
}

/** Two queries, of which no bucket is in both. */
function both(first: string, second: string): string {
  return `(${first}\n        UNION ALL\n        ${second})`;
}

const RANGE_OR_NONE = `((${IN_RANGE}) OR isNull(hour))`;
const DAY_KNOWN = 'isNull(hour) OR ifNull(${whole_hours}, true)';

/** Over facts that have no projections. */
function plainSums(facts: string): Record<string, string> {
  return {
    range_sums: `(${sums(facts, ['place', 'if(isNull(hour), 1, 0)'], RANGE_OR_NONE)})`,
    day_sums: `(${sums(facts, ['day', LOCAL_DAY], DAY_KNOWN)})`,
    step_sums: `(${sums(facts, ['step', STEP_OF_HOUR], RANGE_OR_NONE)})`,
    total_sums: totals(facts),
    hour_facts: `(SELECT campaign_id, ${utcHour('hour')} AS hour, impressions FROM ${facts} WHERE isNotNull(hour))`,
  };
}

const PLACE_OF_DAY = `if(isNull(${DAY_NUMBER}), 1, 0)`;

/** By days of UTC where these are the local ones, and inside a range in any time zone; by hour elsewhere. */
function projectedSums(facts: string): Record<string, string> {
  const byDay = `${IN_UTC} AND {grain:String} != 'hour'`;
  const wholeDays = `(isNull(${DAY_NUMBER}) OR (${OF_RANGE} AND (${IN_UTC} OR ${INSIDE})))`;
  return {
    range_sums: both(
      sums(facts, ['place', PLACE_OF_DAY], wholeDays),
      sums(facts, ['place', '0'], `NOT (${IN_UTC}) AND (${HOURS_AT_LIMIT}) AND ${IN_RANGE}`),
    ),
    day_sums: both(
      sums(facts, ['day', UTC_DAY], IN_UTC),
      sums(facts, ['day', LOCAL_DAY], `NOT (${IN_UTC}) AND (${DAY_KNOWN})`),
    ),
    step_sums: both(
      sums(facts, ['step', STEP_OF_DAY(UTC_DAY)], `${byDay} AND (${OF_RANGE} OR isNull(${DAY_NUMBER}))`),
      sums(facts, ['step', STEP_OF_HOUR], `NOT (${byDay}) AND ${RANGE_OR_NONE}`),
    ),
    total_sums: totals(facts),
    hour_facts: facts,
  };
}

/** The same where the days are known to be those of UTC. */
function sumsOfUtc(facts: string): Record<string, string> {
  const byDay = "{grain:String} != 'hour'";
  return {
    range_sums: `(${sums(facts, ['place', PLACE_OF_DAY], `(isNull(${DAY_NUMBER}) OR ${OF_RANGE})`)})`,
    day_sums: `(${sums(facts, ['day', UTC_DAY], 'true')})`,
    step_sums: both(
      sums(facts, ['step', STEP_OF_DAY(UTC_DAY)], `${byDay} AND (${OF_RANGE} OR isNull(${DAY_NUMBER}))`),
      sums(facts, ['step', STEP_OF_HOUR], `NOT (${byDay}) AND ${RANGE_OR_NONE}`),
    ),
    total_sums: totals(facts),
    hour_facts: facts,
  };
}

function shortCuts({ facts, campaigns, isUtc, isPlain }: Sources): Record<string, string> {
  if (facts !== PRESENT.facts) {
    const live = `(SELECT * FROM ${campaigns} WHERE NOT deleted)`;
    return { flight_days: FLIGHT_DAYS, ...plainSums(facts), named_campaigns: campaigns, live_campaigns: live };
  }
  return {
    flight_days: isUtc && isPlain ? FLIGHT_PERIODS : FLIGHT_DAYS,
    ...(isUtc ? sumsOfUtc(facts) : projectedSums(facts)),
    named_campaigns: '${database}.campaign_names',
    live_campaigns:
      '(SELECT toNullable(id) AS campaign_id, advertiser_id, toNullable(budget) AS budget, start_date, end_date FROM ${database}.campaign FINAL WHERE _deleted = 0)',
  };
}

/** SQL of a key figure with what it reads put in. */
export function withSources(sql: string, sources: Sources): string {
  let text = sql;
  const { isUtc: _, isPlain: __, ...named } = sources;
  for (const [name, source] of Object.entries({ ...shortCuts(sources), ...named }))
    text = text.replaceAll(`\${${name}}`, () => source);
  return text;
}
