/**
 * A real PostgreSQL server as our child: made at the first start, kept between starts,
 * never outliving us. Listens on the loopback address and on a unix socket, with a generated password.
 */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../model/errors.ts';
import { pgIdent } from '../model/quote.ts';
import { lockData } from './data-lock.ts';
import { LOOPBACK, freePort, isPortFree } from './ports.ts';
import { type PostgresCluster, openCluster, removeStalePid } from './postgres-cluster.ts';
import { keptPassword, keptPort, makeDirectory, writePrivate } from './private-file.ts';
import { type SupervisedProcess, supervise } from './supervised-process.ts';

/** How to start PostgreSQL. */
export interface PostgresOptions {
  /** Everything about this server is kept here; made when missing. */
  readonly dataDir: string;
  /** TCP port; without it the one of the last start when free, else any. */
  readonly port?: number | undefined;
  /** Default `postgres.log` in the data directory. */
  readonly logFile?: string | undefined;
  /** Server settings over ours, for example `{fsync: 'off'}` for tests. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** A directory with `bin`, `lib` and `share` of another PostgreSQL; default: the npm package's. */
  readonly native?: string | undefined;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** A running PostgreSQL server. */
export interface EmbeddedPostgres extends AsyncDisposable {
  /** Superuser `postgres`, database `ads`, over TCP. */
  readonly url: string;
  /** The same over the unix socket: faster for bulk. */
  readonly socketUrl: string;
  readonly pid: number;
  readonly port: number;
  /** Fast shutdown (SIGINT); after 15 s immediate (SIGQUIT). */
  stop(): Promise<void>;
  /** For fault tests. */
  kill(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void>;
}

/** The database of the ad platform, made at the first start. */
const DATABASE = 'ads';

/** A server that was killed leaves backends behind, which end by themselves: until then the next does not start. */
const START_MS = 30_000;

/** SQLSTATE of a refused password: the password file is not the one the data were made with. */
const WRONG_PASSWORD = '28P01';

const SETTINGS = {
  listen_addresses: LOOPBACK,
  wal_level: 'logical',
  max_replication_slots: '16',
  max_wal_senders: '16',
  timezone: 'UTC',
  log_timezone: 'UTC',
} as const;

/**
 * Starts PostgreSQL and waits until it answers.
 *
 * @throws {AppError} `ENGINE_MISSING`, `ENGINE_START`, `ALREADY_RUNNING`.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const home = resolve(options.dataDir);
  await makeDirectory(home);
  const lock = await lockData(join(home, 'lock'), `the PostgreSQL data directory ${home}`);
  try {
    const password = await keptPassword(join(home, 'password'));
    const cluster = await openCluster(home, { password, native: options.native });
    const port = await choosePort(home, options.port);
    const server = await launch(cluster, port, {
      ...options,
      logFile: options.logFile ?? join(home, 'postgres.log'),
      password,
    });
    await lock.engineStarted(server.pid);
    await writePrivate(join(home, 'port'), String(port));
    const ended = async (): Promise<void> => {
      await rm(cluster.socketDir, { recursive: true, force: true });
      await lock.release();
    };
    return embedded(server, { port, password, socketDir: cluster.socketDir, ended });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function choosePort(home: string, wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return freePort(await keptPort(join(home, 'port')));
  if (await isPortFree(wanted)) return wanted;
  throw new AppError('ENGINE_START', `port ${wanted} for PostgreSQL is taken`);
}

type Launch = PostgresOptions & { readonly logFile: string; readonly password: string };

/** Starts the server; again while leftovers of a killed one still hold its shared memory. */
async function launch(cluster: PostgresCluster, port: number, options: Launch): Promise<SupervisedProcess> {
  const deadline = Date.now() + START_MS;
  const wasKilled = await removeStalePid(cluster.data);
  while (true) {
    options.signal?.throwIfAborted();
    const server = await supervise(serverCommand(cluster, port, options));
    try {
      await untilReady(server, { url: urlOf({ port, password: options.password }, 'postgres'), options, deadline });
      return server;
    } catch (error) {
      const endedByItself = server.ending !== undefined;
      await server.stop();
      if (!(endedByItself && wasKilled && Date.now() < deadline)) throw error;
    }
    await sleep(100);
    await removeStalePid(cluster.data);
  }
}

function serverCommand(cluster: PostgresCluster, port: number, options: Launch): Parameters<typeof supervise>[0] {
  const settings = { ...SETTINGS, ...options.settings, port: String(port), unix_socket_directories: cluster.socketDir };
  return {
    command: join(cluster.native, 'bin', 'postgres'),
    args: ['-D', cluster.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: cluster.data,
    env: cluster.env,
    user: cluster.account,
    logFile: options.logFile,
    askSignal: 'INT',
    forceSignal: 'QUIT',
    graceSeconds: 15,
  };
}

interface Waiting {
  readonly url: string;
  readonly options: Launch;
  readonly deadline: number;
}

/** Waits for the server to let us in, and makes the database when it is missing. */
async function untilReady(server: SupervisedProcess, waiting: Waiting): Promise<void> {
  const { options, deadline } = waiting;
  let last: unknown;
  while (server.ending === undefined && Date.now() < deadline) {
    options.signal?.throwIfAborted();
    try {
      await ensureDatabase(waiting.url);
      return;
    } catch (error) {
      last = error;
      if ((error as { code?: unknown }).code === WRONG_PASSWORD) break;
      await sleep(25);
    }
  }
  const how = server.ending === undefined ? 'does not let us in' : `ended with ${server.ending}`;
  throw new AppError('ENGINE_START', `PostgreSQL ${how}, see ${options.logFile}`, { cause: last });
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, application_name: 'millrace' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${pgIdent(DATABASE)}`);
  } finally {
    await client.end();
  }
}

function urlOf(server: { port: number; password: string }, database: string): string {
  return `postgres://postgres:${server.password}@${LOOPBACK}:${server.port}/${database}`;
}

interface Facts {
  readonly port: number;
  readonly password: string;
  readonly socketDir: string;
  readonly ended: () => Promise<void>;
}

function embedded(server: SupervisedProcess, facts: Facts): EmbeddedPostgres {
  const url = urlOf(facts, DATABASE);
  const stop = async (): Promise<void> => {
    await server.stop();
    await facts.ended();
  };
  return {
    url,
    socketUrl: `postgres://postgres:${facts.password}@/${DATABASE}?host=${encodeURIComponent(facts.socketDir)}&port=${facts.port}`,
    pid: server.pid,
    port: facts.port,
    stop,
    kill: async (signal) => {
      await server.kill(signal);
      await facts.ended();
    },
    [Symbol.asyncDispose]: stop,
  };
}
