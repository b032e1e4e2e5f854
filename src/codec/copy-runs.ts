/**
 * Runs of equal rows in a binary COPY: fixed-width fields and no NULL, so that row follows row at a
 * constant stride. Headers are checked in one loop per field, values read in one loop per column;
 * each loop does one thing to one kind of data, which is what makes it fast.
 */
import { int32At } from './big-endian.ts';
import type { ValueSink } from './column.ts';

const COPY_DATA = 0x64;
const FRAME_HEAD_BYTES = 5;
const FIELD_COUNT_BYTES = 2;
const FIELD_HEAD_BYTES = 4;

/** Recognises and reads runs for one table. */
export class RowRuns {
  /** True when every column has a fixed width. */
  readonly possible: boolean;
  readonly #columns: readonly ValueSink[];
  readonly #widths: readonly number[];
  /** Bytes of a row without NULL, from its field count on. */
  readonly #rowBytes: number;
  /** Offsets of the fields' length words in a row. */
  readonly #fieldAt: readonly number[];

  constructor(columns: readonly ValueSink[], widths: readonly (number | null)[]) {
    this.#columns = columns;
    this.possible = widths.every((width) => width !== null);
    this.#widths = widths.map((width) => width ?? 0);
    let at = FIELD_COUNT_BYTES;
    this.#fieldAt = this.#widths.map((width) => {
      const field = at;
      at += FIELD_HEAD_BYTES + width;
      return field;
    });
    this.#rowBytes = at;
  }

  /** Bytes from one row to the next. */
  stride(framed: boolean): number {
    return framed ? this.#rowBytes + FRAME_HEAD_BYTES : this.#rowBytes;
  }

  /**
   * Reads the run that begins at `start`, all complete rows up to the first that differs.
   *
   * @returns Its rows; 0 when the first row is not of the form.
   */
  read(bytes: Buffer, { start, end, framed }: { start: number; end: number; framed: boolean }): number {
    const stride = this.stride(framed);
    const head = framed ? FRAME_HEAD_BYTES : 0;
    const most = Math.floor((end - start) / stride);
    let rows = framed ? countFrames(bytes, start, { stride, rows: most }) : most;
    rows = countRows(bytes, start + head, { stride, rows, fields: this.#widths.length });
    for (let i = 0; i < this.#widths.length && rows > 0; i++) {
      rows = countFields(bytes, start + head + this.#fieldAt[i]!, { stride, rows, width: this.#widths[i]! });
    }
    if (rows > 0) this.#append(bytes, { start: start + head, stride, rows });
    return rows;
  }

  #append(bytes: Buffer, { start, stride, rows }: { start: number; stride: number; rows: number }): void {
    const firstRow = this.#columns[0]!.length;
    try {
      for (let i = 0; i < this.#columns.length; i++) {
        this.#columns[i]!.appendBinaryRun(bytes, start + this.#fieldAt[i]! + FIELD_HEAD_BYTES, stride, rows);
      }
    } catch (error) {
      for (const column of this.#columns) column.truncate(firstRow);
      throw error;
    }
  }
}

/** Counts the CopyData messages of length `stride` − 1 from `start` on. */
function countFrames(bytes: Buffer, start: number, { stride, rows }: { stride: number; rows: number }): number {
  let at = start;
  for (let row = 0; row < rows; row++) {
    if (bytes[at] !== COPY_DATA || int32At(bytes, at + 1) !== stride - 1) return row;
    at += stride;
  }
  return rows;
}

/** Counts the rows of `fields` fields from `start` on. */
function countRows(
  bytes: Buffer,
  start: number,
  { stride, rows, fields }: { stride: number; rows: number; fields: number },
): number {
  let at = start;
  for (let row = 0; row < rows; row++) {
    if (((bytes[at]! << 8) | bytes[at + 1]!) !== fields) return row;
    at += stride;
  }
  return rows;
}

/** Counts the fields of length `width` from `start` on. */
function countFields(
  bytes: Buffer,
  start: number,
  { stride, rows, width }: { stride: number; rows: number; width: number },
): number {
  let at = start;
  for (let row = 0; row < rows; row++) {
    if (int32At(bytes, at) !== width) return row;
    at += stride;
  }
  return rows;
}
