/**
 * What key figures read, by the names that stand in their SQL:
 *
 *   ${facts}       campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm: additive, never one row per bucket
 *   ${campaigns}   one row per campaign, also deleted ones: campaign_directory
 *   ${live_priced_campaigns} the same of those that exist: live_campaign_directory
 *   ${pricing}, ${budget_kind} what the bid and the budget of campaign c mean: its rule, or else the parameter
 *   ${advertisers} one row per advertiser: advertiser_directory
 *   ${versions}    every version of every campaign: campaign_versions
 *   ${events}      fact, id, campaign_id, created_at, cpc, cpm: one row per event, with its price
 *   ${freshness}   one row per table of the copy: table_freshness
 *   ${as_of}       lsn, commit_time, loading: up to where all that holds
 *   ${whole_hours} refuses time zones in which an hour of the rollup belongs to two local hours
 *
 * Sums that are read where these would be too many rows: short-cuts.ts.
 */
import { chLiteral } from '../model/quote.ts';
import { hourOfDay, utcHour } from './fragments.ts';

/** SQL for each of the names; `${database}` and `${internal}` may stand in it. */
export interface Sources {
  readonly facts: string;
  readonly campaigns: string;
  readonly live_priced_campaigns: string;
  readonly pricing: string;
  readonly budget_kind: string;
  readonly advertisers: string;
  readonly versions: string;
  readonly events: string;
  readonly freshness: string;
  readonly as_of: string;
  readonly whole_hours: string;
  /** No SQL: the time zone asked for is known to be UTC, so sums need no second way. */
  readonly isUtc: boolean;
  /** No SQL: nobody has rules and budgets are of the whole life, so nothing needs the single days of campaigns, and these are few. */
  readonly isPlain: boolean;
}

/** `hour` in local time. */
const LOCAL_HOUR = 'toTimeZone(hour, {timezone:String})';

/** The present: what the views read. */
export const PRESENT: Sources = {
  facts: '${database}.campaign_hourly',
  campaigns: '${database}.campaign_directory',
  live_priced_campaigns: '${database}.live_campaign_directory',
  pricing: 'coalesce(c.pricing_rule, {pricing_model:String})',
  budget_kind: 'coalesce(c.budget_rule, {budget_kind:String})',
  advertisers: '${database}.advertiser_directory',
  versions: '${database}.campaign_versions',
  events: '${database}.campaign_events',
  freshness: '${database}.table_freshness',
  as_of: '${database}.as_of',
  whole_hours: `throwIf((toMinute(${LOCAL_HOUR}) != 0 OR toSecond(${LOCAL_HOUR}) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0`,
  isUtc: false,
  isPlain: false,
};

/** Up to where the copy stands. */
export interface AsOf {
  readonly lsn: string | null;
  readonly commit_time: string | null;
  readonly loading: boolean;
}

/** What is known when a question is asked, so that ClickHouse need not find it out: less to plan, less to read. */
export interface Known {
  /** Days and hours are those of UTC. */
  readonly isUtc: boolean;
  /** Some campaign or advertiser has a rule for its price or budget. */
  readonly hasRules: boolean;
  /** A list of all campaigns is short. */
  readonly hasFewCampaigns: boolean;
  /** What budgets are for where no rule says it. */
  readonly budgetKind: 'lifetime' | 'daily';
  readonly at: AsOf;
}

/** Campaigns where nobody has rules. */
const WITHOUT_RULES = {
  campaigns: '${database}.campaign_names',
  live_priced_campaigns: `(SELECT toNullable(id) AS campaign_id, toNullable(name) AS campaign, toNullable(bid) AS bid, toNullable(budget) AS budget,
        start_date, end_date, advertiser_id, toNullable(false) AS deleted FROM \${database}.campaign FINAL WHERE _deleted = 0)`,
  pricing: '{pricing_model:String}',
  budget_kind: '{budget_kind:String}',
} as const satisfies Partial<Sources>;

/** The present, where this is known of it. */
export function knownSources({ isUtc, hasRules, hasFewCampaigns, budgetKind, at }: Known): Sources {
  return {
    ...PRESENT,
    ...(hasRules ? {} : WITHOUT_RULES),
    as_of: asOfRow(at),
    whole_hours: isUtc ? 'true' : PRESENT.whole_hours,
    isUtc,
    isPlain: !hasRules && hasFewCampaigns && budgetKind === 'lifetime',
  };
}

/** As the view as_of, of what was read of it. */
export function asOfRow({ lsn, commit_time, loading }: AsOf): string {
  const text = (value: string | null): string => (value === null ? 'NULL' : chLiteral(value));
  return `(SELECT CAST(${text(lsn)}, 'Nullable(String)') AS lsn, CAST(${text(commit_time)}, 'Nullable(DateTime64(6, \\'UTC\\'))') AS commit_time, ${loading} AS loading)`;
}

/**
 * For time zones whose hours begin inside those of the rollup: the hours of UTC in which a limit lies are read from the
 * events, to the second; the others from the rollup. By days that is one hour a day, by hours it is every hour.
 */
export function cutSources(cuts: 'day' | 'hour', known: Known): Sources {
  return {
    ...knownSources(known),
    facts: `(SELECT campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm FROM \${database}.campaign_hourly
        WHERE isNull(hour) OR NOT ${isCut('hour', cuts)}
        UNION ALL
        SELECT campaign_id, ${second('created_at')} AS hour, toInt64(fact = 'impressions'), toInt64(fact = 'clicks'), toDecimal128(cpc, 6), toDecimal128(cpm, 6)
        FROM \${database}.campaign_events
        WHERE isNotNull(created_at) AND ${isCut(utcHour('created_at'), cuts)})`,
    whole_hours: 'true',
  };
}

/** Whether a limit of local time lies inside an hour of UTC. */
export function isCut(hour: string, cuts: 'day' | 'hour'): string {
  const local = `toTimeZone(${hour}, {timezone:String})`;
  const cutsDay = cuts === 'day' ? ` AND ${hourOfDay(hour)} = 23` : '';
  return `((toMinute(${local}) != 0 OR toSecond(${local}) != 0)${cutsDay})`;
}

/** The second in which an instant lies, rounded down. */
export function second(instant: string): string {
  const micros = `toUnixTimestamp64Micro(${instant})`;
  return `fromUnixTimestamp64Second(intDiv(${micros} - positiveModulo(${micros}, 1000000), 1000000), 'UTC')`;
}
