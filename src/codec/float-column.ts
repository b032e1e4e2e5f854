/** Float32 and Float64. */
import { int32At } from './big-endian.ts';
import { FixedColumn } from './fixed-column.ts';

/** The shortest-exact output of both engines; `Number` alone would also take `0x10`, blanks and the empty text. */
const DECIMAL_TEXT = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/;
const SPECIAL: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity };

/** real and double precision; NaN and the infinities are values of both engines. */
export class FloatColumn extends FixedColumn {
  #floats = new Float64Array(0);
  #singles = new Float32Array(0);

  protected override reserve(rows: number): void {
    super.reserve(rows);
    if (this.#floats.buffer === this.bytes.buffer) return;
    this.#floats = new Float64Array(this.bytes.buffer, 0, Math.floor(this.bytes.length / 8));
    this.#singles = new Float32Array(this.bytes.buffer, 0, Math.floor(this.bytes.length / 4));
  }

  appendText(bytes: Buffer, start: number, end: number): void {
    if (start < 0 || end > bytes.length) this.#refuse();
    const text = bytes.toString('latin1', start, end);
    const value = SPECIAL[text] ?? (DECIMAL_TEXT.test(text) ? this.#finite(Number(text)) : this.#refuse());
    this.reserve(1);
    if (this.width === 4) this.#singles[this.rows] = value;
    else this.#floats[this.rows] = value;
    this.commit();
  }

  appendBinary(bytes: Buffer, start: number, end: number): void {
    this.checkWidth(bytes, { start, end }, this.width);
    this.appendBinaryRun(bytes, start, 0, 1);
  }

  override appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void {
    this.openRun(bytes, { start, stride: strideBytes, rows });
    const wordsPerRow = this.width / 4;
    for (let i = 0; i < rows; i++) {
      const at = start + i * strideBytes;
      const word = (this.rows + i) * wordsPerRow;
      this.words[word] = int32At(bytes, at + this.width - 4);
      if (wordsPerRow === 2) this.words[word + 1] = int32At(bytes, at);
    }
    this.rows += rows;
  }

  value(row: number): number | null {
    if (this.isNull(row)) return null;
    return this.width === 4 ? this.#singles[row]! : this.#floats[row]!;
  }

  #finite(value: number): number {
    const stored = this.width === 4 ? Math.fround(value) : value;
    return Number.isFinite(stored) ? value : this.#refuse();
  }

  #refuse(): never {
    throw this.syntax(this.options.type);
  }
}

/** A number as a literal of ClickHouse, by its bits: a text would be read nearly right. */
export function floatLiteral(value: number, width: 4 | 8): string {
  const bytes = Buffer.alloc(width);
  if (width === 4) bytes.writeFloatBE(value);
  else bytes.writeDoubleBE(value);
  return `reinterpretAsFloat${8 * width}(toUInt${8 * width}('${BigInt(`0x${bytes.toString('hex')}`)}'))`;
}
