/** Date32: days since 1970-01-01 as Int32, from 1900-01-01 to 2299-12-31. */
import { int32At } from './big-endian.ts';
import { daysFromCivil, formatDate, outsideReason } from './civil.ts';
import type { ColumnOptions } from './column-base.ts';
import { FixedColumn } from './fixed-column.ts';
import { IsoText } from './iso-text.ts';

/** PostgreSQL counts from 2000-01-01. */
const EPOCH_DAYS = 10957;
const POSITIVE_INFINITY = 2147483647;
const NEGATIVE_INFINITY = -2147483648;
const FIRST_DAY = daysFromCivil(1900, 1, 1);
const LAST_DAY = daysFromCivil(2299, 12, 31);

/** date. */
export class DateColumn extends FixedColumn {
  readonly #iso = new IsoText('date');

  constructor(options: ColumnOptions) {
    super(options, 4);
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    const iso = this.#iso;
    if (!iso.read(bytes, start, end)) throw this.syntax('date');
    if (iso.infinite !== 0) this.#appendInfinity(iso.infinite);
    else this.#append(iso.days);
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, 4);
    const days = int32At(bytes, start);
    if (days === POSITIVE_INFINITY || days === NEGATIVE_INFINITY) this.#appendInfinity(days < 0 ? -1 : 1);
    else this.#append(days + EPOCH_DAYS);
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    for (let i = 0; i < rows; i++) {
      const at = start + i * strideBytes;
      const days = int32At(bytes, at) + EPOCH_DAYS;
      if (days < FIRST_DAY || days > LAST_DAY) this.appendBinary(bytes, at, at + 4);
      else this.words[this.rows++] = days;
    }
  }

  value(row: number): number | null {
    return this.isNull(row) ? null : this.words[row]!;
  }

  #append(days: number): void {
    if (days >= FIRST_DAY && days <= LAST_DAY) return this.#store(days);
    this.unfit(formatDate(days), outsideReason(days), () => this.#store(days < 0 ? FIRST_DAY : LAST_DAY));
  }

  #appendInfinity(sign: -1 | 1): void {
    const text = sign < 0 ? '-infinity' : 'infinity';
    this.unfit(text, text, () => this.#store(sign < 0 ? FIRST_DAY : LAST_DAY));
  }

  #store(days: number): void {
    if (this.rows === this.capacity) this.reserve(1);
    this.words[this.rows] = days;
    this.commit();
  }
}
