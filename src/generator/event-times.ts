/** When events happen: even over a window, or with the rhythm of people's days. Times are µs since 1970, UTC. */
import { WeightedChoice } from './distributions.ts';
import { fraction, type Random } from './random.ts';

/** Microseconds of a second. */
export const SECOND_US = 1_000_000;
/** Microseconds of an hour. */
export const HOUR_US = 3600 * SECOND_US;
/** Microseconds of a day. */
export const DAY_US = 24 * HOUR_US;

/** Traffic of each hour of the day, 0–23 UTC, against the others: a trough at 4, a noon shoulder, a peak at 20. */
const HOUR_WEIGHTS = [30, 20, 14, 11, 10, 13, 22, 38, 52, 60, 64, 68, 72, 68, 64, 64, 68, 76, 86, 95, 100, 92, 72, 48];

/** Traffic of each weekday, Sunday first: weekends are stronger in retail media. */
const WEEKDAY_WEIGHTS = [1.2, 0.95, 0.92, 0.95, 1, 1.1, 1.25];

/** A span of time: `from` included, `to` excluded, in µs since 1970. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** Draws times of one window. */
export interface EventTimes {
  /** A time in the window, in whole µs. */
  draw(random: Random): number;
}

/** Every microsecond of the window is as likely as the others. */
export function evenTimes(window: Window): EventTimes {
  const length = window.to - window.from;
  return { draw: (random) => window.from + Math.floor(fraction(random) * length) };
}

/** Times by hour of the day and day of the week. */
export function rhythmicTimes(window: Window): EventTimes {
  const hours = hoursOf(window);
  const choice = new WeightedChoice(hours.map((hour) => rhythmOf(hour.from) * (hour.to - hour.from)));
  return {
    draw(random) {
      const hour = hours[choice.draw(random)] as Window;
      return hour.from + Math.floor(fraction(random) * (hour.to - hour.from));
    },
  };
}

/** How busy the hour of this time is, against other hours. */
export function rhythmOf(micros: number): number {
  const hour = Math.floor(micros / HOUR_US) % 24;
  // 1970-01-01 was a Thursday.
  const weekday = (Math.floor(micros / DAY_US) + 4) % 7;
  return (HOUR_WEIGHTS[hour] as number) * (WEEKDAY_WEIGHTS[weekday] as number);
}

/** The last `days` days before `now`. */
export function windowBefore(now: Date, days: number): Window {
  const to = now.getTime() * 1000;
  return { from: to - days * DAY_US, to };
}

/** The window cut at the full hours. */
function hoursOf(window: Window): Window[] {
  const hours: Window[] = [];
  for (let from = window.from; from < window.to;) {
    const to = Math.min(window.to, (Math.floor(from / HOUR_US) + 1) * HOUR_US);
    hours.push({ from, to });
    from = to;
  }
  return hours;
}
