/**
 * A crash at every step of the protocol, each in a known situation: afterwards source and copy are equal, and
 * every fail point was met (one that is never met tests nothing).
 */
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FAIL_POINTS, type FailPoint } from '../src/pipeline/fail-points.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';

/** Points that are met while the tables are loaded; the others only afterwards. */
const WHILE_LOADING = new Set<FailPoint>(['chunk-landed', 'loaded', 'rollups-built']);

/** One transaction that moves events between buckets, changes prices, deletes and truncates. */
const CHANGES = `
  BEGIN;
  UPDATE impressions SET campaign_id = 1 + id % 4, created_at = created_at - interval '3 hours' WHERE id % 5 = 0;
  UPDATE campaign SET bid = bid + 1 WHERE id IN (1, 2);
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 200) i;
  INSERT INTO clicks (campaign_id, created_at) SELECT 1 + i % 6, now() at time zone 'utc' + interval '1 hour' FROM generate_series(1, 100) i;
  DELETE FROM impressions WHERE id % 7 = 0;
  UPDATE clicks SET id = id + 50000 WHERE id % 3 = 0;
  COMMIT;
  BEGIN; TRUNCATE clicks; INSERT INTO clicks (campaign_id) SELECT 1 + i % 3 FROM generate_series(1, 50) i; COMMIT`;

/** Nothing that has an old state: the plan then names no bucket, recovery has to tell them from the rows. */
const INSERTS = `INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 100) i`;

async function changeUntilDead(pg: TemporaryPostgres, pipeline: PipelineProcess, sql: string): Promise<void> {
  for (let i = 0; i < 20 && pipeline.isRunning; i++) {
    await pg.client.query(sql);
    await Promise.race([pipeline.died(), pg.client.query('SELECT pg_sleep(0.5)')]);
  }
}

const CASES: [FailPoint, 'changes' | 'inserts'][] = [
  ...FAIL_POINTS.map((point): [FailPoint, 'changes'] => [point, 'changes']),
  ['partly-landed', 'inserts'],
  ['landed', 'inserts'],
  ['recovered', 'inserts'],
];

test.each(CASES)('killed at %s by %s', async (point, what) => {
  const sql = what === 'changes' ? CHANGES : INSERTS;
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CHUNK_ROWS: '1000' });
  if (!WHILE_LOADING.has(point)) await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  if (point === 'recovered') {
    pipeline.start('landed');
    await changeUntilDead(pg, pipeline, sql);
  }
  pipeline.start(point);
  await changeUntilDead(pg, pipeline, sql);
  expect(pipeline.isRunning, `${point} was met`).toBe(false);

  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

/**
 * ClickHouse writes its deduplication log before it renames a part: killed between the two it has lost the part,
 * and takes the retry for a repetition. Here the rollup's part of a landed batch is lost, the mirror's is not.
 */
test('the rollup lost a part that the mirror has', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch, {});
  await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  const rollup = `${ch.database}.campaign_hourly`;
  await ch.client.command(
    `CREATE TABLE ${ch.internal}.before ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${rollup}`,
  );
  pipeline.start('landed');
  await changeUntilDead(
    pg,
    pipeline,
    "UPDATE impressions SET campaign_id = 1 + id % 3, created_at = created_at - interval '1 day' WHERE id % 5 = 0",
  );
  expect(pipeline.isRunning).toBe(false);
  await ch.client.command(`TRUNCATE TABLE ${rollup}`);
  await ch.client.command(`INSERT INTO ${rollup} SELECT * FROM ${ch.internal}.before`, {
    settings: { deduplicate_insert: 'disable', ...(await presentWriter(ch, pg.database)) },
  });

  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

/** A transaction larger than a batch is applied in pieces; here one that a recovery has to apply, killed between two of them. */
test.each([2, 5])('killed before piece %i of a transaction that a recovery applies', async (piece) => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_BATCH_MAX_BYTES: '65536' });
  await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  pipeline.start('landed');
  await changeUntilDead(pg, pipeline, INSERTS);
  await pg.client.query('INSERT INTO impressions (campaign_id) SELECT 2 FROM generate_series(1, 20000)');
  pipeline.start(`resolved:${piece}`);
  await pipeline.died();

  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('killed when a recovery had stored its last position and not reconciled yet', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch, {});
  await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  pipeline.start('landed');
  await changeUntilDead(pg, pipeline, INSERTS);
  pipeline.start('stored');
  await pipeline.died();

  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});
