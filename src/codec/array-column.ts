/**
 * Array(Nullable(T)): the ends of the rows among all elements, and the elements as a column of their own.
 *
 * PostgreSQL's array is more than ClickHouse's: it may be NULL, have several dimensions, and begin at any index. Such
 * values do not fit; their nearest is the list of their elements.
 */
import type { ColumnOptions } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';
import { FixedColumn } from './fixed-column.ts';

const OPEN = 0x7b;
const CLOSE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const EQUALS = 0x3d;
const FIRST_SCRATCH_BYTES = 256;
const NULL_TEXT = Buffer.from('NULL');

/** Where a value and its parts begin and end. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** One-dimensional arrays of a type with a codec. Text only: the binary form is not asked for. */
export class ArrayColumn extends FixedColumn {
  readonly #elements: ColumnBuffer;
  readonly #delimiter: number;
  #scratch = Buffer.alloc(FIRST_SCRATCH_BYTES);

  /**
   * @param elements An empty column of the element type, with NULL.
   * @param delimiter What stands between elements: a comma, for all types but box.
   */
  constructor(options: ColumnOptions, elements: ColumnBuffer, delimiter: ',' | ';') {
    super({ ...options, nullable: false }, 8);
    this.#elements = elements;
    this.#delimiter = delimiter.charCodeAt(0);
  }

  override get byteLength(): number {
    return super.byteLength + this.#elements.byteLength;
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end > bytes.length || end - start < 2 || bytes[end - 1] !== CLOSE) throw this.syntax('an array');
    const open = this.#opening(bytes, { start, end });
    const reason = open > start ? 'the first index is not 1' : bytes[open + 1] === OPEN ? 'several dimensions' : null;
    const append = (): void => this.#appendElements(bytes, { start: open, end });
    if (reason === null) append();
    else this.unfit(bytes.toString('utf8', start, end), reason, append);
  }

  /** In COPY, an array is selected as its text. */
  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.appendText(bytes, start, end);
  }

  /** NULL is not the empty array, and an Array cannot be NULL. */
  override appendNull(): void {
    this.unfit('NULL', 'NULL in an Array', () => this.appendZero());
  }

  protected override appendZero(): void {
    this.#commit();
  }

  override appendFrom(source: ColumnBuffer, row: number): void {
    if (!(source instanceof ArrayColumn) || source.clickhouseType !== this.clickhouseType) throw this.foreign(source);
    const [from, to] = [source.#startOf(row), source.#endOf(row)];
    for (let element = from; element < to; element++) this.#elements.appendFrom(source.#elements, element);
    this.#commit();
  }

  override truncate(rows: number): void {
    super.truncate(rows);
    // Also elements of a row that was not finished.
    this.#elements.truncate(this.#startOf(this.rows));
  }

  /** The elements as JSON: for comparisons and people. */
  value(row: number): string {
    const values: unknown[] = [];
    for (let element = this.#startOf(row); element < this.#endOf(row); element++) {
      const value = this.#elements.value(element);
      values.push(typeof value === 'bigint' ? String(value) : value);
    }
    return JSON.stringify(values);
  }

  override encode(parts: Uint8Array[]): void {
    super.encode(parts);
    this.#elements.encode(parts);
  }

  override decode(bytes: Buffer, offset: number, rows: number): number {
    const first = this.rows;
    const before = this.#elements.length;
    let next = super.decode(bytes, offset, rows);
    let last = 0;
    for (let row = first; row < this.rows; row++) {
      const end = this.words[2 * row]! >>> 0;
      // Every element has at least its NULL byte.
      const isDamaged = end < last || this.words[2 * row + 1] !== 0 || end > bytes.length - next;
      if (isDamaged) throw this.syntax('Native data: an array ends before it begins, or outside its bytes');
      last = end;
      this.words[2 * row] = before + end;
    }
    next = this.#elements.decode(bytes, next, last);
    return next;
  }

  /** Where the braces begin: bounds like `[0:2]=` stand before them when an index does not begin at 1. */
  #opening(bytes: Buffer, { start, end }: Range): number {
    let open = start;
    if (bytes[start] === BRACKET) {
      while (open < end && bytes[open] !== EQUALS) open++;
      open++;
    }
    if (bytes[open] !== OPEN || open + 2 > end) throw this.syntax('an array');
    return open;
  }

  /** Appends all elements, whatever braces are around them; on an error those already appended are taken back. */
  #appendElements(bytes: Buffer, { start, end }: Range): void {
    const before = this.#elements.length;
    try {
      this.#readElements(bytes, { start, end });
    } catch (error) {
      this.#elements.truncate(before);
      throw error;
    }
    this.#commit();
  }

  #readElements(bytes: Buffer, { start, end }: Range): void {
    let depth = 0;
    let at = start;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte === OPEN) depth++;
      else if (byte === CLOSE) depth--;
      else if (byte !== this.#delimiter) {
        at = byte === QUOTE ? this.#quoted(bytes, at, end) : this.#plain(bytes, at, end);
        continue;
      }
      at++;
      if (depth === 0 && at < end) break;
    }
    if (depth !== 0 || at !== end) throw this.syntax('an array: its braces do not match');
  }

  /** Appends the element at `at`, up to a delimiter or brace; returns where it ends. */
  #plain(bytes: Buffer, at: number, end: number): number {
    let next = at;
    while (next < end && bytes[next] !== this.#delimiter && bytes[next] !== CLOSE) {
      const byte = bytes[next++];
      if (byte === OPEN || byte === QUOTE || byte === BACKSLASH) throw this.syntax('an array');
    }
    const isNull = next - at === NULL_TEXT.length && NULL_TEXT.compare(bytes, at, next) === 0;
    if (isNull) this.#elements.appendNull();
    else this.#elements.appendText(bytes, at, next);
    return next;
  }

  /** Appends the element in quotes at `at`, in which a backslash stands before `"` and `\`; returns where it ends. */
  #quoted(bytes: Buffer, at: number, end: number): number {
    if (this.#scratch.length < end - at) this.#scratch = Buffer.alloc(2 * (end - at));
    let length = 0;
    let next = at + 1;
    while (next < end && bytes[next] !== QUOTE) {
      if (bytes[next] === BACKSLASH) next++;
      this.#scratch[length++] = bytes[next++]!;
    }
    if (next >= end) throw this.syntax('an array: a quote is not closed');
    this.#elements.appendText(this.#scratch, 0, length);
    return next + 1;
  }

  /** Ends a row behind the last element. */
  #commit(): void {
    if (this.rows === this.capacity) this.reserve(1);
    this.words[2 * this.rows] = this.#elements.length;
    this.words[2 * this.rows + 1] = 0;
    this.commit();
  }

  #startOf(row: number): number {
    return row === 0 ? 0 : this.#endOf(row - 1);
  }

  #endOf(row: number): number {
    return this.words[2 * row]! >>> 0;
  }
}
