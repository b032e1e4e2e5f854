/**
 * UUID. ClickHouse keeps it as two UInt64 in little-endian order, the upper half first: each half of
 * the sixteen bytes is reversed.
 */
import { int32At } from './big-endian.ts';
import type { ColumnOptions } from './column-base.ts';
import { FixedColumn } from './fixed-column.ts';

const TEXT_LENGTH = 36;
const DASH = 0x2d;
/** Offsets of the 32 hexadecimal digits in the text. */
const DIGIT_AT = Array.from({ length: TEXT_LENGTH }, (_, at) => at).filter((at) => ![8, 13, 18, 23].includes(at));

/** The value of a hexadecimal digit, −1 for other bytes. */
function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** uuid. */
export class UuidColumn extends FixedColumn {
  readonly #raw = Buffer.alloc(16);

  constructor(options: ColumnOptions) {
    super(options, 16);
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, TEXT_LENGTH);
    for (const dash of [8, 13, 18, 23]) if (bytes[start + dash] !== DASH) throw this.syntax('uuid');
    for (let i = 0; i < 16; i++) {
      const high = hexDigit(bytes[start + DIGIT_AT[2 * i]!]!);
      const low = hexDigit(bytes[start + DIGIT_AT[2 * i + 1]!]!);
      if (high < 0 || low < 0) throw this.syntax('uuid');
      this.#raw[i] = high * 16 + low;
    }
    this.appendBinary(this.#raw, 0, 16);
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, 16);
    this.appendBinaryRun(bytes, start, 0, 1);
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    const { words } = this;
    for (let i = 0; i < rows; i++) {
      const at = start + i * strideBytes;
      const word = 4 * (this.rows + i);
      words[word] = int32At(bytes, at + 4);
      words[word + 1] = int32At(bytes, at);
      words[word + 2] = int32At(bytes, at + 12);
      words[word + 3] = int32At(bytes, at + 8);
    }
    this.rows += rows;
  }

  value(row: number): string | null {
    if (this.isNull(row)) return null;
    const word = (index: number): string => (this.words[4 * row + index]! >>> 0).toString(16).padStart(8, '0');
    const hex = word(1) + word(0) + word(3) + word(2);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
}
