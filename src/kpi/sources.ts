/**
 * What key figures read, by the names that stand in their SQL:
 *
 *   ${facts}       campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm: additive, never one row per bucket
 *   ${campaigns}   one row per campaign, also deleted ones: campaign_directory
 *   ${advertisers} one row per advertiser: advertiser_directory
 *   ${versions}    every version of every campaign: campaign_versions
 *   ${events}      fact, id, campaign_id, created_at, cpc, cpm: one row per event, with its price
 *   ${freshness}   one row per table of the copy: table_freshness
 *   ${as_of}       lsn, commit_time, loading: up to where all that holds
 *   ${whole_hours} refuses time zones in which an hour of the rollup belongs to two local hours
 *
 * Sums that are read where these would be too many rows: short-cuts.ts.
 */

import { utcHour } from './fragments.ts';

/** SQL for each of the names; `${database}` and `${internal}` may stand in it. */
export interface Sources {
  readonly facts: string;
  readonly campaigns: string;
  readonly advertisers: string;
  readonly versions: string;
  readonly events: string;
  readonly freshness: string;
  readonly as_of: string;
  readonly whole_hours: string;
}

/** `hour` in local time. */
const LOCAL_HOUR = 'toTimeZone(hour, {timezone:String})';

/** The present: what the views read. */
export const PRESENT: Sources = {
  facts: '${database}.campaign_hourly',
  campaigns: '${database}.campaign_directory',
  advertisers: '${database}.advertiser_directory',
  versions: '${database}.campaign_versions',
  events: '${database}.campaign_events',
  freshness: '${database}.table_freshness',
  as_of: '${database}.as_of',
  whole_hours: `throwIf((toMinute(${LOCAL_HOUR}) != 0 OR toSecond(${LOCAL_HOUR}) != 0), 'in this time zone local hours begin inside the hours of the rollup: ask millrace kpi, which reads the events there') = 0`,
};

/**
 * For time zones whose hours begin inside those of the rollup: the hours of UTC in which a limit lies are read from the
 * events, to the second; the others from the rollup. By days that is one hour a day, by hours it is every hour.
 */
export function cutSources(cuts: 'day' | 'hour'): Sources {
  return {
    ...PRESENT,
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
  const cutsDay = cuts === 'day' ? ` AND toHour(${local}) = 23` : '';
  return `((toMinute(${local}) != 0 OR toSecond(${local}) != 0)${cutsDay})`;
}

/** The second in which an instant lies, rounded down. */
export function second(instant: string): string {
  const micros = `toUnixTimestamp64Micro(${instant})`;
  return `fromUnixTimestamp64Second(intDiv(${micros} - positiveModulo(${micros}, 1000000), 1000000), 'UTC')`;
}
