/** Decimal(p, s): the unscaled integer in 32, 64, 128 or 256 bits. */
import { int16At } from './big-endian.ts';
import type { ColumnOptions } from './column-base.ts';
import { DecimalAccumulator } from './decimal-accumulator.ts';
import { FixedColumn } from './fixed-column.ts';
import {
  formatNumeric,
  isSpecialNumeric,
  NUMERIC_HEAD_BYTES,
  NUMERIC_NEGATIVE,
  specialOfSign,
} from './numeric-text.ts';

/** Most digits that ClickHouse keeps. */
export const MOST_PRECISION = 76;

const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
/** Longest text that is looked at as a special. */
const SPECIAL_LENGTH = 9;
const GROUP_DIGITS = 4;
const GROUP_BASE = 10_000;
const POWERS = [1, 10, 100, 1_000, 10_000];

/** Bytes of a Decimal of `precision` digits. */
function widthOf(precision: number): number {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}

/** Decimal digits of a base-10000 digit. */
function digitCount(group: number): number {
  if (group < 10) return 1;
  if (group < 100) return 2;
  return group < 1_000 ? 3 : 4;
}

/** numeric(p, s). */
export class DecimalColumn extends FixedColumn {
  readonly #precision: number;
  readonly #scale: number;
  /** Groups of four digits behind the point, the last one perhaps in part. */
  readonly #fractionGroups: number;
  readonly #sum: DecimalAccumulator;

