/** The session on the source through which the pipeline is asked; it also keeps a second verification away. */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { connectPostgres, pgRows } from '../source/connection.ts';

/** An open session with the lock of one pipeline's verification. */
export class ControlSession implements AsyncDisposable {
  readonly client: Client;

  private constructor(client: Client) {
    this.client = client;
  }

  /** Opens it. @throws {AppError} `ALREADY_RUNNING` when another verification of this pipeline runs. */
  static async open(url: string, slot: string): Promise<ControlSession> {
    const client = await connectPostgres(url, { applicationName: 'millrace verify' });
    const session = new ControlSession(client);
    try {
      const [row] = await pgRows(client, 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked', [
        `millrace verify ${slot}`,
      ]);
      if (row?.['locked'] !== 't')
        throw new AppError('ALREADY_RUNNING', `the copy of slot ${slot} is being verified by somebody else`);
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end();
  }
}
