/** Integers of at most 32 bits, and booleans. */
import { int16At, int32At } from './big-endian.ts';
import type { ColumnOptions } from './column-base.ts';
import { FixedColumn } from './fixed-column.ts';
import { integerAt } from './integer-text.ts';

/** Int32 and UInt32 (integer, oid). */
export class Int32Column extends FixedColumn {
  readonly #signed: boolean;

  constructor(options: ColumnOptions, signed: boolean) {
    super(options, 4);
    this.#signed = signed;
  }

  /** Appends a number. @throws {AppError} `VALUE_SYNTAX` when it is not an integer of the range. */
  append(value: number): void {
    const stored = this.#signed ? value | 0 : value >>> 0;
    if (stored !== value) throw this.syntax(this.options.type);
    if (this.rows === this.capacity) this.reserve(1);
    this.words[this.rows] = value;
    this.commit();
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    this.append(integerAt(bytes, start, end));
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4 || end > bytes.length) this.checkWidth(bytes, { start, end }, 4);
    if (this.rows === this.capacity) this.reserve(1);
    this.words[this.rows] = int32At(bytes, start);
    this.commit();
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    const { words } = this;
    const last = this.rows + rows;
    let at = start;
    for (let row = this.rows; row < last; row++) {
      words[row] = int32At(bytes, at);
      at += strideBytes;
    }
    this.rows = last;
  }

  value(row: number): number | null {
    if (this.isNull(row)) return null;
    return this.#signed ? this.words[row]! : this.words[row]! >>> 0;
  }
}

/** Int8, UInt8, Int16 and UInt16 (smallint, and columns that the pipeline fills). */
export class SmallIntColumn extends FixedColumn {
  readonly #lowest: number;
  readonly #highest: number;

  constructor(options: ColumnOptions, width: 1 | 2, signed: boolean) {
    super(options, width);
    const span = 2 ** (8 * width);
    this.#lowest = signed ? -span / 2 : 0;
    this.#highest = signed ? span / 2 - 1 : span - 1;
  }

  /** Appends a number. @throws {AppError} `VALUE_SYNTAX` when it is not an integer of the range. */
  append(value: number): void {
    if (!(value >= this.#lowest && value <= this.#highest) || !Number.isInteger(value))
      throw this.syntax(this.options.type);
    if (this.rows === this.capacity) this.reserve(1);
    this.#store(value);
    this.commit();
  }

  /** Appends the same number `rows` times. @throws {AppError} `VALUE_SYNTAX` as {@link append}. */
  appendRepeated(value: number, rows: number): void {
    if (rows === 0) return;
    const first = this.rows;
    this.reserve(rows);
    this.append(value);
    if (this.nulls !== null) this.nulls.fill(0, first, first + rows);
    if (this.width === 1) this.bytes.fill(value, first, first + rows);
    else for (; this.rows < first + rows; this.rows++) this.#store(value);
    this.rows = first + rows;
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    this.append(integerAt(bytes, start, end));
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, this.width);
    if (this.rows === this.capacity) this.reserve(1);
    this.#store(this.width === 2 ? int16At(bytes, start) : bytes[start]!);
    this.commit();
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    for (let i = 0; i < rows; i++) {
      const at = start + i * strideBytes;
      this.#store(this.width === 2 ? int16At(bytes, at) : bytes[at]!);
      this.rows++;
    }
  }

  value(row: number): number | null {
    if (this.isNull(row)) return null;
    if (this.width === 1) return this.#lowest < 0 ? (this.bytes[row]! << 24) >> 24 : this.bytes[row]!;
    const unsigned = this.bytes[2 * row]! | (this.bytes[2 * row + 1]! << 8);
    return this.#lowest < 0 ? (unsigned << 16) >> 16 : unsigned;
  }

  #store(value: number): void {
    if (this.width === 1) {
      this.bytes[this.rows] = value;
      return;
    }
    this.bytes[2 * this.rows] = value;
    this.bytes[2 * this.rows + 1] = value >> 8;
  }
}

const TEXT_TRUE = 0x74;
const TEXT_FALSE = 0x66;

/** Bool, one byte of 0 or 1. As text `t` and `f`, and what a cast to text makes of them. */
export class BoolColumn extends FixedColumn {
  constructor(options: ColumnOptions) {
    super(options, 1);
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end > bytes.length) throw this.syntax('boolean');
    const isOne = end - start === 1;
    if (isOne ? bytes[start] === TEXT_TRUE : bytes.toString('latin1', start, end) === 'true') this.#append(1);
    else if (isOne ? bytes[start] === TEXT_FALSE : bytes.toString('latin1', start, end) === 'false') this.#append(0);
    else throw this.syntax('boolean');
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, 1);
    if (bytes[start]! > 1) throw this.syntax('boolean');
    this.#append(bytes[start]!);
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    for (let i = 0; i < rows; i++) this.appendBinary(bytes, start + i * strideBytes, start + i * strideBytes + 1);
  }

  value(row: number): boolean | null {
    return this.isNull(row) ? null : this.bytes[row] === 1;
  }

  #append(value: number): void {
    if (this.rows === this.capacity) this.reserve(1);
    this.bytes[this.rows] = value;
    this.commit();
  }
}
