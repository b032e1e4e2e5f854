/** Both engines of a scenario, in a directory of their own, and what every contender needs of them. */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'pg';
import { ClickHouse } from '../../src/destination/client.ts';
import { createTableStatements, fenceConstraint, type Names } from '../../src/destination/ddl.ts';
import { type EmbeddedEngines, startEngines } from '../../src/engines/endpoints.ts';
import { layoutsOf } from '../../src/pipeline/prepare.ts';
import type { TableLayout } from '../../src/pipeline/layout.ts';
import { readTables } from '../../src/source/catalog.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';

/** Where the copies go, whoever makes them. */
export const NAMES: Names = { database: 'ads', internal: 'millrace' };

/** Name of our slot and publication. */
export const SLOT = 'millrace';

/** Running engines with a session on each. */
export interface Lab extends AsyncDisposable {
  readonly engines: EmbeddedEngines;
  readonly pg: Client;
  readonly ch: ClickHouse;
  readonly dataDir: string;
}

/** What differs between labs. */
export interface LabOptions {
  /** Of PostgreSQL. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where everything is kept, and taken up again by the next lab; removed at the end when absent. */
  readonly keepIn?: string | undefined;
}

/** Wider limits for what a checkpoint's time depends on: so that none falls into one contender's run and not the other's. */
export const RARE_CHECKPOINTS = { max_wal_size: '8GB', checkpoint_timeout: '1h' };

/** Starts the engines with their default settings otherwise: PostgreSQL flushes every commit to disk. */
export async function openLab({ settings = RARE_CHECKPOINTS, keepIn }: LabOptions = {}): Promise<Lab> {
  if (keepIn !== undefined) await mkdir(keepIn, { recursive: true });
  const dataDir = keepIn ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')));
  await chmod(dataDir, 0o711);
  const engines = await startEngines({ dataDir, postgres: { settings } });
  const pg = await connectPostgres(engines.postgres.url, { applicationName: 'bench' });
  const ch = new ClickHouse(engines.clickhouse.url, { applicationName: 'bench' });
  const close = async (): Promise<void> => {
    await pg.end();
    await ch[Symbol.asyncDispose]();
    if (keepIn !== undefined) return await engines.stop();
    await Promise.all([engines.postgres.kill('SIGQUIT'), engines.clickhouse.kill()]);
    await rm(dataDir, { recursive: true, force: true });
  };
  return { engines, pg, ch, dataDir, [Symbol.asyncDispose]: close };
}

/** Makes `impressions` anew and fills it with `rows` rows: 5,000 campaigns, one event each 0.8 s or so. */
export async function createSource(pg: Client, rows: number): Promise<void> {
  await pgRows(pg, 'DROP TABLE IF EXISTS impressions');
  await pgRows(
    pg,
    'CREATE TABLE impressions (id serial PRIMARY KEY, campaign_id integer, created_at timestamp DEFAULT now())',
  );
  await pgRows(pg, 'SELECT setseed(0.42)');
  await writeRows(pg, rows, rows);
  await pgRows(pg, 'VACUUM ANALYZE impressions');
  await pgRows(pg, 'CHECKPOINT');
}

/** Inserts rows in transactions of `perTransaction`; inside the server, so that the writer costs little. */
export async function writeRows(pg: Client, rows: number, perTransaction: number): Promise<void> {
  const insert = `INSERT INTO impressions (campaign_id, created_at)
    SELECT 1 + floor(random() ^ 2 * 5000)::int, timestamp '2025-01-01' + (n + random()) * interval '0.8 seconds'`;
  if (perTransaction >= rows) await pgRows(pg, `${insert} FROM generate_series(1, ${rows}) AS n`);
  else {
    const loop = `FOR done IN 0..${rows / perTransaction - 1} LOOP ${insert}
      FROM generate_series(done * ${perTransaction} + 1, (done + 1) * ${perTransaction}) AS n; COMMIT; END LOOP;`;
    await pgRows(pg, `DO $$ BEGIN ${loop} END $$`);
  }
}

/** The layout of `impressions`. */
export async function readLayout(pg: Client): Promise<TableLayout> {
  const tables = await readTables(pg, { include: ['public.impressions'], exclude: [] });
  const [layout] = layoutsOf(tables).layouts;
  if (layout === undefined) throw new Error('the table to measure with is missing');
  return layout;
}

/** Makes the target that Millrace makes, for the other contenders. */
export async function createTarget(lab: Lab): Promise<void> {
  const { table, codecs } = await readLayout(lab.pg);
  for (const name of [NAMES.database, NAMES.internal]) await lab.ch.command(`CREATE DATABASE IF NOT EXISTS ${name}`);
  // The fence refuses writers that are not Millrace's: contenders write without it.
  const fence = `, ${fenceConstraint(NAMES)}`;
  for (const statement of createTableStatements(NAMES, table, codecs))
    await lab.ch.command(statement.replace(fence, ''));
}

/** Removes every trace of the contender before: databases, slots, publications. */
export async function reset(lab: Lab): Promise<void> {
  for (const name of ['materialized', NAMES.database, NAMES.internal])
    await lab.ch.command(`DROP DATABASE IF EXISTS ${name} SYNC`);
  const slots = await pgRows(lab.pg, 'SELECT slot_name AS slot FROM pg_replication_slots');
  for (const { slot } of slots) await pgRows(lab.pg, 'SELECT pg_drop_replication_slot($1)', [slot]);
  const publications = await pgRows(lab.pg, 'SELECT pubname AS publication FROM pg_publication');
  for (const { publication } of publications) await pgRows(lab.pg, `DROP PUBLICATION "${publication}"`);
  await pgRows(lab.pg, 'CHECKPOINT');
}

const SUMS = 'count(*) AS n, sum(id) AS ids, sum(campaign_id) AS campaigns';

/** Throws unless the copy is complete: rows, keys, values and times, as sums. */
export async function verify(lab: Lab, copy: string): Promise<void> {
  const [source] = await pgRows(
    lab.pg,
    `SELECT ${SUMS}, sum((extract(epoch FROM created_at) * 1000000)::bigint) AS us FROM impressions`,
  );
  const [found] = await lab.ch.rows(
    `SELECT ${SUMS}, sum(toInt128(toUnixTimestamp64Micro(created_at))) AS us FROM ${copy}`,
  );
  const difference = Object.keys(source ?? {}).find((name) => String(source?.[name]) !== String(found?.[name]));
  if (difference === undefined) return;
  throw new Error(
    `${copy} is not the source: ${difference} ${String(found?.[difference])}, not ${source?.[difference]}`,
  );
}

/** How PostgreSQL is named in ClickHouse's own functions: host and port, and the account. */
export function postgresArguments(lab: Lab): { address: string; database: string; account: string } {
  const url = new URL(lab.engines.postgres.url);
  const account = `'${url.username}', '${decodeURIComponent(url.password)}'`;
  return { address: `'${url.host}'`, database: `'${url.pathname.slice(1)}'`, account };
}
