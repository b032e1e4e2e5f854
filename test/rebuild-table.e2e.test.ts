/** Tables that are built anew beside the mirror that is read: exact, and no reader notices before it is there. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import type { FailPoint } from '../src/pipeline/fail-points.ts';
import { failPointsOn } from './support/crash.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from './support/databases.ts';
import { casesWith } from './support/long.ts';
import { applied, startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { startReader } from './support/reader.ts';
import { resyncTables } from './support/resync.ts';
import { tableState } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

const TABLES = `CREATE TABLE item (id int PRIMARY KEY, n int, body text); ALTER TABLE item ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE other (id int PRIMARY KEY, n int);
  INSERT INTO item SELECT i, i, repeat('a', 3000) FROM generate_series(1, 2500) i; INSERT INTO other SELECT i, i FROM generate_series(1, 100) i; ANALYZE`;

/** Changes of every kind: values kept out of line, keys, deletes; in both tables. */
const CHANGES = `BEGIN; UPDATE item SET n = n + 1 WHERE id % 5 = 0; UPDATE item SET id = id + 10000 WHERE id < 10000 AND id % 97 = 0;
  DELETE FROM item WHERE id % 31 = 0; INSERT INTO item SELECT max(id) + 1, 0, repeat('b', 3000) FROM item;
  UPDATE other SET n = n + 1; COMMIT`;

/** The mirror as a reader finds it is wrong in every way a mirror can be. */
async function spoil(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  const mirror = `${ch.database}.item`;
  await ch.client.command(
    `INSERT INTO ${mirror} SELECT id, 7, body, 1 + _version, 0 FROM ${mirror} FINAL WHERE id % 3 = 0`,
    { settings },
  );
  await ch.client.command(`INSERT INTO ${mirror} VALUES (-7, 1, 'ghost', 1, 0)`, { settings });
  await ch.client.command(`ALTER TABLE ${mirror} DELETE WHERE id % 5 = 1`, { settings });
}

async function nextMirrors(ch: TemporaryClickHouse): Promise<string[]> {
  const rows = await ch.client.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = {internal:String} AND match(name, '_next')`,
    { params: { internal: ch.internal } },
  );
  return rows.map(({ name }) => name);
}

async function expectEqual(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  for (const table of ['item', 'other']) expect(await tableDifferences(pg, ch, table)).toEqual([]);
}

test('GIVEN a spoiled mirror WHEN its table is built anew under traffic THEN readers have rows all the time, and it is exact', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(TABLES);
  const first = startPipeline(pg, ch);
  await first.caughtUp();
  await first.stop();
  await spoil(pg, ch);
  await resyncTables(pg, ch, ['public.item']);
  await using reader = startReader(ch, 'item', 1900);
  const hold = proxy.hold('item_next%60+%28');
  await using second = startPipeline(pg, ch, { clickhouseUrl: proxy.url, chunkRows: 500 });
  await hold.reached();
  expect(await tableState(pg, ch, 'public.item')).toMatchObject({ building: true, reason: 'it was asked for' });
  await pg.client.query(CHANGES);
  await applied(second, pg);
  expect(await tableDifferences(pg, ch, 'other')).toEqual([]);
  expect(await tableDifferences(pg, ch, 'item')).not.toEqual([]);
  hold.release();
  for (let round = 0; round < 5; round++) await pg.client.query(CHANGES);
  await second.caughtUp();
  await expectEqual(pg, ch);
  expect(await tableState(pg, ch, 'public.item')).toMatchObject({ phase: 'live', building: false, reason: '' });
  expect(await nextMirrors(ch)).toEqual([]);
  await pg.client.query(CHANGES);
  await second.caughtUp();
  await expectEqual(pg, ch);
  expect(reader.reads()).toBeGreaterThan(20);
  expect(reader.complaints()).toEqual([]);
});

test('GIVEN a table that is built anew WHEN it is truncated, and filled again, meanwhile THEN it is exact', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(TABLES);
  const first = startPipeline(pg, ch);
  await first.caughtUp();
  await first.stop();
  await resyncTables(pg, ch, ['public.item']);
  const hold = proxy.hold('item_next%60+%28');
  await using second = startPipeline(pg, ch, { clickhouseUrl: proxy.url, chunkRows: 500, loadConnections: 1 });
  await hold.reached();
  await pg.client.query(`TRUNCATE item; INSERT INTO item SELECT i, -i, 'new' FROM generate_series(500, 600) i`);
  hold.release();
  await pg.client.query(CHANGES);
  await second.caughtUp();
  await expectEqual(pg, ch);
  expect((await tableState(pg, ch, 'public.item')).generation).toBeGreaterThan(2);
});

/** In the order in which a build meets them. */
const STEPS = [
  'next-made',
  'chunk-landed',
  'catching-up-stored',
  'clone-shown',
  'exchanged',
  'old-mirror-dropped',
  'place-taken',
] as const satisfies readonly FailPoint[];

test('the steps at which it dies are all that a build has', () => {
  expect(STEPS).toEqual(expect.arrayContaining(failPointsOn('rebuild')));
});

/** The process dies at a step, amid changes; the next one goes on. */
async function dieAt(point: FailPoint, pg: TemporaryPostgres, pipeline: PipelineProcess): Promise<void> {
  await pipeline.end('SIGTERM');
  pipeline.start(point);
  await pg.client.query(CHANGES);
  await pipeline.died();
  expect(pipeline.ending, `${point} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
  await pg.client.query(CHANGES);
}

// Every step of one build. With TEST_LONG=1 also each step in a build of its own: more than a minute.
const EACH: readonly (readonly FailPoint[])[] = casesWith(
  [],
  STEPS.map((point) => [point]),
);

test.each([STEPS, ...EACH].map((points) => ({ points })))(
  'GIVEN a table that is built anew WHEN the process dies at $points THEN readers have rows all the time, and it is exact',
  { timeout: 300_000 },
  async ({ points }) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(TABLES);
    await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CHUNK_ROWS: '1000' });
    await pipeline.caughtUp({ plain: true });
    await using reader = startReader(ch, 'item', 1000);
    await pipeline.end('SIGTERM');
    await spoil(pg, ch);
    await resyncTables(pg, ch, ['public.item']);
    for (const point of points) await dieAt(point, pg, pipeline);
    await pipeline.caughtUp({ plain: true });
    await expectEqual(pg, ch);
    expect(await nextMirrors(ch)).toEqual([]);
    await waitFor(() => reader.reads() > 20, { what: 'a reader' });
    expect(reader.complaints()).toEqual([]);
  },
);
