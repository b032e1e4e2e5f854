/** Strings whose text form in PostgreSQL is not what the copy holds, or whose binary form is not the text. */
import { int16At } from './big-endian.ts';
import { isSpecialNumeric, NUMERIC_HEAD_BYTES, NUMERIC_NEGATIVE, specialOfSign } from './numeric-text.ts';
import { StringColumn } from './string-column.ts';

const BACKSLASH = 0x5c;
const LETTER_X = 0x78;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const GROUP_DIGITS = 4;
const GROUP_BASE = 10_000;
const FIRST_SCRATCH_BYTES = 1024;

/** The value of a hexadecimal digit, −1 for other bytes. */
function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** bytea: the bytes themselves. Its text form is `\x` and two digits per byte: sessions pin `bytea_output`. */
export class BytesColumn extends StringColumn {
  #scratch = Buffer.alloc(FIRST_SCRATCH_BYTES);

  override appendText(bytes: Buffer, start: number, end: number): void {
    const digits = end - start - 2;
    if (start < 0 || end > bytes.length || digits < 0 || digits % 2 !== 0) throw this.syntax('bytea');
    if (bytes[start] !== BACKSLASH || bytes[start + 1] !== LETTER_X) throw this.syntax('bytea in hexadecimal');
    const length = digits / 2;
    if (this.#scratch.length < length) this.#scratch = Buffer.alloc(2 * length);
    for (let i = 0; i < length; i++) {
      const high = hexDigit(bytes[start + 2 + 2 * i]!);
      const low = hexDigit(bytes[start + 3 + 2 * i]!);
      if (high < 0 || low < 0) throw this.syntax('bytea in hexadecimal');
      this.#scratch[i] = high * 16 + low;
    }
    this.append(this.#scratch, 0, length);
  }

  /** As PostgreSQL writes it, `\x00ff`: bytes that are no UTF-8 stay apart from each other. */
  override value(row: number): string | null {
    const bytes = this.bytesOf(row);
    return bytes === null ? null : `\\x${bytes.toString('hex')}`;
  }
}

/** numeric as the text that PostgreSQL writes: every digit, the zeros behind the point too. */
export class NumericTextColumn extends StringColumn {
  #scratch = Buffer.alloc(FIRST_SCRATCH_BYTES);

  override appendBinary(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end > bytes.length || end - start < NUMERIC_HEAD_BYTES) throw this.syntax('numeric');
    const groups = bytes.readUInt16BE(start);
    if (end - start !== NUMERIC_HEAD_BYTES + 2 * groups) throw this.syntax('numeric: digits do not fill the value');
    const sign = bytes.readUInt16BE(start + 4);
    const special = specialOfSign(sign);
    if (special === undefined) throw this.syntax('numeric: unknown sign');
    if (special !== null && isSpecialNumeric(special)) {
      const text = Buffer.from(special);
      return this.append(text, 0, text.length);
    }
    const length = this.#write(bytes, start, { groups, negative: sign === NUMERIC_NEGATIVE });
    this.append(this.#scratch, 0, length);
  }

  /** Writes the number into the scratch; returns its length. */
  #write(bytes: Buffer, start: number, { groups, negative }: { groups: number; negative: boolean }): number {
    const weight = int16At(bytes, start + 2);
    const scale = bytes.readUInt16BE(start + 6);
    const needed = (Math.max(weight, 0) + 2) * GROUP_DIGITS + scale + 2 * GROUP_DIGITS;
    if (this.#scratch.length < needed) this.#scratch = Buffer.alloc(2 * needed);
    const to = this.#scratch;
    let at = 0;
    if (negative) to[at++] = MINUS;
    const first = at;
    for (let power = Math.max(weight, 0); power >= 0; power--) {
      const group = this.#group(bytes, start, { index: weight - power, groups });
      for (let unit = GROUP_BASE / 10; unit >= 1; unit /= 10) {
        const digit = Math.floor(group / unit) % 10;
        // Zeros in front are left out, but for the last one.
        if (digit !== 0 || at > first || (power === 0 && unit === 1)) to[at++] = ZERO + digit;
      }
    }
    if (scale === 0) return at;
    to[at++] = DOT;
    const last = at + scale;
    for (let power = -1; at < last; power--) {
      const group = this.#group(bytes, start, { index: weight - power, groups });
      for (let unit = GROUP_BASE / 10; unit >= 1 && at < last; unit /= 10)
        to[at++] = ZERO + (Math.floor(group / unit) % 10);
    }
    return at;
  }

  /** The base-10000 digit `index` of the value; those that it leaves out are 0. */
  #group(bytes: Buffer, start: number, { index, groups }: { index: number; groups: number }): number {
    if (index < 0 || index >= groups) return 0;
    const group = int16At(bytes, start + NUMERIC_HEAD_BYTES + 2 * index);
    if (group < 0 || group >= GROUP_BASE) throw this.syntax('numeric: a digit is not below 10000');
    return group;
  }
}
