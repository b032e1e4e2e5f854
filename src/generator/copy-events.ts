/** Writes events by COPY FROM. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { isAbort } from '../model/errors.ts';
import { postgresError } from '../source/connection.ts';
import { COPY_HEADER, COPY_TRAILER, encodeEvents, type RowChunk } from './event-rows.ts';
import type { AdEvent } from './event-stream.ts';

/**
 * Rows of one COPY statement. PostgreSQL keeps the foreign-key checks of a statement in memory until its end;
 * several statements in the caller's transaction bound that memory.
 */
const STATEMENT_ROWS = 250_000;

/** Called as rows are handed to PostgreSQL, with the number so far. */
export type RowsWritten = (rows: number) => void;

/**
 * Writes all events to the table, as they are generated, within the caller's transaction.
 *
 * @param options `signal` ends the statement: the promise rejects with its AbortError.
 * @returns The number of rows written.
 * @throws {AppError} What PostgreSQL says; the caller rolls back.
 */
export async function copyEvents(
  client: pg.Client,
  table: 'impressions' | 'clicks',
  options: { events: Iterable<AdEvent>; onRows?: RowsWritten | undefined; signal?: AbortSignal | undefined },
): Promise<number> {
  const chunks = encodeEvents(options.events);
  let total = 0;
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) {
    const statement = statementBytes(next.value, chunks, (rows) => {
      total += rows;
      options.onRows?.(total);
    });
    await copyOnce(client, table, { bytes: statement, signal: options.signal });
  }
  return total;
}

async function copyOnce(
  client: pg.Client,
  table: string,
  { bytes, signal }: { bytes: Iterable<Buffer>; signal: AbortSignal | undefined },
): Promise<void> {
  const sql = `COPY public.${table} (campaign_id, created_at) FROM STDIN (FORMAT binary)`;
  try {
    const rows = Readable.from(bytes, { objectMode: true, highWaterMark: 4 });
    await pipeline(rows, client.query(copyFrom(sql)), signal === undefined ? {} : { signal });
  } catch (error) {
    throw isAbort(error) ? error : postgresError(error, `cannot copy into ${table}`);
  }
}

/** The bytes of one COPY statement: the first chunk given and as many more as fit. */
function* statementBytes(
  first: RowChunk,
  chunks: Iterator<RowChunk, void>,
  onRows: RowsWritten,
): Generator<Buffer, void> {
  yield COPY_HEADER;
  let rows = 0;
  for (let chunk: RowChunk | undefined = first; chunk !== undefined;) {
    yield chunk.bytes;
    rows += chunk.rows;
    onRows(chunk.rows);
    if (rows >= STATEMENT_ROWS) break;
    const next = chunks.next();
    chunk = next.done === true ? undefined : next.value;
  }
  yield COPY_TRAILER;
}
