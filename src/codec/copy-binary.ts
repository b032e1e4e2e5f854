/**
 * Reads `COPY … TO STDOUT (FORMAT binary)` straight into columns, however the stream is cut.
 *
 *   19 bytes of header (+ extension) → rows: int16 fields, per field int32 length (−1 = NULL) and value → int16 −1
 *
 * Tables of fixed-width columns take a fast path: rows without NULL all have the same length, so a run
 * of them lies at a constant stride, and each column reads its values in one tight loop
 * (bench/micro/copy-binary.ts measures both paths).
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
 */
import { AppError } from '../model/errors.ts';
import { int16At, int32At } from './big-endian.ts';
import type { Codec, ValueSink } from './column.ts';
import { RowRuns } from './copy-runs.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Signature, flags, length of the extension. */
const HEADER_BYTES = SIGNATURE.length + 8;
/** Bits 16–31 change the format: a reader that does not know one must stop. */
const CRITICAL_FLAGS = 0xffff0000;
const COPY_DATA = 0x64;
/** Type byte and length of a protocol message. */
const FRAME_HEAD_BYTES = 5;
const TRAILER = -1;
const FIRST_CARRY_BYTES = 4096;

/** An incremental reader of one COPY. Columns may be encoded and cleared between calls. */
export class CopyBinaryReader {
  readonly #columns: readonly ValueSink[];
  readonly #runs: RowRuns;
  #phase: 'header' | 'rows' | 'ended' = 'header';
  #rows = 0;
  /** Bytes of a unit (header or row) that was cut. */
  #carry = Buffer.alloc(0);
  #carried = 0;

