/**
 * What chaos runs against: engines of its own in a directory of their own, proxies of its own before them, and the
 * ad platform with an audit. Nothing here can be pointed at a server of somebody.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { ClickHouse } from '../destination/client.ts';
import { type EmbeddedClickHouse, startClickHouse } from '../engines/clickhouse.ts';
import { type EmbeddedPostgres, startPostgres } from '../engines/postgres.ts';
import { makeDirectory } from '../engines/private-file.ts';
import { AppError, ERRORS } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import { sqlDirectory } from '../model/package-root.ts';
import { connectPostgres, pgRows } from '../source/connection.ts';
import { startAudit } from './audit.ts';
import type { CopySide } from './compare.ts';
import { openProxy, type Proxy } from './proxy.ts';
import { DOCUMENT_TABLE, FIRST_ROWS } from './random-sessions.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { until } from './until.ts';

/** Slot, and so the pipeline's name. */
export const PIPELINE = 'chaos';
/** Databases of the copy. */
export const NAMES = { database: 'ads', internal: 'millrace' } as const;

/**
 * Flushed as in earnest, so that an immediate stop is a crash. Commit times are kept, for the audit. Silence is
 * noticed after seconds. Transactions of some hundred rows are streamed while they are in progress.
 */
const POSTGRES_SETTINGS = {
  track_commit_timestamp: 'on',
  wal_sender_timeout: '5s',
  logical_decoding_work_mem: '64kB',
  shared_buffers: '64MB',
  checkpoint_timeout: '60s',
  max_wal_size: '128MB',
  min_wal_size: '32MB',
} as const;

/** For the comparison: little data and many different statements, of which none is worth compiling or a thread more. */
const SMALL_QUERIES = {
  max_threads: 1,
  compile_expressions: 0,
  compile_aggregate_expressions: 0,
  compile_sort_description: 0,
} as const;

/** How long a statement on a server that may be ending is tried again, ms. */
const SERVER_MS = 60_000;

/** The engines of one run, with the proxies that the pipeline sees them through. */
export class Lab implements AsyncDisposable {
  readonly directory: string;
  readonly copy: CopySide;
  readonly postgresProxy: Proxy;
  readonly clickhouseProxy: Proxy;
  /** Where ClickHouse has its data; null where nothing can be mounted. */
  readonly clickhouseDisk: SmallDisk | null;
  #postgres: EmbeddedPostgres;
  #clickhouse: EmbeddedClickHouse;

  private constructor(
    directory: string,
    engines: { postgres: EmbeddedPostgres; clickhouse: EmbeddedClickHouse },
    beside: { proxies: { postgres: Proxy; clickhouse: Proxy }; disk: SmallDisk | null },
  ) {
    this.directory = directory;
    this.#postgres = engines.postgres;
    this.#clickhouse = engines.clickhouse;
    this.postgresProxy = beside.proxies.postgres;
    this.clickhouseProxy = beside.proxies.clickhouse;
    this.clickhouseDisk = beside.disk;
    this.copy = {
      client: new ClickHouse(engines.clickhouse.url, { applicationName: 'chaos', settings: SMALL_QUERIES }),
      ...NAMES,
    };
  }

  /**
   * Starts both engines in a new directory, with an empty ad platform.
   *
   * @throws {AppError} `ENGINE_MISSING`, `ENGINE_START`.
   */
  static async open(directory: string, signal: AbortSignal): Promise<Lab> {
    await makeDirectory(join(directory, 'log'));
    const disk = await mountSmallDisk(join(places(directory).clickhouse.dataDir, 'data'));
    try {
      return await Lab.#start(directory, disk, signal);
    } catch (error) {
      await disk?.unmount();
      throw error;
    }
  }

