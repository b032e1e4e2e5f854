/**
 * Ordinary connections to PostgreSQL: sessions for catalogue queries and small statements.
 * The replication stream and COPY have files of their own (stream, copy-out).
 */
import { Client, type Pool } from 'pg';
import { AppError } from '../model/errors.ts';
import { redactUrl } from '../model/redact.ts';

/** Leaves every value as the text the server sent: no Date, no float, no lost digits. */
const RAW_TYPES = { getTypeParser: () => (value: string) => value };

/** Everything that the text of values depends on, so that it is the same in every session, whatever the database's defaults are. */
const PINNED_SETTINGS = [
  "datestyle = 'ISO'",
  "intervalstyle = 'postgres'",
  "timezone = 'UTC'",
  "bytea_output = 'hex'",
  "lc_monetary = 'C'",
  'extra_float_digits = 3',
  'quote_all_identifiers = off',
]
  .map((setting) => `SET ${setting}`)
  .join('; ');

/** SQLSTATE classes that mean “not let in”, rather than “not there”. */
const AUTH_STATES = new Set(['28000', '28P01', '3D000', '42501']);

/** A row of text values by column name; NULL stays null. */
export type TextRow = Record<string, string | null>;

/**
 * Opens a session. All values come back as text.
 *
 * @param url `postgres://user:password@host:port/database?sslmode=…`; unix sockets as `?host=/dir`.
 * @param options `replication` opens a walsender session (START_REPLICATION and the like); `signal` drops the session,
 *   at once and whatever it is doing, now or later.
 * @throws {AppError} `POSTGRES_UNREACHABLE`, `POSTGRES_AUTH`; the signal's reason.
 */
export async function connectPostgres(
  url: string,
  options: { applicationName?: string; replication?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<Client> {
  const { signal } = options;
  signal?.throwIfAborted();
  const config = {
    connectionString: url,
    application_name: options.applicationName ?? 'millrace',
    types: RAW_TYPES,
    keepAlive: true,
    connectionTimeoutMillis: 15_000,
    ...(options.replication === true ? { replication: 'database' } : {}),
  };
  const client = new Client(config);
  // A connection that breaks while idle emits 'error'; the next query rejects with it all the same.
  client.on('error', () => undefined);
  const onAbort = (): void => dropConnection(client);
  signal?.addEventListener('abort', onAbort, { once: true });
  client.once('end', () => signal?.removeEventListener('abort', onAbort));
  try {
    await client.connect();
    await client.query(PINNED_SETTINGS);
  } catch (error) {
    dropConnection(client);
    signal?.removeEventListener('abort', onAbort);
    signal?.throwIfAborted();
    throw postgresError(error, `cannot connect to PostgreSQL at ${redactUrl(url)}`);
  }
  return client;
}

/** Drops a session at once, without a goodbye: what it is doing fails. pg cannot abort a query otherwise. */
export function dropConnection(client: Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  stream.destroy();
}

/** How long the server may take to answer our goodbye, ms. */
const GOODBYE_MS = 400;

/** Says goodbye, and hangs up when there is no answer: a server that is gone must not hold us. Never rejects. */
export async function endConnection(client: Client): Promise<void> {
  const timer = setTimeout(() => dropConnection(client), GOODBYE_MS);
  // An error at the goodbye concerns a connection that is over.
  await Promise.allSettled([client.end()]);
  clearTimeout(timer);
}

/** Runs one statement and returns its rows as text. */
export async function pgRows<Row extends TextRow = TextRow>(
  client: Client | Pool,
  sql: string,
  params: readonly unknown[] = [],
): Promise<Row[]> {
  try {
    const result = await client.query(sql, [...params]);
    return result.rows as Row[];
  } catch (error) {
    throw postgresError(error, 'PostgreSQL refused a query');
  }
}

/** Translates an error of the driver or the server, by SQLSTATE and errno, never by text. */
export function postgresError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = `${what}: ${String(message ?? error)}`;
  const state = typeof code === 'string' ? code : '';
  const details = { sqlState: state };
  if (AUTH_STATES.has(state)) return new AppError('POSTGRES_AUTH', text, { cause: error, details });
  const isServerError = /^[0-9A-Z]{5}$/.test(state) && !state.startsWith('08') && !state.startsWith('57P');
  if (isServerError) return new AppError('POSTGRES_FAILED', text, { cause: error, details });
  return new AppError('POSTGRES_UNREACHABLE', text, { cause: error, details });
}
