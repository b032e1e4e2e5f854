/**
 * A snapshot of the source whose place in the stream is known exactly: that of a temporary replication slot. It sees
 * what was committed before that position, all of it and nothing else, whatever is visible to other sessions by then.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import { type Lsn, parseLsn } from '../model/lsn.ts';
import { connectPostgres, endConnection, pgRows } from './connection.ts';

/** A snapshot that another session can take over while this one is open. */
export interface PlacedSnapshot extends AsyncDisposable {
  /** Commit records below it are in the snapshot, those at or above it are not. */
  readonly lsn: Lsn;
  /** For `SET TRANSACTION SNAPSHOT`. */
  readonly name: string;
}

/**
 * Takes one. Waits until the transactions that write now have ended. The slot holds WAL and catalogue rows back until it is
 * disposed of, and vanishes with its session.
 *
 * @throws {AppError} `POSTGRES_FAILED`, also when all replication slots are in use (SQLSTATE 53400).
 */
export async function takePlacedSnapshot(url: string, signal: AbortSignal): Promise<PlacedSnapshot> {
  const client = await connectPostgres(url, { applicationName: 'millrace load', replication: true, signal });
  try {
    const slot = `millrace_load_${randomBytes(8).toString('hex')}`;
    const [row] = await pgRows(client, `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`);
    const [lsn, name] = [row?.['consistent_point'], row?.['snapshot_name']];
    if (lsn === null || lsn === undefined || name === null || name === undefined)
      throw new AppError('PROTOCOL', 'a temporary replication slot was made without position or snapshot');
    return { lsn: parseLsn(lsn), name, [Symbol.asyncDispose]: () => endConnection(client) };
  } catch (error) {
    await endConnection(client);
    throw error;
  }
}
