/**
 * The connection to ClickHouse, over HTTP: rows out as JSON, commands, and raw bodies in and out.
 *
 * A thin layer over the official client: it owns error translation and the settings that every
 * statement of Millrace needs. Inserts go through `exec` with a raw body: the client's
 * `command({values})` inserts nothing, in silence, and its `insert` refuses Native.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { addAbortSignal, Readable } from 'node:stream';
import { buffer as readAll } from 'node:stream/consumers';
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { AppError, isAbort } from '../model/errors.ts';
import { redactUrl } from '../model/redact.ts';
import { SilenceWatch } from './silence.ts';

/** Settings of one statement. */
export type Settings = Record<string, string | number>;

/** Values bound to `{name:Type}` in a statement. */
export type Params = Record<string, unknown>;

/** Options of one statement. */
export interface StatementOptions {
  params?: Params | undefined;
  settings?: Settings | undefined;
  /** Ends it at once, whatever the server does; it may go on there. */
  signal?: AbortSignal | undefined;
}

/** Options of a connection. */
export interface ClickHouseOptions {
  readonly applicationName?: string;
  /** Sent with every statement, over ours. */
  readonly settings?: Settings;
  /** Ends every statement: when its owner's time is over. */
  readonly signal?: AbortSignal;
  /** How long a request may be silent before the server is asked whether it still runs it, ms; default 10 s. */
  readonly quietMs?: number;
}

/** ClickHouse codes that mean “not let in”: REQUIRED_PASSWORD, AUTHENTICATION_FAILED, ACCESS_DENIED. */
const AUTH_CODES = new Set(['194', '516', '497']);

/** ClickHouse's code for rows that a table's constraint refuses; the message names the constraint. */
const VIOLATED_CONSTRAINT = '469';

/** Name of the constraint that takes the rows of the present writer alone (fence.ts). */
export const FENCE_CONSTRAINT = 'millrace_fence';

/** Free space below which ClickHouse refuses our inserts (NOT_ENOUGH_SPACE, tried again): several inserts at their largest. */
export const MIN_FREE_DISK_BYTES = 128 * 1024 * 1024;

/**
 * Sent with every statement.
 * - times outside 1970–2106 must not wrap in toStartOfHour (extended results);
 * - 64-bit integers come back as strings, so that none loses digits in JSON;
 * - outer joins give NULL, not a default that looks like data;
 * - the answer begins when the statement has ended: what fails in the middle of its rows is told as an error, not as
 *   text behind them, and the summary counts all rows written;
 * - inserts are refused while there is still room: on a file system that is full in earnest ClickHouse 26.7 has
 *   acknowledged inserts whose files were all empty.
 */
const ALWAYS: Settings = {
  enable_extended_results_for_datetime_functions: 1,
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  join_use_nulls: 1,
  async_insert: 0,
  wait_end_of_query: 1,
  min_free_disk_bytes_to_perform_insert: MIN_FREE_DISK_BYTES,
};

/** Ms until a silent request is looked after; a server that is gone is noticed within three times that. */
const QUIET_MS = 10_000;
/** The end of any request: nothing that Millrace asks takes longer without a byte. */
const REQUEST_TIMEOUT_MS = 6 * 3_600_000;

/** What a statement brought back. */
interface Answer {
  readonly body: Buffer;
  /** Rows written, views included. */
  readonly writtenRows: number;
}

/** A connection pool to one ClickHouse server. */
export class ClickHouse implements AsyncDisposable {
  /** The server, without the password. */
  readonly label: string;
  /** Inserts sent so far, those that failed too: what the server has to merge. */
  inserts = 0;
  readonly #client: ClickHouseClient;
  /** Asks after silent requests: never waits for a connection that one of them holds. */
  readonly #watchman: ClickHouseClient;
  readonly #signal: AbortSignal | undefined;
  readonly #quietMs: number;

  /** @param url `http(s)://user:password@host:port`; a database in the path is ignored: all names are qualified. */
  constructor(url: string, options: ClickHouseOptions = {}) {
    this.label = redactUrl(url);
    this.#signal = options.signal;
    this.#quietMs = options.quietMs ?? QUIET_MS;
    const parsed = new URL(url);
    const common = {
      url: `${parsed.protocol}//${parsed.host}`,
      username: decodeURIComponent(parsed.username) || 'default',
      password: decodeURIComponent(parsed.password),
      application: options.applicationName ?? 'millrace',
      request_timeout: REQUEST_TIMEOUT_MS,
      clickhouse_settings: { ...ALWAYS, ...options.settings },
      log: { level: ClickHouseLogLevel.OFF },
    };
    const keepAlive = { enabled: true, idle_socket_ttl: 2_000 };
    this.#client = createClient({ ...common, max_open_connections: 16, keep_alive: keepAlive });
    this.#watchman = createClient({ ...common, keep_alive: { enabled: false } });
  }

