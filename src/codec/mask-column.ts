/**
 * Columns whose values are made unreadable as they are appended: nothing of the value itself is kept, and so nothing of
 * it can be stored, looked up or told.
 */
import { createHash, type Hash } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import type { ColumnOptions } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';
import { StringColumn } from './string-column.ts';

const BLANK = 0x20;
const HEX_CHARACTERS = 64;

/** SHA-256 of salt and text, in hexadecimal. */
export class HashColumn extends StringColumn {
  readonly #salted: Hash;
  readonly #isPadded: boolean;
  readonly #hex = Buffer.alloc(HEX_CHARACTERS);

  /** @param isPadded Blanks at the end do not count, as in character(n). */
  constructor(options: ColumnOptions, salt: string, isPadded: boolean) {
    super(options);
    this.#salted = createHash('sha256').update(salt, 'utf8');
    this.#isPadded = isPadded;
  }

  override append(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end < start || end > bytes.length) throw this.syntax('text: it ends outside its bytes');
    const last = this.#isPadded ? withoutBlanks(bytes, start, end) : end;
    // The state behind the salt is kept, and goes on in a copy for each value.
    this.#hex.write(this.#salted.copy().update(bytes.subarray(start, last)).digest('hex'), 'latin1');
    super.append(this.#hex, 0, HEX_CHARACTERS);
  }
}

/** The first characters of a text. */
export class TruncatedColumn extends StringColumn {
  readonly #characters: number;
  readonly #isPadded: boolean;

  constructor(options: ColumnOptions, characters: number, isPadded: boolean) {
    super(options);
    this.#characters = characters;
    this.#isPadded = isPadded;
  }

  override append(bytes: Buffer, start: number, end: number): void {
    const last = this.#isPadded ? withoutBlanks(bytes, start, end) : end;
    super.append(bytes, start, behindCharacters(bytes, { start, end: last }, this.#characters));
  }
}

/** NULL for every value, in a column of the value's own type. */
export class NulledColumn implements ColumnBuffer {
  readonly #inner: ColumnBuffer;

  /** @param inner An empty column that can hold NULL. */
  constructor(inner: ColumnBuffer) {
    if (!inner.clickhouseType.includes('Nullable(')) throw new AppError('INTERNAL', 'a column that cannot hold NULL');
    this.#inner = inner;
  }

  get clickhouseType(): string {
    return this.#inner.clickhouseType;
  }
  get length(): number {
    return this.#inner.length;
  }
  get byteLength(): number {
    return this.#inner.byteLength;
  }
  appendText(): void {
    this.#inner.appendNull();
  }
  appendBinary(): void {
    this.#inner.appendNull();
  }
  appendBinaryRun(_bytes: Buffer, _start: number, _strideBytes: number, rows: number): void {
    for (let row = 0; row < rows; row++) this.#inner.appendNull();
  }
  appendNull(): void {
    this.#inner.appendNull();
  }
  appendFiller(): void {
    this.#inner.appendNull();
  }
  appendFrom(): void {
    this.#inner.appendNull();
  }
  truncate(rows: number): void {
    this.#inner.truncate(rows);
  }
  clear(): void {
    this.#inner.clear();
  }
  isNull(): boolean {
    return true;
  }
  value(): null {
    return null;
  }
  encode(parts: Uint8Array[]): void {
    this.#inner.encode(parts);
  }
  /** What the copy has is passed over, whatever it is: it is not masked by anybody else. */
  decode(bytes: Buffer, offset: number, rows: number): number {
    return this.#inner.decode(bytes, offset, rows);
  }
}

function withoutBlanks(bytes: Buffer, start: number, end: number): number {
  let last = end;
  while (last > start && bytes[last - 1] === BLANK) last--;
  return last;
}

/** Offset behind the first characters of UTF-8: bytes `10xxxxxx` go on with the one before. */
function behindCharacters(bytes: Buffer, { start, end }: { start: number; end: number }, characters: number): number {
  let left = characters;
  for (let at = start; at < end; at++) {
    if (((bytes[at] ?? 0) & 0xc0) === 0x80) continue;
    if (left-- === 0) return at;
  }
  return end;
}
