/**
 * Reads dates and times in PostgreSQL's ISO output: `2024-02-29`, `2024-02-29 12:00:00.123456+05:30`,
 * `0044-03-15 00:00:00 BC`, `294276-12-31 …`, `infinity`. Exactly that form: anything else is refused.
 *
 * @see https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT
 */
import { daysFromCivil, daysInMonth } from './civil.ts';
import { digitsAt } from './integer-text.ts';

/** What follows the date. */
export type IsoForm = 'date' | 'timestamp' | 'timestamptz';

const DASH = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const DOT = 0x2e;
const BLANK = 0x20;
const LETTER_I = 0x69;
const SCALE = [0, 100_000, 10_000, 1_000, 100, 10, 1];

/** A reader that keeps its last result in its fields, so that reading makes no object. */
export class IsoText {
  /** −1 and 1 for the infinities (the other fields mean nothing then), else 0. */
  infinite: -1 | 0 | 1 = 0;
  /** Days since 1970-01-01. */
  days = 0;
  /** Second of the day in UTC; may lie outside one day by the zone's offset. */
  seconds = 0;
  micros = 0;
  readonly #form: IsoForm;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #year = 0;
  #month = 0;
  #monthDays = 0;
  #daysBefore = 0;

  constructor(form: IsoForm) {
    this.#form = form;
  }

  /** Reads `bytes[start, end)`; false when it is not in the form. */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (start < 0 || end > bytes.length) return false;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.infinite = 0;
    this.seconds = 0;
    this.micros = 0;
    if (bytes[start] === LETTER_I || bytes[start] === DASH) return this.#infinity();
    if (!this.#date()) return false;
    if (this.#form !== 'date' && !(this.#take(BLANK) && this.#time())) return false;
    if (this.#form === 'timestamptz' && !this.#zone()) return false;
    return this.#at === this.#end;
  }

  #infinity(): boolean {
    const text = this.#bytes.toString('latin1', this.#at, this.#end);
    this.infinite = text === 'infinity' ? 1 : -1;
    return text === 'infinity' || text === '-infinity';
  }

  #date(): boolean {
    const bytes = this.#bytes;
    let dash = this.#at + 4;
    while (dash < this.#end && bytes[dash] !== DASH) dash++;
    const written = dash - this.#at > 7 ? -1 : digitsAt(bytes, this.#at, dash);
    if (written < 1 || bytes[dash + 3] !== DASH) return false;
    const month = twoAt(bytes, dash + 1);
    const day = twoAt(bytes, dash + 4);
    this.#at = dash + 6;
    const year = this.#takeEra() ? 1 - written : written;
    if (month !== this.#month || year !== this.#year) this.#enterMonth(year, month);
    this.days = this.#daysBefore + day;
    return day >= 1 && day <= this.#monthDays;
  }

  /** Neighbouring values mostly share their month: what it takes to know one is kept. */
  #enterMonth(year: number, month: number): void {
    this.#year = year;
    this.#month = month;
    this.#monthDays = daysInMonth(year, month);
    this.#daysBefore = daysFromCivil(year, month, 1) - 1;
  }

  #time(): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + 8 > this.#end || bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return false;
    const hour = twoAt(bytes, at);
    const minute = twoAt(bytes, at + 3);
    const second = twoAt(bytes, at + 6);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    this.seconds = hour * 3600 + minute * 60 + second;
    this.#at = at + 8;
    return this.#take(DOT) ? this.#fraction() : true;
  }

  #fraction(): boolean {
    const start = this.#at;
    const bytes = this.#bytes;
    let at = start;
    let value = 0;
    for (; at < this.#end; at++) {
      const digit = bytes[at]! - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    this.#at = at;
    const scale = SCALE[at - start];
    if (scale === undefined || scale === 0) return false;
    this.micros = value * scale;
    return true;
  }

  /** `+05`, `+05:30`, `-00:17:30`: east of Greenwich is positive. */
  #zone(): boolean {
    const east = this.#bytes[this.#at] === PLUS;
    if (!this.#take(PLUS) && !this.#take(DASH)) return false;
    const hours = this.#two();
    const minutes = this.#take(COLON) ? this.#two() : 0;
    const seconds = this.#take(COLON) ? this.#two() : 0;
    if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59) return false;
    const offset = hours * 3600 + minutes * 60 + seconds;
    this.seconds += east ? -offset : offset;
    return true;
  }

  /** Takes ` BC` off the end, where it stands whatever comes before it. */
  #takeEra(): boolean {
    const end = this.#end;
    if (this.#bytes[end - 1] !== 0x43 || this.#bytes[end - 2] !== 0x42 || this.#bytes[end - 3] !== BLANK) return false;
    if (end - 3 < this.#at) return false;
    this.#end = end - 3;
    return true;
  }

  #take(byte: number): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  /** Takes two digits; −1 when something else is there. */
  #two(): number {
    const at = this.#at;
    if (at + 2 > this.#end) return -1;
    this.#at = at + 2;
    return twoAt(this.#bytes, at);
  }
}

/** The number of two digits at `at`; −1 when something else is there. */
function twoAt(bytes: Buffer, at: number): number {
  const tens = bytes[at]! - 48;
  const ones = bytes[at + 1]! - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}
