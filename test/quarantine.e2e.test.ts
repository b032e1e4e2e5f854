/** One table's trouble stays with that table: it is told, and the others go on. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { pgRows } from '../src/source/connection.ts';
import { temporaryClickHouse, temporaryPostgres, type TemporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { tableState } from './support/tables.ts';

const TABLES = `CREATE TABLE good (id int PRIMARY KEY, n int); CREATE TABLE bad (id int PRIMARY KEY, at timestamp, due timestamp NOT NULL DEFAULT '2026-01-01');
  INSERT INTO good SELECT i, i FROM generate_series(1, 50) i; INSERT INTO bad SELECT i, '2026-01-01' FROM generate_series(1, 50) i`;

interface Loss {
  table: string;
  column: string;
  reason: string;
  action: string;
  sample: string;
  values: string;
}

async function losses(ch: TemporaryClickHouse): Promise<Loss[]> {
  return await ch.client.rows<Loss>(
    `SELECT table, column, reason, action, any(sample) AS sample, toString(sum(values)) AS values FROM ${ch.internal}.losses GROUP BY ALL ORDER BY ALL`,
  );
}

test('GIVEN policy fail WHEN a value that does not fit is streamed THEN its table is quarantined with the reason, across restarts, and the others go on', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const first = startPipeline(pg, ch);
  await first.caughtUp();
  await pg.client.query(
    `BEGIN; INSERT INTO good VALUES (51, 51); UPDATE bad SET at = 'infinity' WHERE id = 7; INSERT INTO good VALUES (52, 52); COMMIT`,
  );
  await pg.client.query('INSERT INTO bad VALUES (53, NULL); DELETE FROM good WHERE id = 1');
  await first.caughtUp();
  const state = await tableState(pg, ch, 'public.bad');
  expect(state).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringMatching(/at.*infinity.*at [0-9A-F]+\/[0-9A-F]+/) as string,
  });
  expect(await tableDifferences(pg, ch, 'good')).toEqual([]);
  await first.stop();
  await pg.client.query('UPDATE good SET n = -n; DELETE FROM bad WHERE id < 10');
  await using second = startPipeline(pg, ch);
  await second.caughtUp();
  expect(await tableState(pg, ch, 'public.bad')).toEqual(state);
  expect(second.progress()?.tables.find(({ table }) => table === 'public.bad')?.phase).toBe('quarantined');
  expect(await tableDifferences(pg, ch, 'good')).toEqual([]);
  expect(await losses(ch)).toEqual([]);
});

test('GIVEN policy fail WHEN a value that does not fit is there before the start THEN its table is quarantined by the load', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLES}; UPDATE bad SET at = '-infinity' WHERE id = 20`);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  expect(await tableState(pg, ch, 'public.bad')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringContaining('infinity') as string,
  });
  expect(await tableDifferences(pg, ch, 'good')).toEqual([]);
});

test('GIVEN a table that is loading WHEN its stream brings a value that does not fit THEN the end of its load does not make it live', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(TABLES);
  const hold = proxy.hold(`INTO+%60${ch.database}%60.%60bad%60`);
  await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
  await hold.reached();
  await pg.client.query(`INSERT INTO bad VALUES (60, 'infinity')`);
  await expect
    .poll(async () => (await tableState(pg, ch, 'public.bad')).phase, { timeout: 20_000 })
    .toBe('quarantined');
  hold.release();
  await pipeline.caughtUp();
  expect((await tableState(pg, ch, 'public.bad')).phase).toBe('quarantined');
  expect(await tableDifferences(pg, ch, 'good')).toEqual([]);
});

test('GIVEN policy null WHEN values do not fit THEN they are NULL and counted with a sample; where NULL cannot be, the table is quarantined', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLES}; UPDATE bad SET at = 'infinity' WHERE id IN (3, 4)`);
  await using pipeline = startPipeline(pg, ch, { unfitPolicy: 'null' });
  await pipeline.caughtUp();
  const loaded = { table: 'public.bad', column: 'at', reason: 'infinity', action: 'null', sample: 'infinity' };
  await expect.poll(async () => await losses(ch), { timeout: 20_000 }).toEqual([{ ...loaded, values: '2' }]);
  await pg.client.query(
    `UPDATE bad SET at = 'infinity' WHERE id = 5; ALTER TABLE bad REPLICA IDENTITY FULL; UPDATE bad SET due = '2027-01-01' WHERE id = 5`,
  );
  await pipeline.caughtUp();
  expect(await losses(ch)).toEqual([{ ...loaded, values: '4' }]);
  const lost = await ch.client.rows(`SELECT id FROM ${ch.database}.bad_current WHERE at IS NULL ORDER BY id`);
  expect(lost.map(({ id }) => id)).toEqual([3, 4, 5]);
  await pg.client.query(`UPDATE bad SET due = 'infinity' WHERE id = 6; UPDATE good SET n = 0`);
  await pipeline.caughtUp();
  expect(await tableState(pg, ch, 'public.bad')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringContaining('due') as string,
  });
  expect(await tableDifferences(pg, ch, 'good')).toEqual([]);
});

test('GIVEN a column that cannot be copied as its rule says WHEN the pipeline starts THEN it says so and nothing was touched', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLES}; CREATE TABLE shape (id int PRIMARY KEY, area box)`);
  const pipeline = startPipeline(pg, ch, { tables: [{ match: 'public.shape', columns: { area: { as: 'array' } } }] });
  await expect(pipeline.caughtUp()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/public\.shape.*area/) as string,
  });
  const slots = await pgRows(pg.client, 'SELECT 1 FROM pg_replication_slots WHERE database = current_database()');
  const publications = await pgRows(pg.client, 'SELECT 1 FROM pg_publication');
  const databases = await ch.client.rows(
    `SELECT name FROM system.databases WHERE startsWith(name, {database:String})`,
    { params: { database: ch.database } },
  );
  expect([slots, publications, databases]).toEqual([[], [], []]);
  await pipeline[Symbol.asyncDispose]();
});
