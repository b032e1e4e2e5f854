/** Sessions of the load. That of a reader is opened when it is needed, and again after it was lost. */
import type pg from 'pg';
import { connectPostgres, endConnection } from '../source/connection.ts';
import { watchSession } from '../source/liveness.ts';

/** A session that may come and go. */
export class LoadConnection {
  readonly #url: string;
  readonly #signal: AbortSignal;
  #client: pg.Client | null = null;

  /** @param signal Drops the session. */
  constructor(url: string, signal: AbortSignal) {
    this.#url = url;
    this.#signal = signal;
  }

  /** The open session. */
  async open(): Promise<pg.Client> {
    this.#client ??= await openLoadSession(this.#url, this.#signal);
    return this.#client;
  }

  /** Ends the session; one that is broken already is only forgotten. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client !== null) await endConnection(client);
  }
}

/** Runs something in a session of its own, which the signal drops. */
export async function withLoadSession<T>(
  url: string,
  signal: AbortSignal,
  action: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await openLoadSession(url, signal);
  try {
    return await action(client);
  } finally {
    await endConnection(client);
  }
}

async function openLoadSession(url: string, signal: AbortSignal): Promise<pg.Client> {
  const client = await connectPostgres(url, { applicationName: 'millrace load', signal });
  watchSession(client, url);
  // Row security that comes into force while we load is an error, not a table with rows missing.
  await client.query('SET row_security = off');
  return client;
}
