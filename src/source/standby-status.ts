/**
 * The messages inside CopyData of a replication connection, except for the changes themselves.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 */
import type { Lsn } from '../model/lsn.ts';

/** XLogData, `w`: start (UInt64), end (UInt64), server clock (Int64), then one pgoutput message. */
export const XLOG_DATA = 0x77;
/** Bytes of {@link XLOG_DATA} before the message. */
export const XLOG_DATA_HEADER = 25;
/** Primary keep-alive, `k`: end (UInt64), server clock (Int64), 1 when a reply is wanted at once. */
export const KEEPALIVE = 0x6b;
/** Bytes of a {@link KEEPALIVE}. */
export const KEEPALIVE_BYTES = 18;

/** µs from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins. */
const EPOCH_2000_US = 946_684_800_000_000n;

/**
 * Frames a standby status update.
 *
 * @param durable Written, flushed and applied up to here; the slot moves to it. 0 leaves the slot where it is.
 * @param replyRequested Asks the server for a keep-alive at once.
 */
export function encodeStandbyStatus(durable: Lsn, replyRequested: boolean): Buffer {
  const frame = Buffer.allocUnsafe(39);
  frame.write('d', 0, 'latin1');
  frame.writeUInt32BE(38, 1);
  frame.write('r', 5, 'latin1');
  frame.writeBigUInt64BE(durable, 6);
  frame.writeBigUInt64BE(durable, 14);
  frame.writeBigUInt64BE(durable, 22);
  frame.writeBigInt64BE(BigInt(Date.now()) * 1000n - EPOCH_2000_US, 30);
  frame.writeUInt8(replyRequested ? 1 : 0, 38);
  return frame;
}

/** Frames CopyDone: the end of our half of the stream. */
export function encodeCopyDone(): Buffer {
  return Buffer.from([0x63, 0, 0, 0, 4]);
}
