/**
 * Keeps two processes from starting on one slot at the same time: before the stream is open, the slot itself is no
 * lock, and a first start makes it anew.
 */
import type pg from 'pg';
import { AppError } from '../model/errors.ts';
import { pgRows } from './connection.ts';

/** Advisory locks belong to a database, as a logical slot does. */
const KEY = "hashtextextended('millrace start ' || $1, 0)";

/**
 * Locks the start until the session ends, whatever ends it.
 *
 * @returns A ticket: each start has a higher one than all that had the lock before it (a transaction id).
 * @throws {AppError} `SLOT_BUSY` while another session has the lock.
 */
export async function lockStart(client: pg.Client, slot: string): Promise<bigint> {
  const [row] = await pgRows(client, `SELECT pg_try_advisory_lock(${KEY}) AS locked`, [slot]);
  if (row?.['locked'] !== 't') {
    throw new AppError('SLOT_BUSY', `another process is starting on the replication slot “${slot}”`);
  }
  const [ticket] = await pgRows(client, 'SELECT pg_current_xact_id()::text AS id');
  return BigInt(ticket?.['id'] ?? 0);
}

/** Whether some process is starting on the slot at this moment. Holds nobody up. */
export async function isStarting(client: pg.Client, slot: string): Promise<boolean> {
  const rows = await pgRows(
    client,
    `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND ((classid::int8 << 32) | objid::int8) = ${KEY}
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [slot],
  );
  return rows.length > 0;
}
