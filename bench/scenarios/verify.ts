/**
 * The proof that source and copy are equal, on the ad schema with a given number of impressions: how long the copy
 * stands still, what it costs both servers, and how long it takes, over one connection and over two.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { packageRoot } from '../../src/model/package-root.ts';
import { pgRows } from '../../src/source/connection.ts';
import type { Verification } from '../../src/verify/verification.ts';
import { verify } from '../../src/verify/verify.ts';
import { engineCpuMs } from '../support/clock.ts';
import { type Lab, NAMES, SLOT } from '../support/lab.ts';
import { atMost, type Findings } from '../support/result.ts';
import { medians } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Impressions of the published figures. */
export const VERIFY_ROWS = 10_000_000;

const CONTENDERS: Readonly<Record<string, { maxLoad: number; ranges: number | null }>> = {
  'full, max-load 1': { maxLoad: 1, ranges: null },
  'full, max-load 2': { maxLoad: 2, ranges: null },
  'quick, 8 ranges': { maxLoad: 2, ranges: 8 },
};

/** Measures each way `repeat` times. */
export async function measureVerify(lab: Lab, options: { rows: number; repeat: number }): Promise<Findings> {
  const { rows, repeat } = options;
  await createAdSource(lab.pg, rows);
  await using worker = await WorkerProcess.start();
  worker.runPipeline({ postgresUrl: lab.engines.postgres.url, clickhouseUrl: lab.engines.clickhouse.url });
  await worker.until({ kind: 'live' });
  const figures: Record<string, Record<string, number>> = {};
  for (const [name, way] of Object.entries(CONTENDERS)) {
    const runs: Record<string, number>[] = [];
    for (let round = 0; round < repeat; round++) runs.push(await measureOne(lab, way));
    figures[name] = medians(runs);
  }
  const longest = Math.max(...Object.values(figures).map((figure) => figure['heldMs'] ?? Number.NaN));
  return { parameters: { rows, repeat }, figures, bars: [atMost('the copy stands still, ms', longest, 1000)] };
}

async function measureOne(lab: Lab, way: { maxLoad: number; ranges: number | null }): Promise<Record<string, number>> {
  const { postgres, clickhouse } = lab.engines;
  const before = [engineCpuMs(postgres.pid), engineCpuMs(clickhouse.pid)] as const;
  const found = await verify({
    postgresUrl: postgres.url,
    replicaUrl: null,
    clickhouseUrl: clickhouse.url,
    names: NAMES,
    slot: SLOT,
    patterns: { include: ['public.*'], exclude: [] },
    only: [],
    unfitPolicy: 'fail',
    maxLoad: way.maxLoad,
    statementTimeoutMs: 30_000,
    sample: way.ranges === null ? null : { ranges: way.ranges, seed: 1 },
    limit: 20,
    repair: false,
    waitMs: 60_000,
    signal: new AbortController().signal,
  });
  if (found.verdict !== 'equal') throw new Error(`the copy is ${found.verdict}`);
  return {
    ...figuresOf(found),
    postgresCpuSeconds: (engineCpuMs(postgres.pid) - before[0]) / 1000,
    clickhouseCpuSeconds: (engineCpuMs(clickhouse.pid) - before[1]) / 1000,
  };
}

function figuresOf({ startedAt, finishedAt, heldMs, sourceMs, copyMs }: Verification): Record<string, number> {
  const seconds = (finishedAt.getTime() - startedAt.getTime()) / 1000;
  return { seconds, heldMs, sourceSeconds: sourceMs / 1000, copySeconds: copyMs / 1000 };
}

/** The four tables: 500 campaigns, an impression each 0.8 s, a click for every tenth. */
async function createAdSource(pg: Client, rows: number): Promise<void> {
  await pg.query(await readFile(join(packageRoot(), 'sql/postgres/V1__create_schema.sql'), 'utf8'));
  await pgRows(pg, "INSERT INTO advertiser (name) SELECT 'Advertiser ' || n FROM generate_series(1, 50) AS n");
  await pgRows(
    pg,
    `INSERT INTO campaign (name, bid, budget, advertiser_id)
     SELECT 'Campaign ' || n, 0.10 + n % 900 / 100.0, 1000, 1 + n % 50 FROM generate_series(1, 500) AS n`,
  );
  await pgRows(pg, 'SELECT setseed(0.42)');
  for (const [table, every] of [
    ['impressions', 1],
    ['clicks', 10],
  ] as const) {
    await pgRows(
      pg,
      `INSERT INTO ${table} (campaign_id, created_at)
       SELECT 1 + floor(random() ^ 2 * 500)::int, timestamp '2025-01-01' + (n + random()) * ${every} * interval '0.8 seconds'
       FROM generate_series(1, ${Math.ceil(rows / every)}) AS n`,
    );
  }
  await pgRows(pg, 'VACUUM ANALYZE');
  await pgRows(pg, 'CHECKPOINT');
}
