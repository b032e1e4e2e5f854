/** A bounded walk through one message: whatever the bytes say, nothing outside of it is read. */
import { AppError } from '../model/errors.ts';

/** The error of a message that is not what the manual says. Row values never get into it. */
export function protocolError(what: string): AppError {
  return new AppError('PROTOCOL', `malformed replication message: ${what}`);
}

/** Reads big-endian values of `bytes[offset, end)` one after another. One instance is reused for all messages. */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0);
  offset = 0;
  end = 0;

  /** Starts at `bytes[start, end)`; `end` must not exceed the buffer. */
  open(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
  }

  /** Steps over `length` bytes and returns where they begin. @throws {AppError} `PROTOCOL` when they are not there. */
  skip(length: number): number {
    const start = this.offset;
    if (length < 0 || length > this.end - start) throw protocolError('it ends too early');
    this.offset = start + length;
    return start;
  }

  /** An unsigned byte. */
  u8(): number {
    return this.bytes[this.skip(1)]!;
  }

  /** A signed 16-bit integer. */
  i16(): number {
    const at = this.skip(2);
    return ((this.bytes[at]! << 24) >> 16) | this.bytes[at + 1]!;
  }

  /** A signed 32-bit integer. */
  i32(): number {
    const { bytes } = this;
    const at = this.skip(4);
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }

  /** An unsigned 32-bit integer: an oid, an xid, half a position. */
  u32(): number {
    return this.i32() >>> 0;
  }

  /** An unsigned 64-bit integer: a position. */
  u64(): bigint {
    return this.bytes.readBigUInt64BE(this.skip(8));
  }

  /** A signed 64-bit integer: a time. */
  i64(): bigint {
    return this.bytes.readBigInt64BE(this.skip(8));
  }

  /** A zero-terminated string. */
  text(): string {
    const start = this.offset;
    let end = start;
    while (end < this.end && this.bytes[end] !== 0) end += 1;
    this.skip(end - start + 1);
    return this.bytes.toString('utf8', start, end);
  }

  /** Checks that nothing is left. @throws {AppError} `PROTOCOL`. */
  finish(): void {
    if (this.offset !== this.end) throw protocolError(`${this.end - this.offset} bytes too many`);
  }
}
