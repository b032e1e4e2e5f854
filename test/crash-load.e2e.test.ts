/** A crash at every step of a first start, of a load and of a stop: nothing is lost, nothing counts twice. */
import { expect, test } from 'vitest';
import { adDifferences, tableDifferences } from '../src/chaos/compare.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { FAIL_POINT_TABLE } from '../src/pipeline/fail-points.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { CHANGES, changeUntilDead, failPointsOn } from './support/crash.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { casesWith } from './support/long.ts';
import { PipelineProcess } from './support/process.ts';
import { tableState } from './support/tables.ts';

/** Impressions in nine chunks. */
const SMALL = { MILLRACE_CHUNK_ROWS: '1000' };
const MORE_ROWS = `${FIRST_ROWS}; INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 6000) i; ANALYZE`;

test('every fail point has an occasion that a test brings about', () => {
  const here = ['start', 'load', 'toast', 'stop'];
  const there = ['changes', 'truncate', 'recovery', 'rebuild', 'tables', 'alter', 'alter-ads'];
  const occasions = new Set<string>(Object.values(FAIL_POINT_TABLE).map(({ on }) => on));
  expect([...occasions].toSorted()).toEqual([...here, ...there].toSorted());
});

test.each(casesWith([{ times: 3, connections: '2' }], [{ times: 1, connections: '1' }]))(
  'GIVEN a process that dies at each step of the start and of the load, one after the other %o, WHEN changes go on THEN the copy is exact',
  { timeout: 240_000 },
  async ({ times, connections }) => {
    await using pg = await temporaryAdSource();
    await using ch = await temporaryClickHouse();
    await pg.client.query(MORE_ROWS);
    await using pipeline = new PipelineProcess(pg, ch, { ...SMALL, MILLRACE_LOAD_CONNECTIONS: connections });
    for (const point of failPointsOn('start', 'load')) {
      pipeline.start(point.startsWith('chunk-') ? `${point}:${times}` : point);
      await changeUntilDead(pg, pipeline, CHANGES);
      expect(pipeline.ending, `${point} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
    }
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
  },
);

/** 2,000 rows in 200 blocks and two chunks, each with 2,200 bytes out of line, and a table that will change its shape. */
const DOCUMENTS = `CREATE TABLE doc (id int PRIMARY KEY, n int NOT NULL, pad char(700) NOT NULL, body text);
  ALTER TABLE doc ALTER pad SET STORAGE PLAIN, ALTER body SET STORAGE EXTERNAL;
  INSERT INTO doc SELECT i, i, 'x', repeat(md5(i::text), 70) FROM generate_series(1, 2000) i;
  CREATE TABLE other (id int PRIMARY KEY, d date); ANALYZE`;

test('GIVEN rows that wait for TOAST values, and a table to quarantine, WHEN the process dies at each step THEN the copy is exact', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(DOCUMENTS);
  const settings = { ...SMALL, MILLRACE_LOAD_CONNECTIONS: '1' };
  await using pipeline = new PipelineProcess({ ...pg, url: proxy.url }, ch, settings);
  const hold = proxy.hold("ctid >= '(100,0)'");
  const steps = {
    'incomplete-noted': async () => {
      await hold.reached();
      await pg.client.query('UPDATE doc SET n = -n WHERE id > 1980; UPDATE doc SET id = id + 1000 WHERE id > 1990');
    },
    'incomplete-completed': async () => hold.release(),
    'incomplete-settled': async () => undefined,
    'quarantine-stored': async () => {
      await pg.client.query('UPDATE doc SET n = 7 WHERE id = 1');
      await pipeline.caughtUp({ plain: true });
      await pg.client.query("INSERT INTO other VALUES (1, 'infinity'); UPDATE doc SET n = 8 WHERE id = 1");
    },
  };
  expect(Object.keys(steps)).toEqual(failPointsOn('toast'));
  for (const [point, step] of Object.entries(steps)) {
    pipeline.start(point);
    await step();
    await pipeline.died();
    expect(pipeline.ending, point).toBe('SIGKILL');
  }
  await pipeline.caughtUp({ plain: true });
  expect(await tableDifferences(pg, ch, 'doc')).toEqual([]);
  expect((await tableState(pg, ch, 'public.other')).phase).toBe('quarantined');
});

test('GIVEN a stop in order WHEN the process dies at each step of it THEN the copy is exact', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch);
  for (const point of failPointsOn('stop')) {
    pipeline.start(point);
    await pg.client.query(CHANGES);
    await pipeline.caughtUp();
    await pg.client.query(CHANGES);
    await pipeline.end('SIGTERM');
    expect(pipeline.ending, point).toBe('SIGKILL');
  }
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});
