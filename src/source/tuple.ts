/**
 * Tuples inside pgoutput messages: column count (Int16), then per column a kind byte and, for values,
 * a length (Int32) and the bytes.
 */
import { protocolError, type Cursor } from './cursor.ts';

/** Kind `n`: NULL; in a `K` old tuple it means “not sent”. */
export const TUPLE_NULL = 0x6e;
/** Kind `u`: an out-of-line value that the change left alone; its bytes were not sent. */
export const TUPLE_UNCHANGED = 0x75;
/** Kind `t`: a value in the type's text form. */
export const TUPLE_TEXT = 0x74;
/** Kind `b`: a value in the type's binary form. */
export const TUPLE_BINARY = 0x62;

/**
 * Steps over a tuple and checks it, so that {@link TupleReader} can walk it without checks.
 *
 * @returns Offset of the tuple.
 * @throws {AppError} `PROTOCOL` when it is malformed or does not end within the message.
 */
export function checkTuple(cursor: Cursor): number {
  const tuple = cursor.offset;
  const count = cursor.i16();
  if (count < 0) throw protocolError(`a tuple of ${count} columns`);
  for (let column = 0; column < count; column += 1) {
    const kind = cursor.u8();
    if (kind === TUPLE_TEXT || kind === TUPLE_BINARY) cursor.skip(cursor.i32());
    else if (kind !== TUPLE_NULL && kind !== TUPLE_UNCHANGED) throw protocolError(`a column of kind ${kind}`);
  }
  return tuple;
}

/**
 * Walks a tuple that the decoder has checked. One reader serves all rows; nothing is allocated:
 *
 *     reader.open(bytes, newTuple);
 *     for (let column = 0; column < reader.count; column += 1) {
 *       if (reader.next() === TUPLE_TEXT) columns[column].appendText(bytes, reader.start, reader.end);
 *     }
 */
export class TupleReader {
  /** Columns of the tuple. */
  count = 0;
  /** Kind of the present column, one of the `TUPLE_…` constants. */
  kind = 0;
  /** Where the present column's value begins. */
  start = 0;
  /** Where it ends; equal to `start` for NULL and unchanged values. */
  end = 0;
  #bytes: Buffer = Buffer.alloc(0);

  /** Goes before the first column of the tuple at `bytes[start]`. */
  open(bytes: Buffer, start: number): void {
    this.#bytes = bytes;
    this.count = (bytes[start]! << 8) | bytes[start + 1]!;
    this.end = start + 2;
  }

  /** Offset behind the present column; after the last one, behind the tuple. */
  get offset(): number {
    return this.end;
  }

  /** Goes to the next column and returns its kind. Must not be called more than `count` times. */
  next(): number {
    const bytes = this.#bytes;
    const at = this.end;
    const kind = bytes[at]!;
    this.kind = kind;
    if (kind === TUPLE_TEXT || kind === TUPLE_BINARY) {
      this.start = at + 5;
      this.end = at + 5 + ((bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!);
    } else {
      this.start = at + 1;
      this.end = at + 1;
    }
    return kind;
  }
}
