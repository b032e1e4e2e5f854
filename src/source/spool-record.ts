/**
 * A record of the spool: one message of a transaction in progress.
 *
 *   record = length of the message (UInt32), position (two UInt32: hi, lo), xid (UInt32), message
 *
 * The message is in the form that it has inside a committed transaction, without the xid.
 */
import type { InProgressMessage, WalPosition } from './changes.ts';

/** Bytes before the message. */
export const RECORD_HEADER = 16;

/** What a record needs, header included. */
export function recordSize(message: InProgressMessage): number {
  return RECORD_HEADER + 1 + message.end - message.start;
}

/** Writes header and kind at `into[at]`. @returns The offset behind them, where the message's other bytes go. */
export function writeRecordHead(message: InProgressMessage, position: WalPosition, into: Buffer, at: number): number {
  into.writeUInt32LE(1 + message.end - message.start, at);
  into.writeUInt32LE(position.hi, at + 4);
  into.writeUInt32LE(position.lo, at + 8);
  into.writeUInt32LE(message.xid, at + 12);
  into[at + RECORD_HEADER] = message.kind;
  return at + RECORD_HEADER + 1;
}

/** Whole size of the record at `bytes[at]`, of which at least the header is there. */
export function sizeAt(bytes: Buffer, at: number): number {
  return RECORD_HEADER + bytes.readUInt32LE(at);
}

/** Offset behind the last complete record of `bytes[0, end)`, which begins with one. */
export function completeEnd(bytes: Buffer, end: number): number {
  let at = 0;
  while (at + RECORD_HEADER <= end) {
    const next = at + sizeAt(bytes, at);
    if (next > end) break;
    at = next;
  }
  return at;
}

/** A view of records, one after the other; one instance serves all. */
export class RecordReader {
  /** Position of the present record's change. */
  readonly position = { hi: 0, lo: 0 };
  xid = 0;
  /** Where its message begins, and where it and the record end. */
  start = 0;
  end = 0;

  /** Goes to the record at `bytes[at]`, which is complete. */
  open(bytes: Buffer, at: number): void {
    this.position.hi = bytes.readUInt32LE(at + 4);
    this.position.lo = bytes.readUInt32LE(at + 8);
    this.xid = bytes.readUInt32LE(at + 12);
    this.start = at + RECORD_HEADER;
    this.end = at + sizeAt(bytes, at);
  }
}
