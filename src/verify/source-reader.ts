/**
 * Reads the source as it was at one moment, over a bounded number of connections, in short transactions.
 *
 * One connection keeps the snapshot, the readers import it for each query: so no table stays locked for longer than
 * one query, and a TRUNCATE or a rewritten table (which no snapshot shields from) is noticed by the table's file.
 */
import type { Client } from 'pg';
import { TELL_SALT } from '../codec/mask-sql.ts';
import { AppError } from '../model/errors.ts';
import { pgLiteral } from '../model/quote.ts';
import { FILES_SQL } from '../source/copy-out.ts';
import { connectPostgres, pgRows, postgresError, type TextRow } from '../source/connection.ts';

/** How the source is read. */
export interface SourceReaderOptions {
  /** The server to read: the source, or a standby of it. */
  readonly url: string;
  /** Connections that read at the same time. */
  readonly maxLoad: number;
  readonly statementTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** The files of a table or partition at the moment the comparison was planned. */
export interface TableFiles {
  readonly oid: number;
  /** As {@link FILES_SQL} gives them. */
  readonly files: string;
}

const QUERY_CANCELED = '57014';
const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';

/** Sessions of one verification; the snapshot is taken and given up as often as needed. */
export class SourceReader implements AsyncDisposable {
  readonly #options: SourceReaderOptions;
  readonly #keeper: Client;
  readonly #readers: Client[];
  readonly #idle: Client[];
  readonly #waiting: ((client: Client) => void)[] = [];
  #snapshot: string | null = null;
  /** Time spent in queries of the readers, all together, ms. */
  busyMs = 0;

  private constructor(options: SourceReaderOptions, keeper: Client, readers: Client[]) {
    this.#options = options;
    this.#keeper = keeper;
    this.#readers = readers;
    this.#idle = [...readers];
    options.signal.addEventListener('abort', this.#cancel, { once: true });
  }

  /** Opens the sessions. @throws {AppError} `POSTGRES_UNREACHABLE`, `POSTGRES_AUTH`. */
  static async open(options: SourceReaderOptions): Promise<SourceReader> {
    const clients: Client[] = [];
    try {
      for (let i = 0; i <= options.maxLoad; i++) {
        const client = await connectPostgres(options.url, { applicationName: 'millrace verify' });
        clients.push(client);
        await client.query(
          `SET statement_timeout = ${options.statementTimeoutMs}; SET lock_timeout = 5000; SET max_parallel_workers_per_gather = 0; SET jit = off`,
        );
      }
    } catch (error) {
      await Promise.allSettled(clients.map((client) => client.end()));
      throw error;
    }
    const [keeper, ...readers] = clients as [Client, ...Client[]];
    return new SourceReader(options, keeper, readers);
  }

  /** The session that keeps the snapshot: for the catalogue. */
  get keeper(): Client {
    return this.#keeper;
  }

  /** Tells all sessions what masked columns are hashed with. */
  async tellSalt(salt: string): Promise<void> {
    for (const client of [this.#keeper, ...this.#readers]) await client.query(TELL_SALT, [salt]);
  }

  /** Queries that may run at the same time. */
  get hands(): number {
    return this.#readers.length;
  }

  /** Takes a snapshot; returns `pg_current_snapshot()`. */
  async takeSnapshot(): Promise<string> {
    await this.#keeper.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const [row] = await pgRows(
      this.#keeper,
      'SELECT pg_current_snapshot()::text AS snapshot, pg_export_snapshot() AS name',
    );
    this.#snapshot = row?.['name'] ?? null;
    return row?.['snapshot'] ?? '';
  }

  /** Gives the snapshot up. */
  async dropSnapshot(): Promise<void> {
    if (this.#snapshot === null) return;
    this.#snapshot = null;
    await this.#keeper.query('ROLLBACK');
  }

  /**
   * Reads in the snapshot.
   *
   * @returns null when the statement took longer than allowed: ask for less at a time.
   * @throws {AppError} `TABLE_UNSUITABLE` when the table is not any more what it was in the snapshot.
   */
  async rows<Row extends TextRow = TextRow>(
    file: TableFiles,
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<Row[] | null> {
    const client = await this.#take();
    const startedAt = performance.now();
    try {
      return await this.#read<Row>(client, file, { sql, params });
    } finally {
      this.busyMs += performance.now() - startedAt;
      this.#give(client);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#cancel);
    await Promise.allSettled([this.#keeper, ...this.#readers].map((client) => client.end()));
  }

  async #read<Row extends TextRow>(
    client: Client,
    file: TableFiles,
    query: { sql: string; params: readonly unknown[] },
  ): Promise<Row[] | null> {
    this.#options.signal.throwIfAborted();
    if (this.#snapshot === null) throw new AppError('INTERNAL', 'there is no snapshot to read in');
    try {
      await client.query(
        `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${pgLiteral(this.#snapshot)}`,
      );
      const { rows } = await client.query(query.sql, [...query.params]);
      const [now] = await pgRows(client, `SELECT ${FILES_SQL} AS files`, [file.oid]);
      if (now?.['files'] !== file.files)
        throw new AppError('TABLE_UNSUITABLE', 'it was truncated or rewritten while it was compared');
      return rows as Row[];
    } catch (error) {
      this.#options.signal.throwIfAborted();
      const { code } = error as { code?: unknown };
      if (code === QUERY_CANCELED) return null;
      if (code === UNDEFINED_TABLE || code === UNDEFINED_COLUMN)
        throw new AppError('TABLE_UNSUITABLE', 'it was altered or dropped while it was compared', { cause: error });
      throw postgresError(error, 'PostgreSQL refused a query');
    } finally {
      // A session that is gone has no transaction to end: its error is on its way already.
      await Promise.allSettled([client.query('ROLLBACK')]);
    }
  }

  /** An idle reader; waits for one. */
  #take(): Promise<Client> {
    const client = this.#idle.pop();
    if (client !== undefined) return Promise.resolve(client);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #give(client: Client): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(client);
    else next(client);
  }

  /** Ends what the readers are doing on the server, which would otherwise go on for nobody. */
  readonly #cancel = (): void => {
    const pids = this.#readers.map((client) => (client as unknown as { processID: number }).processID);
    this.#keeper.query('SELECT pg_cancel_backend(p) FROM unnest($1::int[]) AS p', [pids]).catch(() => {
      for (const client of this.#readers) client.end().catch(() => undefined);
    });
  };
}
