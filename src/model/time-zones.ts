/** What Node knows of time zones. */

const FIRST_MONTH = 12 * 1900;

/** True when there is such a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== '';
  } catch {
    return false;
  }
}

/**
 * True when every local hour of these days begins with an hour of UTC: the hours that the rollup has. Looked at on the
 * first of each month, one more on either side; should clocks go otherwise in between, the views refuse.
 *
 * @param days First and last, `YYYY-MM-DD`.
 */
export function hasWholeHours(timezone: string, days: { readonly from: string; readonly to: string }): boolean {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, timeStyle: 'medium' });
  const first = Math.max(FIRST_MONTH, monthNumber(days.from) - 1);
  const months = monthNumber(days.to) + 2 - first;
  return Array.from({ length: months }, (_, i) => format.format(Date.UTC(0, first + i))).every((time) =>
    time.endsWith(':00:00'),
  );
}

function monthNumber(day: string): number {
  return 12 * Number(day.slice(0, 4)) + Number(day.slice(5, 7)) - 1;
}
