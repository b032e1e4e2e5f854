/**
 * DateTime64(6, 'UTC'): microseconds since 1970 as Int64, from 1900-01-01 to the end of 2299.
 *
 * Values travel as 32-bit halves: a double holds microseconds exactly only up to the year 2255, and a
 * BigInt per value would cost more than all the rest.
 */
import { int32At } from './big-endian.ts';
import { dayOfMicros, daysFromCivil, formatTimestamp, outsideReason } from './civil.ts';
import type { ColumnOptions } from './column-base.ts';
import { FixedColumn } from './fixed-column.ts';
import { splitProduct, type Halves } from './integer-text.ts';
import { IsoText } from './iso-text.ts';

const DAY_SECONDS = 86_400;
/** PostgreSQL counts from 2000-01-01. */
const EPOCH_MICROS = 946_684_800_000_000n;
const EPOCH_HI = Number(EPOCH_MICROS >> 32n);
const EPOCH_LO = Number(BigInt.asIntN(32, EPOCH_MICROS));
const POSITIVE_INFINITY = 0x7fffffffffffffffn;
const NEGATIVE_INFINITY = -0x8000000000000000n;
const FIRST_DAY = daysFromCivil(1900, 1, 1);
const LAST_DAY = daysFromCivil(2299, 12, 31);
const FIRST_MICROS = BigInt(FIRST_DAY) * 86_400_000_000n;
const LAST_MICROS = BigInt(LAST_DAY + 1) * 86_400_000_000n - 1n;
/** Upper halves strictly between these are inside the range, whatever the lower half is. */
const FIRST_HI = Number(FIRST_MICROS >> 32n);
const LAST_HI = Number(LAST_MICROS >> 32n);

/** timestamp and timestamptz. */
export class TimestampColumn extends FixedColumn {
  readonly #iso: IsoText;
  readonly #zone: '' | '+00';
  readonly #halves: Halves = { hi: 0, lo: 0 };

  /** @param withZone True for timestamptz, whose text must carry an offset; timestamp must not. */
  constructor(options: ColumnOptions, withZone: boolean) {
    super(options, 8);
    this.#iso = new IsoText(withZone ? 'timestamptz' : 'timestamp');
    this.#zone = withZone ? '+00' : '';
  }

  /** Appends microseconds since 1970. @throws {AppError} `VALUE_UNFIT` as the policy says. */
  append(micros: bigint): void {
    if (micros >= FIRST_MICROS && micros <= LAST_MICROS) return this.#store(micros);
    this.#appendOutside(formatTimestamp(micros, this.#zone), dayOfMicros(micros));
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    const iso = this.#iso;
    if (!iso.read(bytes, start, end)) throw this.syntax(this.#zone === '' ? 'timestamp' : 'timestamptz');
    if (iso.infinite !== 0) return this.#appendInfinity(iso.infinite);
    const seconds = iso.days * DAY_SECONDS + iso.seconds;
    if (seconds < FIRST_DAY * DAY_SECONDS || seconds >= (LAST_DAY + 1) * DAY_SECONDS) {
      return this.#appendOutside(bytes.toString('latin1', start, end), Math.floor(seconds / DAY_SECONDS));
    }
    splitProduct(seconds, { factor: 1e6, low: iso.micros }, this.#halves);
    this.#storeHalves(this.#halves.hi, this.#halves.lo);
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    if (end - start !== 8 || end > bytes.length) this.checkWidth(bytes, { start, end }, 8);
    const low = int32At(bytes, start + 4);
    const lo = (low + EPOCH_LO) | 0;
    const hi = (int32At(bytes, start) + EPOCH_HI + (lo >>> 0 < low >>> 0 ? 1 : 0)) | 0;
    if (hi > FIRST_HI && hi < LAST_HI) this.#storeHalves(hi, lo);
    else this.#appendRare(bytes, start);
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    const { words } = this;
    const last = this.rows + rows;
    let at = start;
    for (let row = this.rows; row < last; row++) {
      const low = int32At(bytes, at + 4);
      const lo = (low + EPOCH_LO) | 0;
      const hi = (int32At(bytes, at) + EPOCH_HI + (lo >>> 0 < low >>> 0 ? 1 : 0)) | 0;
      if (hi > FIRST_HI && hi < LAST_HI) {
        words[2 * row] = lo;
        words[2 * row + 1] = hi;
      } else {
        this.rows = row;
        this.#appendRare(bytes, at);
      }
      at += strideBytes;
    }
    this.rows = last;
  }

  value(row: number): bigint | null {
    if (this.isNull(row)) return null;
    return (BigInt(this.words[2 * row + 1]!) << 32n) | BigInt(this.words[2 * row]! >>> 0);
  }

  /** The exact way, for values at and beyond the ends of the range. */
  #appendRare(bytes: Buffer, start: number): void {
    const micros = bytes.readBigInt64BE(start);
    if (micros === POSITIVE_INFINITY || micros === NEGATIVE_INFINITY) this.#appendInfinity(micros < 0n ? -1 : 1);
    else this.append(micros + EPOCH_MICROS);
  }

  #appendOutside(text: string, day: number): void {
    this.unfit(text, outsideReason(day), () => this.#store(day < FIRST_DAY ? FIRST_MICROS : LAST_MICROS));
  }

  #appendInfinity(sign: -1 | 1): void {
    const text = sign < 0 ? '-infinity' : 'infinity';
    this.unfit(text, text, () => this.#store(sign < 0 ? FIRST_MICROS : LAST_MICROS));
  }

  #store(micros: bigint): void {
    this.#storeHalves(Number(micros >> 32n), Number(BigInt.asIntN(32, micros)));
  }

  #storeHalves(hi: number, lo: number): void {
    if (this.rows === this.capacity) this.reserve(1);
    this.words[2 * this.rows] = lo;
    this.words[2 * this.rows + 1] = hi;
    this.commit();
  }
}
