/**
 * A real ClickHouse server as our child, never outliving us: `clickhouse-local` of the library in the npm
 * package, opening its HTTP and native listeners on the loopback address.
 */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../model/errors.ts';
import { findClickHouseChild, findClickHouseLibrary } from './clickhouse-library.ts';
import { type ClickHouseSetup, READER, WRITER, serverConfig, usersConfig } from './clickhouse-config.ts';
import { lockData } from './data-lock.ts';
import { LOOPBACK, freePort, isPortFree } from './ports.ts';
import { keptPassword, keptPort, makeDirectory, writePrivate } from './private-file.ts';
import { type SupervisedProcess, supervise } from './supervised-process.ts';

/** How to start ClickHouse. */
export interface ClickHouseOptions {
  /** Everything about this server is kept here; made when missing. */
  readonly dataDir: string;
  /** Port of the HTTP interface; without it the one of the last start when free, else any. */
  readonly httpPort?: number | undefined;
  /** Port of the native protocol; chosen likewise. */
  readonly tcpPort?: number | undefined;
  /** Default `clickhouse.log` in the data directory. */
  readonly logFile?: string | undefined;
  /** Settings of the writer's profile. */
  readonly querySettings?: Readonly<Record<string, string | number>> | undefined;
  /** More elements of the server's configuration, as XML, for example a `<query_log>`. */
  readonly config?: string | undefined;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** A running ClickHouse server. */
export interface EmbeddedClickHouse extends AsyncDisposable {
  /** HTTP, user `millrace`: may do everything. */
  readonly url: string;
  /** HTTP, user `reader`: may only read tables. */
  readonly readerUrl: string;
  readonly pid: number;
  readonly httpPort: number;
  readonly tcpPort: number;
  /** In order: 4–5 s; killed after 8 s, as about 1 in 20 hangs at its end. */
  stop(): Promise<void>;
  /** For fault tests, and where nobody needs the data any more. Loses no acknowledged insert. */
  kill(): Promise<void>;
}

const START_MS = 60_000;

/** Profile of the writer, over ClickHouse's defaults. MaterializedPostgreSQL is a peer in the benchmarks. */
const QUERY_SETTINGS = { allow_experimental_database_materialized_postgresql: 1 } as const;

/**
 * Starts ClickHouse and waits until it answers.
 *
 * @throws {AppError} `ENGINE_MISSING`, `ENGINE_START`, `ALREADY_RUNNING`.
 */
export async function startClickHouse(options: ClickHouseOptions): Promise<EmbeddedClickHouse> {
  const home = resolve(options.dataDir);
  await makeDirectory(home);
  const lock = await lockData(join(home, 'lock'), `the ClickHouse data directory ${home}`);
  try {
    const ports = {
      http: await choosePort(join(home, 'http-port'), options.httpPort),
      tcp: await choosePort(join(home, 'tcp-port'), options.tcpPort),
    };
    const setup = await writeConfig(home, options);
    const server = await launch(home, ports, options);
    await lock.engineStarted(server.pid);
    await writePrivate(join(home, 'http-port'), String(ports.http));
    await writePrivate(join(home, 'tcp-port'), String(ports.tcp));
    return embedded(server, { ports, setup, ended: () => lock.release() });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface Ports {
  readonly http: number;
  readonly tcp: number;
}

async function choosePort(kept: string, wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return freePort(await keptPort(kept));
  if (await isPortFree(wanted)) return wanted;
  throw new AppError('ENGINE_START', `port ${wanted} for ClickHouse is taken`);
}

async function writeConfig(home: string, options: ClickHouseOptions): Promise<ClickHouseSetup> {
  const setup = {
    password: await keptPassword(join(home, 'password')),
    readerPassword: await keptPassword(join(home, 'reader-password')),
    settings: { ...QUERY_SETTINGS, ...options.querySettings },
    extra: options.config ?? '',
  };
  await writePrivate(join(home, 'users.xml'), usersConfig(setup));
  await writePrivate(join(home, 'config.xml'), serverConfig(join(home, 'users.xml'), setup));
  return setup;
}

async function launch(home: string, ports: Ports, options: ClickHouseOptions): Promise<SupervisedProcess> {
  const logFile = options.logFile ?? join(home, 'clickhouse.log');
  const library = findClickHouseLibrary();
  const program = [findClickHouseChild(), library];
  // The level in the configuration file is not obeyed here: without this option everything is logged.
  const place = ['--log-level=warning', `--path=${join(home, 'data')}`, `--config-file=${join(home, 'config.xml')}`];
  const listen = [`--listen_host=${LOOPBACK}`, `--http_port=${ports.http}`, `--tcp_port=${ports.tcp}`];
  const server = await supervise({
    command: process.execPath,
    args: [...program, ...place, ...listen],
    cwd: home,
    // Without our own variables: secrets are none of its business, and NODE_OPTIONS is not for it.
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, TZ: 'UTC', LC_ALL: 'C' },
    logFile,
    askSignal: '0',
    forceSignal: 'KILL',
    graceSeconds: 8,
  });
  try {
    await untilReady(server, { port: ports.http, logFile, signal: options.signal });
    return server;
  } catch (error) {
    await server.kill('SIGKILL');
    throw error;
  }
}

async function untilReady(
  server: SupervisedProcess,
  waiting: { port: number; logFile: string; signal: AbortSignal | undefined },
): Promise<void> {
  const deadline = Date.now() + START_MS;
  while (server.ending === undefined && Date.now() < deadline) {
    waiting.signal?.throwIfAborted();
    if (await answers(waiting.port)) return;
    await sleep(25);
  }
  const how = server.ending === undefined ? 'does not answer' : `ended with ${server.ending}`;
  throw new AppError('ENGINE_START', `ClickHouse ${how}, see ${waiting.logFile}`);
}

/** A refused connection is how a server that is starting looks. */
async function answers(port: number): Promise<boolean> {
  const response = await fetch(`http://${LOOPBACK}:${port}/ping`, { signal: AbortSignal.timeout(5_000) }).catch(
    () => undefined,
  );
  return response !== undefined && response.ok && (await response.text()) === 'Ok.\n';
}

interface Facts {
  readonly ports: Ports;
  readonly setup: ClickHouseSetup;
  readonly ended: () => Promise<void>;
}

function embedded(server: SupervisedProcess, facts: Facts): EmbeddedClickHouse {
  const at = `${LOOPBACK}:${facts.ports.http}`;
  const stop = async (): Promise<void> => {
    await server.stop();
    await facts.ended();
  };
  return {
    url: `http://${WRITER}:${facts.setup.password}@${at}`,
    readerUrl: `http://${READER}:${facts.setup.readerPassword}@${at}`,
    pid: server.pid,
    httpPort: facts.ports.http,
    tcpPort: facts.ports.tcp,
    stop,
    kill: async () => {
      await server.kill('SIGKILL');
      await facts.ended();
    },
    [Symbol.asyncDispose]: stop,
  };
}
