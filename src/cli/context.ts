/**
 * What every command starts from: its configuration, a log, a signal that ends it, and (where it
 * needs servers) their endpoints.
 *
 *   flags, environment, millrace.yaml ─► [session] ─► given URLs, or those of a running embedded instance ─► [context]
 */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/options.ts';
import { AppError } from '../model/errors.ts';
import { type Log, openLog } from '../telemetry/log.ts';
import { stopSignal } from './shutdown.ts';

/** What a command needs that talks to no server, or starts its own. */
export interface Session {
  readonly config: Config;
  readonly log: Log;
  /** Aborted by SIGINT, SIGTERM, or a reader of our output that went away. */
  readonly signal: AbortSignal;
  /** Print one JSON value on stdout, nothing for people. */
  readonly json: boolean;
  /** Print results and errors only. */
  readonly quiet: boolean;
}

/** The two servers. URLs hold passwords: show them through `redactUrl`. */
export interface Endpoints {
  readonly postgres: string;
  readonly clickhouse: string;
  /** `embedded` when at least one of them is an engine that `millrace up` runs. */
  readonly source: 'given' | 'embedded';
}

/** A session with servers. */
export interface Context extends Session {
  readonly endpoints: Endpoints;
}

/**
 * Opens the session of a command.
 *
 * @param command The running command: the second-last argument of its action is its own options, the last is this.
 * @throws {AppError} `CONFIG_INVALID`.
 */
export async function openSession(command: CommandUnknownOpts): Promise<Session> {
  const flags = command.optsWithGlobals() as Record<string, unknown>;
  const file = flags['config'] as string | undefined;
  const config = await loadConfig({ flags, env: process.env, cwd: process.cwd(), file });
  const quiet = flags['quiet'] === true;
  const level = quiet && config.logLevel === 'info' ? 'warn' : config.logLevel;
  const log = openLog({ level, stream: process.stderr });
  return { config, log, signal: stopSignal(), json: flags['json'] === true, quiet };
}

/**
 * Opens the session of a command that needs both servers.
 *
 * @throws {AppError} `CONFIG_INVALID`; `NOT_RUNNING` when a URL is missing and no embedded instance runs.
 */
export async function openContext(command: CommandUnknownOpts): Promise<Context> {
  const session = await openSession(command);
  return { ...session, endpoints: await findEndpoints(session.config) };
}

/**
 * Finds the servers: those given, else those of the embedded instance that runs from the data directory.
 *
 * @throws {AppError} `NOT_RUNNING`.
 */
export async function findEndpoints(config: Config): Promise<Endpoints> {
  const { postgresUrl, clickhouseUrl, dataDir } = config;
  if (postgresUrl !== null && clickhouseUrl !== null) {
    return { postgres: postgresUrl, clickhouse: clickhouseUrl, source: 'given' };
  }
  const { readEndpoints } = await import('../engines/endpoints.ts');
  const running = await readEndpoints(dataDir);
  if (running === undefined) {
    const missing = postgresUrl === null ? 'PostgreSQL' : 'ClickHouse';
    throw new AppError('NOT_RUNNING', `no URL of ${missing} is given, and no embedded instance runs in ${dataDir}`);
  }
  return {
    postgres: postgresUrl ?? running.postgres,
    clickhouse: clickhouseUrl ?? running.clickhouse,
    source: 'embedded',
  };
}
