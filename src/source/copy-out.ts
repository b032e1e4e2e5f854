/** COPY … TO STDOUT as ranges of frames, with backpressure: what the backfill reads tables with. */
import type { Client } from 'pg';
import { AppError, asAppError, isAbort } from '../model/errors.ts';
import type { Relation } from '../model/table.ts';
import { pgTable } from '../model/quote.ts';
import { dropConnection, pgRows, postgresError } from './connection.ts';
import { ReplicationQuery } from './replication.ts';

/**
 * Receives complete CopyData frames, headers included, as many as a read holds: `bytes[start, end)` is a view,
 * valid only during the call. When it returns a promise, nothing more is read from the socket until that resolves
 * (what was read already still comes); when that rejects, the copy fails with its error.
 */
export type FrameConsumer = (bytes: Buffer, start: number, end: number) => Promise<void> | void;

/** Options of {@link copyOut}. */
export interface CopyOutOptions {
  /** Drops the connection and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Copies only while the table or partition is still in the file that the chunks were planned on. */
  readonly unlessRewritten?: {
    readonly relation: Relation;
    readonly filenode: string;
    /** Called under the lock that keeps it from being altered; what it throws ends the copy before it begins. */
    readonly check?: (() => Promise<void>) | undefined;
  };
}

/** `rewritten`: TRUNCATE, VACUUM FULL or ALTER TABLE gave the table a new file, or it is gone; nothing was read, plan again. */
export type CopyOutcome = 'copied' | 'rewritten';

const HOLD_CONSUMER = 1;
const UNDEFINED_TABLE = '42P01';

/**
 * Runs a COPY statement. The client can be used again afterwards, unless the copy was aborted or failed in
 * the consumer: then its connection is gone.
 *
 * @throws {AppError} of the server; whatever the consumer throws; the signal's reason.
 */
export async function copyOut(
  client: Client,
  sql: string,
  onFrames: FrameConsumer,
  options: CopyOutOptions = {},
): Promise<CopyOutcome> {
  const { signal, unlessRewritten } = options;
  signal?.throwIfAborted();
  const onAbort = (): void => dropConnection(client);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    if (unlessRewritten !== undefined) return await copyUnlessRewritten(client, sql, onFrames, unlessRewritten);
    await runCopy(client, sql, onFrames);
    return 'copied';
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function copyUnlessRewritten(
  client: Client,
  sql: string,
  onFrames: FrameConsumer,
  { relation, filenode, check }: NonNullable<CopyOutOptions['unlessRewritten']>,
): Promise<CopyOutcome> {
  await pgRows(client, 'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY');
  try {
    // The lock comes before the look: whoever wants to rewrite the table now waits for our COMMIT.
    const isSame = (await lock(client, relation)) && (await readFilenode(client, relation)) === filenode;
    if (isSame) await check?.();
    if (isSame) await runCopy(client, sql, onFrames);
    await pgRows(client, isSame ? 'COMMIT' : 'ROLLBACK');
    return isSame ? 'copied' : 'rewritten';
  } catch (error) {
    // Fails only where the connection is gone, and the transaction with it; the first error is the one to tell.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** False when there is no table of that name any more. */
async function lock(client: Client, relation: Relation): Promise<boolean> {
  try {
    await pgRows(client, `LOCK TABLE ONLY ${pgTable(relation)} IN ACCESS SHARE MODE`);
    // Somebody else may have that name by now.
    const [row] = await pgRows(client, 'SELECT to_regclass($1)::oid::int8 = $2 AS same', [
      pgTable(relation),
      relation.oid,
    ]);
    return row?.['same'] === 't';
  } catch (error) {
    if (error instanceof AppError && error.details['sqlState'] === UNDEFINED_TABLE) return false;
    throw error;
  }
}

/**
 * SQL: the files of the table with the given oid, or of its partitions, as one text; others after each rewrite, and after
 * partitions have come or gone. NULL when the table is gone.
 */
export const FILES_SQL = `coalesce(
  (SELECT string_agg(pg_relation_filenode(p.relid)::text, ',' ORDER BY p.relid) FROM pg_partition_tree($1) p WHERE p.isleaf),
  pg_relation_filenode($1)::text, (SELECT '' FROM pg_class WHERE oid = $1))`;

/** The file that holds the table's rows now: another one after each rewrite. Null when the table is gone. */
export async function readFilenode(client: Client, relation: Relation): Promise<string | null> {
  const [row] = await pgRows(client, 'SELECT pg_relation_filenode($1::oid::regclass) AS filenode', [relation.oid]);
  return row!['filenode'] ?? null;
}

async function runCopy(client: Client, sql: string, onFrames: FrameConsumer): Promise<void> {
  const pending = new Set<Promise<void>>();
  const consume = (bytes: Buffer, start: number, end: number): void => {
    const work = onFrames(bytes, start, end);
    if (work !== undefined) void holdFor(query, work, pending);
  };
  const query = new ReplicationQuery(sql, { onFrames: consume });
  try {
    client.query(query);
    await query.done;
    await Promise.all(pending);
  } catch (error) {
    throw isAbort(error) ? error : postgresError(error, 'COPY failed');
  }
}

/** Holds the socket while `work` is not done. */
async function holdFor(query: ReplicationQuery, work: Promise<void>, pending: Set<Promise<void>>): Promise<void> {
  query.hold(HOLD_CONSUMER);
  pending.add(work);
  try {
    await work;
    pending.delete(work);
    if (pending.size === 0) query.release(HOLD_CONSUMER);
  } catch (error) {
    query.fail(isAbort(error) ? error : asAppError(error, 'INTERNAL', 'cannot handle what was copied'));
  }
}
