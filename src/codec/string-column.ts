/**
 * String, kept as it goes over the wire: each value behind its length as a varint. Encoding a column is
 * then one view of memory.
 */
import { AppError } from '../model/errors.ts';
import { ColumnBase } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';
import { readVarint, varintWidth, writeVarint } from './varint.ts';

const FIRST_ROWS = 1024;
const FIRST_BYTES = 16 * 1024;
/** Below this a loop beats the native copy. */
const LOOP_COPY_BYTES = 24;
/** Offsets are 32 bits wide; a batch is sent long before. */
const MOST_BYTES = 2 ** 31;

/** text, varchar, name, json. */
export class StringColumn extends ColumnBase {
  #bytes = Buffer.alloc(0);
  #used = 0;
  /** Where each row begins; its end is the next one's beginning. */
  #starts = new Uint32Array(0);

  get byteLength(): number {
    return this.#used + (this.nulls === null ? 0 : this.rows);
  }

  /** Appends the bytes as they are: UTF-8, as the session's client_encoding. */
  append(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length < 0 || start < 0 || end > bytes.length) throw this.syntax('text: it ends outside its bytes');
    this.#reserve(1, length + varintWidth(length));
    const to = writeVarint(this.#bytes, this.#open(), length);
    if (length > LOOP_COPY_BYTES) bytes.copy(this.#bytes, to, start, end);
    else for (let i = 0; i < length; i++) this.#bytes[to + i] = bytes[start + i]!;
    this.#used = to + length;
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    this.append(bytes, start, end);
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.append(bytes, start, end);
  }

  protected appendZero(): void {
    this.#reserve(1, 1);
    this.#used = writeVarint(this.#bytes, this.#open(), 0);
  }

  appendFrom(source: ColumnBuffer, row: number): void {
    if (!(source instanceof StringColumn) || source.clickhouseType !== this.clickhouseType) throw this.foreign(source);
    if (row < 0 || row >= source.rows)
      throw new AppError('INTERNAL', `${this.options.label}: no row ${row} to append from`);
    const start = source.#starts[row]!;
    const end = source.#end(row);
    this.#reserve(1, end - start);
    const to = this.#open();
    source.#bytes.copy(this.#bytes, to, start, end);
    this.#used = to + end - start;
    if (source.isNull(row)) this.nulls![this.rows - 1] = 1;
  }

  truncate(rows: number): void {
    if (rows >= this.rows) return;
    this.#used = this.#starts[rows]!;
    this.rows = rows;
  }

  value(row: number): string | null {
    return this.bytesOf(row)?.toString('utf8') ?? null;
  }

  /** The bytes of a row: a view, valid until the next append or clear. */
  protected bytesOf(row: number): Buffer | null {
    if (this.isNull(row)) return null;
    const { next } = readVarint(this.#bytes, this.#starts[row]!);
    return this.#bytes.subarray(next, this.#end(row));
  }

  encode(parts: Uint8Array[]): void {
    if (this.nulls !== null) parts.push(this.nulls.subarray(0, this.rows));
    parts.push(this.#bytes.subarray(0, this.#used));
  }

  decode(bytes: Buffer, offset: number, rows: number): number {
    const first = this.nulls === null ? offset : offset + rows;
    // Every value has at least its length byte: a count beyond the bytes is damage, not a reason to allocate.
    if (first + rows > bytes.length) throw this.syntax('Native data: it ends early');
    this.#reserve(rows, 0);
    const from = this.rows;
    let at = first;
    for (let i = 0; i < rows; i++) {
      const { value, next } = readVarint(bytes, at);
      if (next + value > bytes.length) throw this.syntax('Native data: a string ends outside its bytes');
      this.#starts[from + i] = this.#used + at - first;
      at = next + value;
    }
    this.#reserve(0, at - first);
    this.nulls?.set(bytes.subarray(offset, first), from);
    bytes.copy(this.#bytes, this.#used, first, at);
    this.#used += at - first;
    this.rows = from + rows;
    return at;
  }

  /** Begins a row that is not NULL; returns where its bytes go. */
  #open(): number {
    this.#starts[this.rows] = this.#used;
    if (this.nulls !== null) this.nulls[this.rows] = 0;
    this.rows++;
    return this.#used;
  }

  #end(row: number): number {
    return row + 1 < this.rows ? this.#starts[row + 1]! : this.#used;
  }

  #reserve(rows: number, bytes: number): void {
    if (this.rows + rows > this.#starts.length) this.#growRows(this.rows + rows);
    if (this.#used + bytes > this.#bytes.length) this.#growBytes(this.#used + bytes);
  }

  #growRows(needed: number): void {
    let capacity = Math.max(this.#starts.length, FIRST_ROWS);
    while (capacity < needed) capacity *= 2;
    const starts = new Uint32Array(capacity);
    starts.set(this.#starts.subarray(0, this.rows));
    this.#starts = starts;
    if (this.nulls === null) return;
    const nulls = new Uint8Array(capacity);
    nulls.set(this.nulls.subarray(0, this.rows));
    this.nulls = nulls;
  }

  #growBytes(needed: number): void {
    if (needed > MOST_BYTES)
      throw new AppError('INTERNAL', `${this.options.label}: a batch of more than 2 GiB in one column`);
    let capacity = Math.max(this.#bytes.length, FIRST_BYTES);
    while (capacity < needed) capacity *= 2;
    const bytes = Buffer.alloc(capacity);
    bytes.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = bytes;
  }
}

const BLANK = 0x20;

/** character(n): without the blanks at its end, which PostgreSQL ignores in comparisons. */
export class PaddedStringColumn extends StringColumn {
  override append(bytes: Buffer, start: number, end: number): void {
    let last = end;
    while (last > start && bytes[last - 1] === BLANK) last--;
    super.append(bytes, start, last);
  }
}

const JSONB_VERSION = 1;

/** jsonb: its binary form is a version byte and the text. */
export class JsonbColumn extends StringColumn {
  override appendBinary(bytes: Buffer, start: number, end: number): void {
    if (end <= start || bytes[start] !== JSONB_VERSION) throw this.syntax('jsonb of version 1');
    this.append(bytes, start + 1, end);
  }
}
