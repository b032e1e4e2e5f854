/**
 * The connection to ClickHouse, over HTTP: rows out as JSON, commands, and raw bodies in and out.
 *
 * A thin layer over the official client: it owns error translation and the settings that every
 * statement of Millrace needs. Inserts go through `exec` with a raw body: the client's
 * `command({values})` inserts nothing, in silence, and its `insert` refuses Native.
 */
import { Readable } from 'node:stream';
import { buffer as readAll } from 'node:stream/consumers';
import {
  type ClickHouseClient,
  ClickHouseError,
  type ClickHouseSettings,
  ClickHouseLogLevel,
  createClient,
} from '@clickhouse/client';
import { AppError } from '../model/errors.ts';
import { redactUrl } from '../model/redact.ts';

/** Settings of one statement. */
export type Settings = Record<string, string | number>;

/** Values bound to `{name:Type}` in a statement. */
export type Params = Record<string, unknown>;

/** Options of one statement. */
export interface StatementOptions {
  params?: Params | undefined;
  settings?: Settings | undefined;
  signal?: AbortSignal | undefined;
}

/** ClickHouse codes that mean “not let in”: REQUIRED_PASSWORD, AUTHENTICATION_FAILED, ACCESS_DENIED. */
const AUTH_CODES = new Set(['194', '516', '497']);

/**
 * Sent with every statement.
 * - times outside 1970–2106 must not wrap in toStartOfHour (extended results);
 * - 64-bit integers come back as strings, so that none loses digits in JSON;
 * - outer joins give NULL, not a default that looks like data.
 */
const ALWAYS: Settings = {
  enable_extended_results_for_datetime_functions: 1,
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  join_use_nulls: 1,
  async_insert: 0,
};

/** A connection pool to one ClickHouse server. */
export class ClickHouse implements AsyncDisposable {
  /** The server, without the password. */
  readonly label: string;
  readonly #client: ClickHouseClient;

  /** @param url `http(s)://user:password@host:port`; a database in the path is ignored: all names are qualified. */
  constructor(url: string, options: { applicationName?: string; settings?: Settings } = {}) {
    this.label = redactUrl(url);
    const parsed = new URL(url);
    this.#client = createClient({
      url: `${parsed.protocol}//${parsed.host}`,
      username: decodeURIComponent(parsed.username) || 'default',
      password: decodeURIComponent(parsed.password),
      application: options.applicationName ?? 'millrace',
      request_timeout: 600_000,
      max_open_connections: 16,
      keep_alive: { enabled: true, idle_socket_ttl: 2_000 },
      clickhouse_settings: { ...ALWAYS, ...options.settings },
      log: { level: ClickHouseLogLevel.OFF },
    });
  }

  /** Runs a query and returns its rows; 64-bit integers and decimals as strings. */
  async rows<Row = Record<string, unknown>>(sql: string, options: StatementOptions = {}): Promise<Row[]> {
    try {
      const result = await this.#client.query({ query: sql, format: 'JSONEachRow', ...bound(options) });
      return await result.json<Row>();
    } catch (error) {
      throw this.#translate(error, 'ClickHouse refused a query');
    }
  }

  /** Runs a query that names its own FORMAT and returns the body. */
  async bytes(sql: string, options: StatementOptions = {}): Promise<Buffer> {
    try {
      const result = await this.#client.exec({ query: sql, ...bound(options) });
      return await readAll(result.stream);
    } catch (error) {
      throw this.#translate(error, 'ClickHouse refused a query');
    }
  }

  /**
   * Runs a statement without a result (DDL, SYSTEM, INSERT … SELECT).
   *
   * @returns Rows written, views included; only complete with the setting `wait_end_of_query`.
   */
  async command(sql: string, options: StatementOptions = {}): Promise<number> {
    try {
      const { summary } = await this.#client.command({ query: sql, ...bound(options) });
      return Number(summary?.written_rows ?? 0);
    } catch (error) {
      throw this.#translate(error, 'ClickHouse refused a statement');
    }
  }

  /**
   * Sends an insert whose body is already encoded.
   *
   * @param sql `INSERT INTO … FORMAT Native`.
   * @param body Byte pieces in order; not kept after the promise settles.
   */
  async insert(
    sql: string,
    body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: StatementOptions = {},
  ): Promise<void> {
    try {
      const values = Readable.from(body, { objectMode: false });
      const settings: Settings = { wait_end_of_query: 1, ...options.settings };
      const result = await this.#client.exec({ query: sql, values, ...bound({ ...options, settings }) });
      await readAll(result.stream);
    } catch (error) {
      throw this.#translate(error, 'ClickHouse refused an insert');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  #translate(error: unknown, what: string): Error {
    if (error instanceof Error && (error.name === 'AbortError' || error.message === 'The user aborted a request.')) {
      return Object.assign(new Error(error.message), { name: 'AbortError' });
    }
    return clickhouseError(error, `${what} (${this.label})`);
  }
}

/** Translates an error of the client or the server, by its code, never by text. */
export function clickhouseError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof ClickHouseError) {
    const code = AUTH_CODES.has(error.code) ? 'CLICKHOUSE_AUTH' : 'CLICKHOUSE_FAILED';
    return new AppError(code, `${what}: ${error.message} (code ${error.code})`, {
      cause: error,
      details: { clickhouseCode: error.code },
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new AppError('CLICKHOUSE_UNREACHABLE', `${what}: ${message}`, { cause: error });
}

function bound(options: StatementOptions): {
  query_params?: Params;
  clickhouse_settings?: ClickHouseSettings;
  abort_signal?: AbortSignal;
} {
  return {
    ...(options.params === undefined ? {} : { query_params: options.params }),
    ...(options.settings === undefined ? {} : { clickhouse_settings: options.settings }),
    ...(options.signal === undefined ? {} : { abort_signal: options.signal }),
  };
}
