/**
 * Columns whose values are made unreadable as they are appended: nothing of the value itself is kept, and so nothing of
 * it can be stored, looked up or told.
 */
import { createHash, type Hash } from 'node:crypto';
import type { ColumnOptions } from './column-base.ts';
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
