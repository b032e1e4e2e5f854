/** The days that have events: what is asked for where no range is given. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { chIdent } from '../model/quote.ts';
import { hasWholeHours } from '../model/time-zones.ts';
import type { Past } from './past.ts';
import { pastSources } from './past-sources.ts';
import { PRESENT } from './sources.ts';

/** Days, both included. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

/** What the days depend on. */
interface DaysAsked {
  /** Longest range that is answered; null: any. */
  readonly maxDays: number | null;
  readonly timezone: string;
  /** The moment the figures are of, in UTC; null before the first commit. */
  readonly now: string | null;
  readonly past: Past | null;
}

/** Hours of UTC in which the first and the last events lie, and the last of those before the day after tomorrow. */
interface EventHours {
  readonly first: string;
  readonly last: string;
  readonly last_near: string | null;
}

/** First and last day with events; where ranges are limited, days after tomorrow only if there are no others. */
export async function eventDays(clickhouse: ClickHouse, names: Names, asked: DaysAsked): Promise<Range | null> {
  const sources = asked.past === null ? PRESENT : pastSources(asked.past, 'none');
  const inNames = (sql: string): string => sql.replaceAll('${database}', chIdent(names.database));
  // Summed: a bucket that has come to zero may still be there, in parts that were not merged yet.
  const [hours] = await clickhouse.rows<EventHours>(
    inNames(`SELECT min(hour) AS first, max(hour) AS last, maxOrNullIf(hour, hour < addDays(ifNull({now:Nullable(DateTime64(6, 'UTC'))}, now64(6, 'UTC')), 2)) AS last_near
     FROM (SELECT hour FROM ${sources.facts} WHERE isNotNull(hour) GROUP BY hour HAVING sum(impressions) != 0 OR sum(clicks) != 0) HAVING count() > 0`),
    { params: { now: asked.now } },
  );
  if (hours === undefined) return null;
  const chosen = [hours.first, asked.maxDays === null ? hours.last : (hours.last_near ?? hours.last)];
  const range = { from: chosen[0]?.slice(0, 10) ?? '', to: chosen[1]?.slice(0, 10) ?? '' };
  // Where a local day begins inside an hour of UTC, only the events of that hour tell on which day they are.
  const instants = hasWholeHours(asked.timezone, range)
    ? "SELECT arrayJoin({hours:Array(DateTime64(0, 'UTC'))}) AS at"
    : `SELECT created_at AS at FROM ${sources.events} WHERE ${[0, 1].map((i) => `(created_at >= {hours:Array(DateTime64(0, 'UTC'))}[${i + 1}] AND created_at < addHours({hours:Array(DateTime64(0, 'UTC'))}[${i + 1}], 1))`).join(' OR ')}`;
  const [days] = await clickhouse.rows<{ first: string; last: string }>(
    inNames(
      `SELECT toDate32(toTimeZone(assumeNotNull(min(at)), {timezone:String})) AS first, toDate32(toTimeZone(assumeNotNull(max(at)), {timezone:String})) AS last FROM (${instants})`,
    ),
    { params: { hours: chosen, timezone: asked.timezone } },
  );
  return days === undefined ? null : { from: days.first, to: days.last };
}

/**
 * The days of UTC between which the rollup has rows, also such as have come to zero and were not merged yet: a view that refuses
 * hours of a time zone meets these, too.
 */
export async function storedDays(clickhouse: ClickHouse, names: Names, past: Past | null): Promise<Range | null> {
  const { facts } = past === null ? PRESENT : pastSources(past, 'none');
  const [row] = await clickhouse.rows<{ first: string; last: string }>(
    `SELECT min(hour) AS first, max(hour) AS last FROM ${facts} WHERE isNotNull(hour) HAVING count() > 0`.replaceAll(
      '${database}',
      chIdent(names.database),
    ),
  );
  return row === undefined ? null : { from: row.first.slice(0, 10), to: row.last.slice(0, 10) };
}
