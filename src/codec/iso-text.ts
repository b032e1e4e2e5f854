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
    const year = dash - this.#at > 7 ? -1 : digitsAt(bytes, this.#at, dash);
    this.#at = dash;
    const month = this.#take(DASH) ? this.#two() : -1;
    const day = this.#take(DASH) ? this.#two() : -1;
    if (year < 1) return false;
    const civilYear = this.#takeEra() ? 1 - year : year;
    if (month < 1 || day < 1 || day > daysInMonth(civilYear, month)) return false;
    this.days = daysFromCivil(civilYear, month, day);
    return true;
  }

  #time(): boolean {
    const hour = this.#two();
    const minute = this.#take(COLON) ? this.#two() : -1;
    const second = this.#take(COLON) ? this.#two() : -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    this.seconds = hour * 3600 + minute * 60 + second;
    return this.#take(DOT) ? this.#fraction() : true;
  }

  #fraction(): boolean {
    const start = this.#at;
    const bytes = this.#bytes;
    while (this.#at < this.#end && bytes[this.#at]! >= 48 && bytes[this.#at]! <= 57) this.#at++;
    const scale = SCALE[this.#at - start];
    if (scale === undefined || scale === 0) return false;
    this.micros = digitsAt(bytes, start, this.#at) * scale;
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

  /** Two digits; −1 when something else is there. */
  #two(): number {
    const at = this.#at;
    if (at + 2 > this.#end) return -1;
    const tens = this.#bytes[at]! - 48;
    const ones = this.#bytes[at + 1]! - 48;
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) return -1;
    this.#at = at + 2;
    return tens * 10 + ones;
  }
}