  constructor(options: ColumnOptions, shape: { precision: number; scale: number }) {
    super(options, widthOf(shape.precision));
    this.#precision = shape.precision;
    this.#scale = shape.scale;
    this.#fractionGroups = Math.ceil(shape.scale / GROUP_DIGITS);
    this.#sum = new DecimalAccumulator(this.width / 4);
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end > bytes.length || end <= start) throw this.syntax('numeric');
    const negative = bytes[start] === MINUS;
    let first = negative ? start + 1 : start;
    const point = this.#checkDigits(bytes, first, end);
    if (point < 0)
      return this.#appendSpecial(bytes.toString('latin1', start, Math.min(end, start + SPECIAL_LENGTH + 1)));
    while (first < point && bytes[first] === ZERO) first++;
    const unfit = this.#textMisfit(bytes, { point, end }, point - first);
    if (unfit !== null) return this.#refuse(bytes.toString('latin1', start, end), unfit, negative);
    this.#sum.reset();
    this.#pushDigits(bytes, { from: first, to: point, end: point });
    this.#pushDigits(bytes, { from: point + 1, to: point + 1 + this.#scale, end });
    this.#store(negative);
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    const groups = this.#checkBinary(bytes, start, end);
    const sign = bytes.readUInt16BE(start + 4);
    const special = specialOfSign(sign);
    if (special === undefined) throw this.syntax('numeric: unknown sign');
    if (special !== null) return this.#appendSpecial(special);
    const negative = sign === NUMERIC_NEGATIVE;
    const misfit = this.#sumGroups(bytes, { start, groups, weight: int16At(bytes, start + 2) });
    if (misfit === null) this.#store(negative);
    else this.#refuse(formatNumeric(bytes, start), misfit, negative);
  }

  value(row: number): bigint | null {
    if (this.isNull(row)) return null;
    const count = this.width / 4;
    let value = BigInt(this.words[row * count + count - 1]!);
    for (let i = count - 2; i >= 0; i--) value = (value << 32n) | BigInt(this.words[row * count + i]! >>> 0);
    return value;
  }

  /** The offset of the point (or the end); −1 when the text is not digits with at most one point inside. */
  #checkDigits(bytes: Buffer, first: number, end: number): number {
    let point = end;
    for (let at = first; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === DOT && point === end) point = at;
      else if (byte < 48 || byte > 57) return -1;
    }
    return point === first || point === end - 1 ? -1 : point;
  }

  #textMisfit(bytes: Buffer, { point, end }: { point: number; end: number }, integerDigits: number): string | null {
    if (integerDigits > this.#precision - this.#scale) return this.#tooLong(integerDigits);
    for (let at = point + 1 + this.#scale; at < end; at++) if (bytes[at] !== ZERO) return this.#tooFine();
    return null;
  }

  /** Adds the digits of `[from, to)`, four in a step; those behind `end` are zeros that the text leaves out. */
  #pushDigits(bytes: Buffer, { from, to, end }: { from: number; to: number; end: number }): void {
    for (let at = from; at < to; at += GROUP_DIGITS) {
      const next = Math.min(at + GROUP_DIGITS, to);
      let group = 0;
      for (let i = at; i < next; i++) group = group * 10 + (i < end ? bytes[i]! - ZERO : 0);
      this.#sum.push(POWERS[next - at]!, group);
    }
  }

  /** Checks a binary value's form; returns its count of digits. */
  #checkBinary(bytes: Buffer, start: number, end: number): number {
    if (start < 0 || end > bytes.length || end - start < NUMERIC_HEAD_BYTES) throw this.syntax('numeric');
    const groups = bytes.readUInt16BE(start);
    if (end - start !== NUMERIC_HEAD_BYTES + 2 * groups) throw this.syntax('numeric: digits do not fill the value');
    for (let at = start + NUMERIC_HEAD_BYTES; at < end; at += 2) {
      const group = int16At(bytes, at);
      if (group < 0 || group >= GROUP_BASE) throw this.syntax('numeric: a digit is not below 10000');
    }
    return groups;
  }

  /** Adds the base-10000 digits up, as far as the scale reaches; returns why the value does not fit. */
  #sumGroups(
    bytes: Buffer,
    { start, groups, weight }: { start: number; groups: number; weight: number },
  ): string | null {
    this.#sum.reset();
    let started = false;
    for (let i = 0; i < groups; i++) {
      const group = int16At(bytes, start + NUMERIC_HEAD_BYTES + 2 * i);
      if (group === 0 && !started) continue;
      const power = weight - i;
      if (!started && power >= 0) {
        const integerDigits = power * GROUP_DIGITS + digitCount(group);
        if (integerDigits > this.#precision - this.#scale) return this.#tooLong(integerDigits);
      }
      started = true;
      if (!this.#pushGroup(power, group)) return this.#tooFine();
    }
    // Groups that the value leaves out are zeros.
    if (started) for (let power = weight - groups; power >= -this.#fractionGroups; power--) this.#pushGroup(power, 0);
    return null;
  }

  /** Adds the digit of 10000^power; false when it has digits that the scale has no room for. */
  #pushGroup(power: number, group: number): boolean {
    if (power < -this.#fractionGroups) return group === 0;
    const surplus = power < 0 ? Math.max(0, -power * GROUP_DIGITS - this.#scale) : 0;
    if (group % POWERS[surplus]! !== 0) return false;
    this.#sum.push(POWERS[GROUP_DIGITS - surplus]!, group / POWERS[surplus]!);
    return true;
  }

  #tooLong(digits: number): string {
    return `${digits} digits before the point, ${this.#precision - this.#scale} fit`;
  }

  #tooFine(): string {
    return `more than ${this.#scale} digits behind the point`;
  }

  #appendSpecial(text: string): void {
    if (!isSpecialNumeric(text)) throw this.syntax('numeric');
    if (text === 'NaN') this.unfit(text, text, null);
    else this.#refuse(text, text, text.startsWith('-'));
  }

  /** Applies the policy; the nearest value is the largest of its sign, unless only the fraction was too fine. */
  #refuse(text: string, reason: string, negative: boolean): void {
    this.unfit(text, reason, reason === this.#tooFine() ? null : () => this.#storeLimit(negative));
  }

  #storeLimit(negative: boolean): void {
    this.#sum.reset();
    for (let i = 0; i < this.#precision; i++) this.#sum.push(10, 9);
    this.#store(negative);
  }

  #store(negative: boolean): void {
    if (this.rows === this.capacity) this.reserve(1);
    this.#sum.store(this.words, this.rows * (this.width / 4), negative);
    this.commit();
  }
}
