/**
 * Notices sessions that are half open: the server is gone or has forgotten them, and no packet says so. The kernel
 * would find out after minutes; so a session that is waited for in silence is looked up from another one.
 *
 *   silence ─► pg_stat_activity: gone, or waiting for us while we wait for it ─► the connection is dropped
 *
 * A statement that takes long is left alone: its session is there, and works or waits for somebody else.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { connectPostgres, dropConnection, endConnection, pgRows } from './connection.ts';

/** How long nothing may come before the session is looked up, ms. */
const SILENT_MS = 30_000;
const LOOKS_PER_SILENCE = 3;

/** What pg keeps of a session and does not document. */
interface Internals {
  readonly processID: number;
  /** False while a statement is under way. */
  readonly readyForQuery: boolean;
  readonly connection: { readonly stream: { readonly bytesRead: number; isPaused(): boolean } };
}

/**
 * Watches a session until it ends. One that is half open is dropped: what it is doing fails as with any lost
 * connection.
 *
 * @param url Where to look it up.
 */
export function watchSession(client: Client, url: string, silentMs = SILENT_MS): void {
  const session = client as unknown as Internals;
  let bytes = -1;
  let quietLooks = 0;
  let isAsking = false;
  const look = async (): Promise<void> => {
    const { stream } = session.connection;
    const isWaiting = !session.readyForQuery && !stream.isPaused() && stream.bytesRead === bytes;
    bytes = stream.bytesRead;
    quietLooks = isWaiting ? quietLooks + 1 : 0;
    if (quietLooks < LOOKS_PER_SILENCE || isAsking) return;
    isAsking = true;
    const isLost = await isHalfOpen(session.processID, url);
    isAsking = false;
    // Whatever came while we asked shows that it lives.
    if (isLost && stream.bytesRead === bytes) dropConnection(client);
  };
  const timer = setInterval(() => void look(), silentMs / LOOKS_PER_SILENCE).unref();
  client.once('end', () => clearInterval(timer));
}

/** True when the server does not know the session any more, waits for us in it, or cannot be reached at all. */
async function isHalfOpen(pid: number, url: string): Promise<boolean> {
  let client: Client | null = null;
  try {
    client = await connectPostgres(url, { applicationName: 'millrace watch' });
    const [row] = await pgRows(client, 'SELECT state, wait_event FROM pg_stat_activity WHERE pid = $1', [pid]);
    return row === undefined || row['wait_event'] === 'ClientRead' || row['wait_event'] === 'ClientWrite';
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // Not let in says nothing about the session: it may be at work.
    return error.code === 'POSTGRES_UNREACHABLE';
  } finally {
    if (client !== null) await endConnection(client);
  }
}
