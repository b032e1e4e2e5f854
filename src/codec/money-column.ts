/**
 * money as Decimal(19, 2): an integer of hundredths on the wire. Its text under `lc_monetary = C`, which sessions pin, is
 * `-$1,234.50`; plain numbers are read, too.
 */
import { int32At } from './big-endian.ts';
import type { ColumnOptions } from './column-base.ts';
import { DecimalColumn } from './decimal-column.ts';

const MINUS = 0x2d;
const DOLLAR = 0x24;
const COMMA = 0x2c;
/** `-$92,233,720,368,547,758.08` is the longest. */
const MOST_TEXT = 32;
/** Digits of the widest money, and those behind its point. */
export const MONEY = { precision: 19, scale: 2 };
const WORDS = 4;

/** money. */
export class MoneyColumn extends DecimalColumn {
  readonly #plain = Buffer.alloc(MOST_TEXT);

  constructor(options: ColumnOptions) {
    super(options, MONEY);
  }

  override appendText(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end > bytes.length || end - start > MOST_TEXT) throw this.syntax('money');
    const dollar = bytes[start] === MINUS ? start + 1 : start;
    let length = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      const isSign = byte === COMMA || (byte === DOLLAR && at === dollar);
      if (!isSign) this.#plain[length++] = byte;
    }
    super.appendText(this.#plain, 0, length);
  }

  override appendBinary(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, 8);
    if (this.rows === this.capacity) this.reserve(1);
    const hi = int32At(bytes, start);
    const word = WORDS * this.rows;
    this.words[word] = int32At(bytes, start + 4);
    this.words[word + 1] = hi;
    this.words[word + 2] = hi >> 31;
    this.words[word + 3] = hi >> 31;
    this.commit();
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.reserve(rows);
    for (let i = 0; i < rows; i++) this.appendBinary(bytes, start + i * strideBytes, start + i * strideBytes + 8);
  }
}
