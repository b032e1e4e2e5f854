/** Int64 and UInt64, kept and written in 32-bit halves: no BigInt per value. */
import { int32At } from './big-endian.ts';
import type { ColumnOptions } from './column-base.ts';
import { FixedColumn } from './fixed-column.ts';
import { readInteger64, type Halves } from './integer-text.ts';

/** Int64 (bigint) and UInt64 (WAL positions). */
export class Int64Column extends FixedColumn {
  readonly #signed: boolean;
  readonly #halves: Halves = { hi: 0, lo: 0 };

  constructor(options: ColumnOptions, signed: boolean) {
    super(options, 8);
    this.#signed = signed;
  }

  /** Appends a value given as its upper and lower 32 bits (signed or unsigned alike). */
  appendHalves(hi: number, lo: number): void {
    if (this.rows === this.capacity) this.reserve(1);
    this.words[2 * this.rows] = lo;
    this.words[2 * this.rows + 1] = hi;
    this.commit();
  }

  /** Appends the same value `rows` times, for example the position 0 of rows that were copied. */
  appendHalvesRepeated(hi: number, lo: number, rows: number): void {
    this.reserve(rows);
    for (let i = 0; i < rows; i++) this.appendHalves(hi, lo);
  }

  /** Appends a bigint. @throws {AppError} `VALUE_SYNTAX` when it is outside the range. */
  append(value: bigint): void {
    if ((this.#signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value)
      throw this.syntax(this.options.type);
    this.appendHalves(Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value)));
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    if (!readInteger64(bytes, { start, end }, this.#signed, this.#halves)) throw this.syntax(this.options.type);
    this.appendHalves(this.#halves.hi, this.#halves.lo);
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    if (end - start !== 8 || end > bytes.length) this.checkWidth(bytes, { start, end }, 8);
    this.appendHalves(int32At(bytes, start), int32At(bytes, start + 4));
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    const { words } = this;
    const last = 2 * (this.rows + rows);
    let at = start;
    for (let word = 2 * this.rows; word < last; word += 2) {
      words[word] = int32At(bytes, at + 4);
      words[word + 1] = int32At(bytes, at);
      at += strideBytes;
    }
    this.rows += rows;
  }

  value(row: number): bigint | null {
    if (this.isNull(row)) return null;
    const hi = this.words[2 * row + 1]!;
    return (BigInt(this.#signed ? hi : hi >>> 0) << 32n) | BigInt(this.words[2 * row]! >>> 0);
  }
}