  /** Runs a query and returns its rows; 64-bit integers and decimals as strings. */
  async rows<Row = Record<string, unknown>>(sql: string, options: StatementOptions = {}): Promise<Row[]> {
    const { body } = await this.#ask(`${sql}\nFORMAT JSONEachRow`, { ...options, what: 'a query' });
    const lines = body.toString().split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
  }

  /** Runs a query that names its own FORMAT and returns the body. */
  async bytes(sql: string, options: StatementOptions = {}): Promise<Buffer> {
    return (await this.#ask(sql, { ...options, what: 'a query' })).body;
  }

  /**
   * Runs a statement without a result (DDL, SYSTEM, INSERT … SELECT).
   *
   * @returns Rows written, views included.
   */
  async command(sql: string, options: StatementOptions = {}): Promise<number> {
    return (await this.#ask(sql, { ...options, what: 'a statement' })).writtenRows;
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
    this.inserts++;
    const values = Readable.from(body, { objectMode: false });
    await this.#ask(sql, { ...options, what: 'an insert', values });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#client.close(), this.#watchman.close()]);
  }

  /** Every statement takes this way: it ends with its answer, its signal, or when nobody works on it any more. */
  async #ask(sql: string, options: StatementOptions & { what: string; values?: Readable }): Promise<Answer> {
    const request = new AbortController();
    const end = (event: Event): void => request.abort((event.target as AbortSignal).reason);
    const signals = [this.#signal, options.signal].filter((signal) => signal !== undefined);
    for (const signal of signals) {
      signal.throwIfAborted();
      // One listener per statement under way: more than ten tables in a batch are no leak.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', end, { once: true });
    }
    const queryId = randomUUID();
    using _ = new SilenceWatch({
      quietMs: this.#quietMs,
      isRunning: (signal) => this.#isRunning(queryId, signal),
      giveUp: (silentMs) => request.abort(unanswered(this.label, silentMs)),
    });
    try {
      return await untilAborted(this.#send(sql, { ...options, queryId, signal: request.signal }), request.signal);
    } catch (error) {
      if (request.signal.aborted) throw abortOf(request.signal);
      throw clickhouseError(error, `ClickHouse refused ${options.what} (${this.label})`);
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', end);
      // Destroyed, a body that is not sent yet goes nowhere.
      options.values?.destroy();
    }
  }

  async #send(
    sql: string,
    options: StatementOptions & { queryId: string; signal: AbortSignal; values?: Readable },
  ): Promise<Answer> {
    const { params, settings, values, signal } = options;
    const result = await this.#client.exec({
      query: sql,
      query_id: options.queryId,
      abort_signal: signal,
      ...(values === undefined ? {} : { values }),
      ...(params === undefined ? {} : { query_params: params }),
      ...(settings === undefined ? {} : { clickhouse_settings: settings }),
    });
    const body = await readAll(addAbortSignal(signal, result.stream));
    return { body, writtenRows: Number(result.summary?.written_rows ?? 0) };
  }

  /** Whether the server runs a request of ours. What refuses to say so is alive at least. */
  async #isRunning(queryId: string, signal: AbortSignal): Promise<boolean> {
    try {
      const result = await this.#watchman.query({
        query: 'SELECT 1 FROM system.processes WHERE query_id = {id:String}',
        query_params: { id: queryId },
        format: 'TabSeparated',
        abort_signal: signal,
      });
      return (await untilAborted(result.text(), signal)) !== '';
    } catch (error) {
      if (error instanceof ClickHouseError) return true;
      throw error;
    }
  }
}

/** The promise, or the abort if that comes first: the official client lets go of a signal once an answer begins. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortOf(signal));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What an aborted statement throws: the abort itself, or why the request was given up. */
function abortOf(signal: AbortSignal): Error {
  const { reason } = signal;
  if (reason instanceof AppError || isAbort(reason)) return reason;
  return Object.assign(new Error('the statement was aborted', { cause: reason }), { name: 'AbortError' });
}

function unanswered(label: string, silentMs: number): AppError {
  const seconds = Math.round(silentMs / 1000);
  return new AppError('CLICKHOUSE_UNREACHABLE', `ClickHouse has not answered for ${seconds} s (${label})`);
}

/** Translates an error of the client or the server, by its code, never by text. */
export function clickhouseError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof ClickHouseError) {
    const constraint = error.code === VIOLATED_CONSTRAINT ? /Constraint `(\w+)`/.exec(error.message)?.[1] : undefined;
    if (constraint === FENCE_CONSTRAINT) {
      const details = { clickhouseCode: error.code, constraint };
      return new AppError('FENCED', `${what}: another process has taken over the copy`, { cause: error, details });
    }
    const code = AUTH_CODES.has(error.code) ? 'CLICKHOUSE_AUTH' : 'CLICKHOUSE_FAILED';
    return new AppError(code, `${what}: ${error.message} (code ${error.code})`, {
      cause: error,
      details: { clickhouseCode: error.code },
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new AppError('CLICKHOUSE_UNREACHABLE', `${what}: ${message}`, { cause: error });
}
