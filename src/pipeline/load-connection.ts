/** The session that one reader of the load copies with: opened when it is needed, and again after it was lost. */
import type pg from 'pg';
import { connectPostgres } from '../source/connection.ts';

/** A session that may come and go. */
export class LoadConnection {
  readonly #url: string;
  #client: pg.Client | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  /** The open session. */
  async open(): Promise<pg.Client> {
    this.#client ??= await connectPostgres(this.#url, { applicationName: 'millrace load' });
    return this.#client;
  }

  /** Ends the session; one that is broken already is only forgotten. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client !== null) await Promise.allSettled([client.end()]);
  }
}
