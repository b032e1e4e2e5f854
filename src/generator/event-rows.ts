/**
 * Events as rows of PostgreSQL's binary COPY format, in chunks: 22 bytes a row, nothing for the server to parse.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html “Binary Format”
 */
import type { AdEvent } from './event-stream.ts';

/** What every binary COPY begins with: the signature, no flags, no header extension. */
export const COPY_HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex');
/** What every binary COPY ends with: a field count of −1. */
export const COPY_TRAILER = Buffer.from('ffff', 'hex');

/** int16 field count, int32 length and int32 campaign_id, int32 length and int64 created_at. */
const ROW_BYTES = 2 + 4 + 4 + 4 + 8;
/** Rows of a full chunk: a little more than 64 KB, as small chunks cost more than their rows. */
export const CHUNK_ROWS = 3000;
/** 2000-01-01, from which PostgreSQL counts timestamps, in µs since 1970. */
const POSTGRES_EPOCH_US = 946_684_800_000_000;

/** Some rows, encoded. */
export interface RowChunk {
  readonly bytes: Buffer;
  readonly rows: number;
}

/** Encodes events as `(campaign_id, created_at)`, up to `CHUNK_ROWS` to a chunk, without header and trailer. */
export function* encodeEvents(events: Iterable<AdEvent>): Generator<RowChunk, void> {
  let bytes = Buffer.allocUnsafe(CHUNK_ROWS * ROW_BYTES);
  let rows = 0;
  for (const event of events) {
    writeRow(bytes, rows * ROW_BYTES, event);
    if (++rows < CHUNK_ROWS) continue;
    yield { bytes, rows };
    // A new buffer each time: the socket may still hold the one before.
    bytes = Buffer.allocUnsafe(CHUNK_ROWS * ROW_BYTES);
    rows = 0;
  }
  if (rows > 0) yield { bytes: bytes.subarray(0, rows * ROW_BYTES), rows };
}

function writeRow(bytes: Buffer, offset: number, event: AdEvent): void {
  const micros = event.micros - POSTGRES_EPOCH_US;
  bytes.writeInt16BE(2, offset);
  bytes.writeInt32BE(4, offset + 2);
  bytes.writeInt32BE(event.campaignId, offset + 6);
  bytes.writeInt32BE(8, offset + 10);
  // The two halves of the int64; `>>> 0` takes a number modulo 2³², negative ones too, and no BigInt is made.
  bytes.writeInt32BE(Math.floor(micros / 4_294_967_296), offset + 14);
  bytes.writeUInt32BE(micros >>> 0, offset + 18);
}
