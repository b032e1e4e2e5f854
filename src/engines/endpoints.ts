/** Both embedded engines of a data directory, and the file that tells other commands where they are. */
import { unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type ClickHouseOptions, type EmbeddedClickHouse, startClickHouse } from './clickhouse.ts';
import { lockData } from './data-lock.ts';
import { type EmbeddedPostgres, type PostgresOptions, startPostgres } from './postgres.ts';
import { makeDirectory, readIfExists, writePrivate } from './private-file.ts';
import { type ProcessIdentity, identify, isAlive } from './process-identity.ts';

/** Content of `endpoints.json` (mode 0600): URLs with passwords. */
export interface Endpoints {
  readonly postgres: string;
  readonly clickhouse: string;
  /** The user that may only read. */
  readonly clickhouseReader: string;
  /** The process that owns the engines. */
  readonly pid: number;
  /** Its start, in the words of the operating system: tells it from a later process of the same pid. */
  readonly started: string;
}

/** How to start both engines. */
export interface EnginesOptions {
  readonly dataDir: string;
  readonly postgresPort?: number | undefined;
  readonly clickhousePort?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Overrides for tests and benchmarks. */
  readonly postgres?: Partial<PostgresOptions> | undefined;
  readonly clickhouse?: Partial<ClickHouseOptions> | undefined;
}

/** Both engines, running. */
export interface EmbeddedEngines extends AsyncDisposable {
  readonly postgres: EmbeddedPostgres;
  readonly clickhouse: EmbeddedClickHouse;
  readonly endpoints: Endpoints;
  /** Stops both, and removes `endpoints.json`. */
  stop(): Promise<void>;
}

/**
 * Starts both engines of a data directory.
 *
 * @throws {AppError} `ALREADY_RUNNING` when they run already, `ENGINE_MISSING`, `ENGINE_START`.
 */
export async function startEngines(options: EnginesOptions): Promise<EmbeddedEngines> {
  const dataDir = resolve(options.dataDir);
  await makeDirectory(join(dataDir, 'log'));
  const lock = await lockData(join(dataDir, 'lock'), `the data directory ${dataDir}`);
  try {
    const [postgres, clickhouse] = await startBoth({ ...options, dataDir });
    const stopBoth = async (): Promise<void> => allSettledOrThrow([postgres.stop(), clickhouse.stop()]);
    const file = endpointsFile(dataDir);
    const endpoints = endpointsOf(postgres, clickhouse);
    await writePrivate(file, `${JSON.stringify(endpoints, null, 2)}\n`);
    const stop = async (): Promise<void> => {
      await unlink(file).catch(ignoreMissing);
      await stopBoth();
      await lock.release();
    };
    return { postgres, clickhouse, endpoints, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The endpoints of engines that run now; undefined when none do, or their owner died. */
export async function readEndpoints(dataDir: string): Promise<Endpoints | undefined> {
  const text = await readIfExists(endpointsFile(dataDir));
  if (text === undefined) return undefined;
  const endpoints = JSON.parse(text) as Endpoints;
  return isAlive(endpoints) ? endpoints : undefined;
}

/** When one of the two does not start, the other is stopped again. */
async function startBoth(options: EnginesOptions): Promise<[EmbeddedPostgres, EmbeddedClickHouse]> {
  const { dataDir, signal } = options;
  const postgres = startPostgres({
    dataDir: join(dataDir, 'postgres'),
    port: options.postgresPort,
    logFile: join(dataDir, 'log', 'postgres.log'),
    signal,
    ...options.postgres,
  });
  const clickhouse = startClickHouse({
    dataDir: join(dataDir, 'clickhouse'),
    httpPort: options.clickhousePort,
    logFile: join(dataDir, 'log', 'clickhouse.log'),
    signal,
    ...options.clickhouse,
  });
  const outcomes = await Promise.allSettled([postgres, clickhouse]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return [await postgres, await clickhouse];
  await allSettledOrThrow(
    outcomes.map(async (outcome) => (outcome.status === 'fulfilled' ? outcome.value.stop() : undefined)),
  );
  throw failed.reason;
}

async function allSettledOrThrow(steps: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(steps)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function endpointsOf(postgres: EmbeddedPostgres, clickhouse: EmbeddedClickHouse): Endpoints {
  const self = identify(process.pid) as ProcessIdentity;
  return { postgres: postgres.url, clickhouse: clickhouse.url, clickhouseReader: clickhouse.readerUrl, ...self };
}

function endpointsFile(dataDir: string): string {
  return join(dataDir, 'endpoints.json');
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