  static async #start(directory: string, disk: SmallDisk | null, signal: AbortSignal): Promise<Lab> {
    const [postgres, clickhouse] = await Promise.all([
      startPostgres({ ...places(directory).postgres, signal }),
      startClickHouse({ ...places(directory).clickhouse, signal }),
    ]);
    const proxies = { postgres: await openProxy(postgres.url), clickhouse: await openProxy(clickhouse.url) };
    const lab = new Lab(directory, { postgres, clickhouse }, { proxies, disk });
    await lab.withSource(async (client) => {
      await client.query(await readFile(join(sqlDirectory('postgres'), 'V1__create_schema.sql'), 'utf8'));
      await client.query(DOCUMENT_TABLE);
      await startAudit({ client });
    });
    return lab;
  }

  /** The source without a proxy: for the traffic and the comparison. */
  get postgresUrl(): string {
    return this.#postgres.url;
  }

  /** Runs something in a session of its own on the source. */
  async withSource<T>(action: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await connectPostgres(this.postgresUrl, { applicationName: 'chaos' });
    try {
      return await action(client);
    } finally {
      await client.end();
    }
  }

  /** Runs a statement in ClickHouse, again while the server is down. */
  async onClickHouse<T>(action: (client: ClickHouse) => Promise<T>): Promise<T> {
    return await until(() => action(this.copy.client), {
      what: 'ClickHouse to answer',
      timeoutMs: SERVER_MS,
      passes: isDown,
    });
  }

  /** The same on the source. */
  async onPostgres<T>(action: (client: pg.Client) => Promise<T>): Promise<T> {
    return await until(() => this.withSource(action), {
      what: 'PostgreSQL to answer',
      timeoutMs: SERVER_MS,
      passes: isDown,
    });
  }

  /** Kills ClickHouse. */
  async killClickHouse(): Promise<void> {
    await this.#clickhouse.kill();
  }

  /** Starts ClickHouse again, on the same port. */
  async startClickHouse(): Promise<void> {
    const { httpPort, tcpPort } = this.#clickhouse;
    this.#clickhouse = await startClickHouse({ ...places(this.directory).clickhouse, httpPort, tcpPort });
  }

  /** Stops PostgreSQL at once: without a checkpoint, as if it had crashed. */
  async crashPostgres(): Promise<void> {
    await this.#postgres.kill('SIGQUIT');
  }

  /** Starts PostgreSQL again, on the same port; it recovers from its WAL. */
  async startPostgres(): Promise<void> {
    const { port } = this.#postgres;
    this.#postgres = await startPostgres({ ...places(this.directory).postgres, port });
  }

  /** What the pipeline may keep on disk: transactions in progress, and the journal. */
  get pipelineDirectory(): string {
    return join(this.directory, 'pipeline');
  }

  /** Throws the copy away, and fills the source with its first rows. Nothing may be connected to the slot. */
  async renew(): Promise<void> {
    await rm(this.pipelineDirectory, { recursive: true, force: true });
    for (const name of Object.values(NAMES)) {
      await this.copy.client.command(`DROP DATABASE IF EXISTS ${chIdent(name)} SYNC`);
    }
    await this.withSource(async (client) => {
      await dropSlot(client);
      await client.query('TRUNCATE advertiser, campaign, impressions, clicks, document RESTART IDENTITY');
      await client.query('TRUNCATE audit.version');
      await client.query(FIRST_ROWS);
      // What is there before the copy begins has been so for ever, as far as anybody can know.
      await client.query('UPDATE audit.version SET at = NULL, xid = NULL');
      await client.query('ANALYZE');
    });
  }

  /** Kills both engines and closes the proxies. The directory stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.copy.client[Symbol.asyncDispose]();
    await Promise.all([this.postgresProxy[Symbol.asyncDispose](), this.clickhouseProxy[Symbol.asyncDispose]()]);
    await Promise.all([this.#postgres.kill('SIGQUIT'), this.#clickhouse.kill()]);
  }

  /** Removes everything. After the end only. */
  async remove(): Promise<void> {
    await this.clickhouseDisk?.unmount();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Whether a server is not there at the moment: everything else is a mistake of ours. */
function isDown(error: unknown): boolean {
  return error instanceof AppError && ERRORS[error.code].remedy === 'retry';
}

function places(directory: string) {
  return {
    postgres: {
      dataDir: join(directory, 'postgres'),
      logFile: join(directory, 'log', 'postgres.log'),
      settings: POSTGRES_SETTINGS,
    },
    clickhouse: { dataDir: join(directory, 'clickhouse'), logFile: join(directory, 'log', 'clickhouse.log') },
  };
}

async function dropSlot(client: pg.Client): Promise<void> {
  await pgRows(
    client,
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL',
  );
  const isIdle = async (): Promise<boolean> => {
    const rows = await pgRows(client, 'SELECT 1 FROM pg_replication_slots WHERE active_pid IS NOT NULL');
    return rows.length === 0 ? true : Promise.reject(new Error('the slot is still in use'));
  };
  await until(isIdle, { what: 'the slot to be let go', timeoutMs: SERVER_MS });
  await pgRows(client, 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
}
