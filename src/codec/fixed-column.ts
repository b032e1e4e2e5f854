/**
 * Columns whose values all have the same width: one growing block of memory, seen as bytes and as
 * little-endian 32-bit words.
 */
import { AppError } from '../model/errors.ts';
import { ColumnBase, type ColumnOptions } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';

const FIRST_CAPACITY_ROWS = 1024;

/** Storage of a column of fixed width. Subclasses read and write values. */
export abstract class FixedColumn extends ColumnBase {
  /** Bytes per value. */
  readonly width: number;
  /** Rows that fit before memory must grow. */
  protected capacity = 0;
  protected bytes = new Uint8Array(0);
  /** The same memory as {@link bytes}, in words. */
  protected words = new Int32Array(0);

  constructor(options: ColumnOptions, width: number) {
    super(options);
    this.width = width;
  }

  get byteLength(): number {
    return this.rows * (this.nulls === null ? this.width : this.width + 1);
  }

  /** Makes room for `rows` more rows. */
  protected reserve(rows: number): void {
    const needed = this.rows + rows;
    if (needed <= this.capacity) return;
    let capacity = Math.max(this.capacity, FIRST_CAPACITY_ROWS);
    while (capacity < needed) capacity *= 2;
    const bytes = new Uint8Array(capacity * this.width);
    bytes.set(this.bytes.subarray(0, this.rows * this.width));
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
    if (this.nulls !== null) {
      const nulls = new Uint8Array(capacity);
      nulls.set(this.nulls.subarray(0, this.rows));
      this.nulls = nulls;
    }
    this.capacity = capacity;
  }

  /** Reserves a run, marks it not NULL, and checks that it lies inside `bytes`. */
  protected openRun(bytes: Buffer, run: { start: number; stride: number; rows: number }): void {
    if (run.rows > 0 && (run.start < 0 || run.start + (run.rows - 1) * run.stride + this.width > bytes.length)) {
      throw this.syntax(`${this.options.type}: a run of rows ends outside its bytes`);
    }
    this.reserve(run.rows);
    if (this.nulls !== null) this.nulls.fill(0, this.rows, this.rows + run.rows);
  }

  /** Counts the value just written at index `rows` as a row that is not NULL. */
  protected commit(): void {
    if (this.nulls !== null) this.nulls[this.rows] = 0;
    this.rows++;
  }

  protected appendZero(): void {
    this.reserve(1);
    this.bytes.fill(0, this.rows * this.width, (this.rows + 1) * this.width);
    this.commit();
  }

  appendFrom(source: ColumnBuffer, row: number): void {
    if (!(source instanceof FixedColumn) || source.clickhouseType !== this.clickhouseType) throw this.foreign(source);
    if (row < 0 || row >= source.rows)
      throw new AppError('INTERNAL', `${this.options.label}: no row ${row} to append from`);
    this.reserve(1);
    const { width, rows } = this;
    // Byte by byte: cheaper than a native call for values of at most 32 bytes.
    for (let i = 0; i < width; i++) this.bytes[rows * width + i] = source.bytes[row * width + i]!;
    if (this.nulls !== null && source.nulls !== null) this.nulls[rows] = source.nulls[row]!;
    this.rows++;
  }

  truncate(rows: number): void {
    if (rows < this.rows) this.rows = rows;
  }

  encode(parts: Uint8Array[]): void {
    if (this.nulls !== null) parts.push(this.nulls.subarray(0, this.rows));
    parts.push(this.bytes.subarray(0, this.rows * this.width));
  }

  decode(bytes: Buffer, offset: number, rows: number): number {
    const data = this.nulls === null ? offset : offset + rows;
    const end = data + rows * this.width;
    if (end > bytes.length) throw this.syntax(`Native data: ${rows} rows do not fit its bytes`);
    this.reserve(rows);
    if (this.nulls !== null) this.nulls.set(bytes.subarray(offset, data), this.rows);
    this.bytes.set(bytes.subarray(data, end), this.rows * this.width);
    this.rows += rows;
    return end;
  }
}
