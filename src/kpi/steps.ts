/** Steps of local time in SQL: hours, days, weeks, months. Independent of session settings: no function that has a 32-bit twin. */
import { LOCAL_DAY } from './fragments.ts';

const DAYS = "toUInt64(greatest(0, dateDiff('day', {from:Date32}, {to:Date32}) + 1))";

/** The local day of a bucket. */
export const DAY_OF_HOUR = LOCAL_DAY;

/** All local days of the range. */
export const ALL_DAYS = `arrayMap(i -> addDays({from:Date32}, i), range(${DAYS}))`;

/** Beginning of the local hour in which an instant lies; the instant in UTC. */
function startOfHour(instant: string): string {
  const local = `toTimeZone(${instant}, {timezone:String})`;
  return `subtractSeconds(${instant}, toMinute(${local}) * 60 + toSecond(${local}))`;
}

/** Beginning of the local hour of a bucket. */
export const START_OF_HOUR = startOfHour('hour');

/**
 * All local hours of the range: those of instants 15 minutes apart, as offsets from UTC are multiples of that since
 * they are no longer local mean time.
 */
export const ALL_HOURS =
  `arrayDistinct(arrayFilter(t -> toDate32(toTimeZone(t, {timezone:String})) BETWEEN {from:Date32} AND {to:Date32}, ` +
  `arrayMap(i -> ${startOfHour("addMinutes(toDateTime64({from:Date32}, 0, 'UTC'), 15 * toInt64(i) - 1440)")}, range(96 * (${DAYS} + 2)))))`;

/** First day of the week (Monday) or month of a day, as a Date32. */
export const START_OF_WEEK = (day: string): string => `subtractDays(${day}, toDayOfWeek(${day}) - 1)`;
/** First day of the month of a day. */
export const START_OF_MONTH = (day: string): string => `subtractDays(${day}, toDayOfMonth(${day}) - 1)`;

const byGrain = (hour: string, day: (start: (day: string) => string) => string, total: string): string =>
  `multiIf({grain:String} = 'hour', ${hour}, {grain:String} = 'day', ${day((d) => d)}, {grain:String} = 'week', ${day(START_OF_WEEK)}, ` +
  `{grain:String} = 'month', ${day(START_OF_MONTH)}, ${total})`;

/** The step of a day under the parameter grain, which is not hour, in days since 1970. */
export const STEP_OF_DAY = (of: string): string =>
  byGrain(
    'NULL',
    (start) => `toInt64(toInt32(${start(of)}))`,
    `if(isNull(${of}), NULL, toInt64(toInt32({from:Date32})))`,
  );

/** The step of a bucket under the parameter grain, as a number: seconds or days since 1970. */
export const STEP_OF_HOUR = byGrain(
  `toUnixTimestamp64Second(${START_OF_HOUR})`,
  (start) => `toInt64(toInt32(${start(LOCAL_DAY)}))`,
  'if(isNull(hour), NULL, toInt64(toInt32({from:Date32})))',
);

/** All steps of the range, as numbers. */
export const ALL_STEPS = byGrain(
  `arrayMap(t -> toUnixTimestamp64Second(t), if({grain:String} = 'hour', ${ALL_HOURS}, []))`,
  (start) => `arrayDistinct(arrayMap(d -> toInt64(toInt32(${start('d')})), ${ALL_DAYS}))`,
  '[toInt64(toInt32({from:Date32}))]',
);

/** A step's number as text: the day it begins, or the instant in UTC. */
export const STEP_TEXT = (step: string): string =>
  `if({grain:String} = 'hour', toString(fromUnixTimestamp64Second(assumeNotNull(${step}), 'UTC')), toString(CAST(toInt32(assumeNotNull(${step})), 'Date32')))`;

/** Refuses other grains. */
export const KNOWN_GRAIN =
  "throwIf({grain:String} NOT IN ('hour', 'day', 'week', 'month', 'total'), 'grain is hour, day, week, month or total') = 0";

/** Refuses other levels. */
export const KNOWN_LEVEL =
  "throwIf({by:String} NOT IN ('platform', 'advertiser', 'campaign'), 'by is platform, advertiser or campaign') = 0";
