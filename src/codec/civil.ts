/**
 * The proleptic Gregorian calendar in plain numbers: days since 1970-01-01 from and to year, month, day.
 *
 * @see https://howardhinnant.github.io/date_algorithms.html
 */

/** Year (0 = 1 BC), month 1–12 and day 1–31. */
export interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days of a month; 0 for a month that does not exist. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)) return 29;
  return MONTH_DAYS[month - 1] ?? 0;
}

/** Days from 1970-01-01 to a date. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719468;
}

/** The date that is `days` after 1970-01-01. */
export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** Digits padded with zeros. */
function padded(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** A date as PostgreSQL writes it, for example `2024-02-29` or `0044-03-15 BC`. */
export function formatDate(days: number): string {
  const { year, month, day } = civilFromDays(days);
  const text = `${padded(year > 0 ? year : 1 - year, 4)}-${padded(month, 2)}-${padded(day, 2)}`;
  return year > 0 ? text : `${text} BC`;
}

/** Why a date outside the range of Date32 and DateTime64 does not fit. */
export function outsideReason(days: number): string {
  const { year } = civilFromDays(days);
  return `year ${year > 0 ? year : `${1 - year} BC`} is outside 1900–2299`;
}

const DAY_MICROS = 86_400_000_000n;

/** The day (since 1970-01-01) that holds a microsecond. */
export function dayOfMicros(micros: bigint): number {
  const days = micros / DAY_MICROS;
  return Number(days * DAY_MICROS > micros ? days - 1n : days);
}

/** A time as PostgreSQL writes it, for example `2024-02-29 12:00:00.5`; `zone` goes behind the seconds. */
export function formatTimestamp(micros: bigint, zone: '' | '+00'): string {
  const days = dayOfMicros(micros);
  const ofDay = Number(micros - BigInt(days) * DAY_MICROS);
  const seconds = Math.floor(ofDay / 1e6);
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
    .map((part) => padded(part, 2))
    .join(':');
  const fraction = ofDay % 1e6 === 0 ? '' : `.${padded(ofDay % 1e6, 6).replace(/0+$/, '')}`;
  const [date, era] = formatDate(days).split(' ');
  return `${date} ${time}${fraction}${zone}${era === undefined ? '' : ` ${era}`}`;
}
