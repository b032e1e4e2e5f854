/**
 * A crash at every step of the protocol, each in a known situation: afterwards source and copy are equal, and
 * every fail point was met (one that is never met tests nothing).
 */
import { expect, test } from 'vitest';
import { FAIL_POINTS, type FailPoint } from '../src/pipeline/fail-points.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { adDifferences } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { FIRST_ROWS } from './support/random-changes.ts';

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

async function changeUntilDead(pg: TemporaryPostgres, pipeline: PipelineProcess): Promise<void> {
  for (let i = 0; i < 20 && pipeline.isRunning; i++) {
    await pg.client.query(CHANGES);
    await Promise.race([pipeline.died(), pg.client.query('SELECT pg_sleep(0.5)')]);
  }
}

test.each(FAIL_POINTS)('killed at %s', async (point) => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CHUNK_ROWS: '1000' });
  if (!WHILE_LOADING.has(point)) await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  if (point === 'recovered') {
    pipeline.start('landed');
    await changeUntilDead(pg, pipeline);
  }
  pipeline.start(point);
  await changeUntilDead(pg, pipeline);
  expect(pipeline.isRunning, `${point} was met`).toBe(false);

  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});
