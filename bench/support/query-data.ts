/**
 * What the key figures are measured on: 2,000 campaigns, 90 days, a click for every tenth impression; some rows changed, some
 * deleted; the copy made and followed by Millrace itself.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { packageRoot } from '../../src/model/package-root.ts';
import { readIfExists } from '../../src/engines/private-file.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import { type Lab, RARE_CHECKPOINTS } from './lab.ts';
import { WorkerProcess } from './worker-process.ts';

/** Days of the events, and the moment the figures are of. */
export const SPAN = { from: '2026-03-01', to: '2026-05-29', now: '2026-05-29 15:00:00' } as const;

/** First of the last seven days. */
export const LAST_WEEK = '2026-05-23';

/**
 * What somebody who has events by the million would set; the load and the stream measured elsewhere keep the defaults.
 * Commits of the making need not reach the disk one by one.
 */
export const QUERY_SETTINGS = {
  ...RARE_CHECKPOINTS,
  shared_buffers: '2GB',
  maintenance_work_mem: '1GB',
  work_mem: '128MB',
  effective_cache_size: '16GB',
  random_page_cost: '1.1',
} as const;

/** Says what is being done. */
export type Say = (text: string) => void;

const DAYS = 90;
const CAMPAIGNS = 2_000;
/** Rows per INSERT of the making: each is told. */
const ROWS_AT_ONCE = 10_000_000;
/** Stands in the directory when all is made. */
export const MADE = 'made.json';

/** A copy that is followed. */
export interface Copy {
  /** The running pipeline, up to date. */
  readonly worker: WorkerProcess;
  /** Rows that it has seen change. */
  readonly changes: number;
}

/** Makes source and copy unless they are there already. */
export async function openCopy(lab: Lab, rows: number, say: Say): Promise<Copy> {
  const { postgres, clickhouse } = lab.engines;
  const job = { postgresUrl: postgres.url, clickhouseUrl: clickhouse.url };
  const isMade = (await readIfExists(join(lab.dataDir, MADE))) !== undefined;
  if (!isMade) await createAdSource(lab, rows, say);
  const worker = await WorkerProcess.start();
  worker.runPipeline(job);
  await worker.until({ kind: 'live' });
  if (isMade) return { worker, changes: 0 };
  say('copied');
  const changes = await changeEvents(lab.pg);
  say(`${changes.toLocaleString('en-US')} rows changed`);
  await worker.until({ kind: 'changes', changes });
  say('changes applied');
  await createIndexes(lab.pg, say);
  await worker.until({ kind: 'live' });
  await writeFile(join(lab.dataDir, MADE), `${JSON.stringify({ rows, at: new Date().toISOString() })}\n`);
  return { worker, changes };
}

/**
 * Makes the four tables. Keys of events are made after the rows, which is faster, and their foreign keys not at all: to
 * check a hundred million of them takes longer than all else. Rows of a table are written by one session, in the order of their ids, as they would come.
 */
async function createAdSource(lab: Lab, rows: number, say: Say): Promise<void> {
  const { pg } = lab;
  await pg.query('DROP TABLE IF EXISTS clicks, impressions, campaign, advertiser');
  await pg.query(await readFile(join(packageRoot(), 'sql/postgres/V1__create_schema.sql'), 'utf8'));
  for (const table of ['impressions', 'clicks']) {
    await pgRows(pg, `ALTER TABLE ${table} DROP CONSTRAINT ${table}_campaign_id_fkey`);
    await pgRows(pg, `ALTER TABLE ${table} DROP CONSTRAINT ${table}_pkey`);
  }
  await pgRows(pg, "INSERT INTO advertiser (name) SELECT 'Advertiser ' || n FROM generate_series(1, 200) AS n");
  await pgRows(
    pg,
    `INSERT INTO campaign (name, bid, budget, advertiser_id, start_date, end_date)
     SELECT 'Campaign ' || n, 0.10 + n % 490 / 100.0, 100 + n % 900, 1 + n % 200, date '2026-03-01' + n % 30, date '2026-05-01' + n % 60
     FROM generate_series(1, ${CAMPAIGNS}) AS n`,
  );
  await Promise.all([
    fill(lab, { table: 'impressions', count: rows, seed: 0.42 }, say),
    fill(lab, { table: 'clicks', count: Math.floor(rows / 10), seed: 0.43 }, say),
  ]);
}

async function fill(lab: Lab, of: { table: string; count: number; seed: number }, say: Say): Promise<void> {
  const { table, count, seed } = of;
  const pg = await connectPostgres(lab.engines.postgres.url, { applicationName: 'bench writer' });
  await pgRows(pg, 'SELECT setseed($1)', [seed]);
  for (let done = 0; done < count; done += ROWS_AT_ONCE) {
    const last = Math.min(count, done + ROWS_AT_ONCE);
    await pgRows(
      pg,
      `INSERT INTO ${table} (id, campaign_id, created_at)
       SELECT n, 1 + floor(random() ^ 2 * ${CAMPAIGNS})::int, timestamp '${SPAN.from}' + (n - random()) / ${count} * interval '${DAYS} days'
       FROM generate_series(${done + 1}, ${last}) AS n`,
    );
    say(`${table}: ${last.toLocaleString('en-US')} rows`);
  }
  await pgRows(pg, `SELECT setval('${table}_id_seq', ${count})`);
  await pgRows(pg, `ALTER TABLE ${table} ADD PRIMARY KEY (id)`);
  say(`${table}: key`);
  await pg.end();
}

/** 1 % of the events move to another campaign, 0.1 % are deleted. @returns Rows changed. */
async function changeEvents(pg: Client): Promise<number> {
  let changed = 0;
  for (const table of ['impressions', 'clicks']) {
    const moved = await pg.query(
      `UPDATE ${table} SET campaign_id = 1 + (campaign_id * 7 + 11) % ${CAMPAIGNS} WHERE id % 100 = 7`,
    );
    const deleted = await pg.query(`DELETE FROM ${table} WHERE id % 1000 = 13`);
    changed += (moved.rowCount ?? 0) + (deleted.rowCount ?? 0);
  }
  return changed;
}

/** Indexes that somebody who asks these questions of PostgreSQL would make; all of them covering. */
async function createIndexes(pg: Client, say: Say): Promise<void> {
  for (const table of ['impressions', 'clicks']) {
    for (const columns of ['created_at, campaign_id', 'campaign_id, created_at']) {
      await pgRows(pg, `CREATE INDEX ON ${table} (${columns})`);
      say(`${table}: index on (${columns})`);
    }
  }
  await pgRows(pg, 'VACUUM ANALYZE');
  say('vacuumed');
}

/** Removes impressions that were written while it was measured. @returns How many. */
export async function removeAbove(pg: Client, id: number): Promise<number> {
  const removed = await pg.query('DELETE FROM impressions WHERE id > $1', [id]);
  await pgRows(pg, 'VACUUM impressions');
  return removed.rowCount ?? 0;
}