  /**
   * @param columns One per field of the COPY, in its order.
   * @param codecs Their codecs: those with a `binaryWidth` allow the fast path.
   */
  constructor(columns: readonly ValueSink[], codecs: readonly Codec[]) {
    if (columns.length === 0 || columns.length !== codecs.length) {
      throw new AppError('INTERNAL', `${columns.length} columns and ${codecs.length} codecs for one COPY`);
    }
    this.#columns = columns;
    this.#runs = new RowRuns(
      columns,
      codecs.map((codec) => codec.binaryWidth),
    );
  }

  /** Rows read so far. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * Reads a run of CopyData messages of the protocol (`d`, int32 length, bytes).
   *
   * @returns The offset of the first byte not read: that of a message of another kind, of one that is not
   *   complete yet, or `end`. The caller keeps the rest and brings it back with what follows.
   * @throws {AppError} `PROTOCOL`, `VALUE_SYNTAX`, `VALUE_UNFIT`.
   */
  pushFrames(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (end - at >= FRAME_HEAD_BYTES && bytes[at] === COPY_DATA) {
      const length = int32At(bytes, at + 1);
      if (length < 4) throw protocol(`a CopyData message of length ${length}`);
      const next = at + 1 + length;
      if (next > end) break;
      const run = this.#runAt(bytes, { start: at, end, framed: true });
      if (run > at) {
        at = run;
        continue;
      }
      this.push(bytes, at + FRAME_HEAD_BYTES, next);
      at = next;
    }
    return at;
  }

  /**
   * Reads `bytes[start, end)` of the COPY stream, without frames. All of it is consumed; what belongs
   * to a row that is not complete is kept.
   *
   * @throws {AppError} `PROTOCOL`, `VALUE_SYNTAX`, `VALUE_UNFIT`: the columns then end with a whole row.
   */
  push(bytes: Buffer, start: number, end: number): void {
    let at = this.#carried === 0 ? start : this.#finishCarried(bytes, start, end);
    while (at < end) {
      const run = this.#runAt(bytes, { start: at, end, framed: false });
      const next = run > at ? run : this.#unit(bytes, at, end);
      if (next < 0) break;
      at = next;
    }
    if (at < end) this.#keep(bytes, at, end);
  }

  /** Ends the stream. @returns All rows. @throws {AppError} `PROTOCOL` when its end was not there. */
  end(): number {
    if (this.#phase !== 'ended') throw protocol(`the stream ended early, behind ${this.#rows} rows`);
    return this.#rows;
  }

  /** Reads rows of the fast path; returns the offset behind them. */
  #runAt(bytes: Buffer, range: { start: number; end: number; framed: boolean }): number {
    if (!this.#runs.possible || this.#phase !== 'rows' || this.#carried > 0) return range.start;
    const rows = this.#runs.read(bytes, range);
    this.#rows += rows;
    return range.start + rows * this.#runs.stride(range.framed);
  }

  /** Reads one header, row or trailer; returns the offset behind it, −1 when it is not complete. */
  #unit(bytes: Buffer, at: number, end: number): number {
    if (this.#phase === 'rows') return this.#row(bytes, at, end);
    if (this.#phase === 'ended') throw protocol('bytes behind the end');
    const needed = headerBytes(bytes, at, end);
    if (at + needed > end) return -1;
    this.#phase = 'rows';
    return at + needed;
  }

  #row(bytes: Buffer, start: number, end: number): number {
    if (start + 2 > end) return -1;
    if (this.#isTrailer(bytes, start)) {
      this.#phase = 'ended';
      return start + 2;
    }
    const columns = this.#columns;
    const firstRow = columns[0]!.length;
    let at = start + 2;
    try {
      for (let i = 0; i < columns.length && at >= 0; i++) at = appendField(columns[i]!, bytes, at, end);
    } catch (error) {
      this.#takeBack(firstRow);
      throw error;
    }
    if (at < 0) this.#takeBack(firstRow);
    else this.#rows++;
    return at;
  }

  #isTrailer(bytes: Buffer, at: number): boolean {
    const fields = int16At(bytes, at);
    if (fields !== this.#columns.length && fields !== TRAILER)
      throw protocol(`a row of ${fields} fields instead of ${this.#columns.length}`);
    return fields === TRAILER;
  }

  #takeBack(rows: number): void {
    for (const column of this.#columns) column.truncate(rows);
  }

  /** Completes the unit that was cut before; returns the offset behind its last byte. */
  #finishCarried(bytes: Buffer, start: number, end: number): number {
    let at = start;
    for (;;) {
      const missing = this.#unitBytes(this.#carry, this.#carried) - this.#carried;
      if (missing <= 0) break;
      if (at === end) return end;
      const taken = Math.min(missing, end - at);
      this.#keep(bytes, at, at + taken);
      at += taken;
    }
    const size = this.#carried;
    this.#carried = 0;
    this.#unit(this.#carry, 0, size);
    return at;
  }

  /** Bytes that the unit at the beginning of `bytes` has at least, as far as `length` bytes of it tell. */
  #unitBytes(bytes: Buffer, length: number): number {
    if (this.#phase !== 'rows') return headerBytes(bytes, 0, length);
    if (length < 2 || this.#isTrailer(bytes, 0)) return 2;
    let at = 2;
    for (let i = 0; i < this.#columns.length; i++) {
      if (at + 4 > length) return at + 4;
      at += 4 + Math.max(fieldLength(bytes, at), 0);
    }
    return at;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const size = this.#carried + end - start;
    if (size > this.#carry.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * this.#carry.length, FIRST_CARRY_BYTES));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(bytes.subarray(start, end), this.#carried);
    this.#carried = size;
  }
}

/** Appends the field at `at`; returns the offset behind it, −1 when it is not complete. */
function appendField(column: ValueSink, bytes: Buffer, at: number, end: number): number {
  const value = at + 4;
  if (value > end) return -1;
  const length = fieldLength(bytes, at);
  if (length < 0) {
    column.appendNull();
    return value;
  }
  if (value + length > end) return -1;
  column.appendBinary(bytes, value, value + length);
  return value + length;
}

/** The length word at `at`: −1 for NULL. */
function fieldLength(bytes: Buffer, at: number): number {
  const length = int32At(bytes, at);
  if (length < -1) throw protocol(`a field of length ${length}`);
  return length;
}

/** Bytes of the header at `at`, as far as `[at, end)` tells: 19, and then those of its extension. */
function headerBytes(bytes: Buffer, at: number, end: number): number {
  if (end - at < HEADER_BYTES) return HEADER_BYTES;
  const flags = at + SIGNATURE.length;
  if (SIGNATURE.compare(bytes, at, flags) !== 0) throw protocol('it does not begin with the signature');
  if ((int32At(bytes, flags) & CRITICAL_FLAGS) !== 0) throw protocol('unknown critical flags');
  const extension = int32At(bytes, flags + 4);
  if (extension < 0) throw protocol(`an extension of ${extension} bytes`);
  return HEADER_BYTES + extension;
}

function protocol(what: string): AppError {
  return new AppError('PROTOCOL', `COPY in binary format: ${what}`);
}
