/** Tables that come, go, change their names, or are asked to rest, while the others are followed. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { ask, lookAgain } from './support/ask-tables.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { startReader } from './support/reader.ts';
import { tableState, tableStates } from './support/tables.ts';

const TABLES = `CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int PRIMARY KEY, t text);
  INSERT INTO a SELECT i, i FROM generate_series(1, 200) i; INSERT INTO b SELECT i, 'b' || i FROM generate_series(1, 100) i; ANALYZE`;

async function phases(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<Record<string, string>> {
  return Object.fromEntries([...(await tableStates(pg, ch)).values()].map(({ table, phase }) => [table, phase]));
}

async function expectEqual(pg: TemporaryPostgres, ch: TemporaryClickHouse, ...tables: string[]): Promise<void> {
  for (const table of tables) expect(await tableDifferences(pg, ch, table)).toEqual([]);
}

test('GIVEN tables that cannot be copied WHEN the pipeline starts THEN they alone are quarantined, with a remedy; once it was applied, resync brings them', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `${TABLES}; CREATE UNLOGGED TABLE quick (id int PRIMARY KEY, n int); INSERT INTO quick VALUES (1, 1)`,
  );
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  expect(await tableState(pg, ch, 'public.quick')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringMatching(/unlogged.*SET LOGGED.*millrace resync public\.quick/) as string,
  });
  await pg.client.query('ALTER TABLE quick SET LOGGED; UPDATE quick SET n = 2; UPDATE a SET n = -n');
  await lookAgain(pg);
  await pipeline.caughtUp();
  expect(await phases(pg, ch)).toEqual({ 'public.a': 'live', 'public.b': 'live', 'public.quick': 'quarantined' });
  expect(await ask(pg, ch, 'resync', ['public.quick'])).toMatchObject({ status: 'done' });
  await pipeline.caughtUp();
  await pg.client.query('INSERT INTO quick VALUES (2, 2)');
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'a', 'b', 'quick');
});

test(
  'GIVEN a running pipeline WHEN a table is paused, resumed, dropped, added THEN readers keep its rows, and it is exact whenever it is live',
  { timeout: 240_000 },
  async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(TABLES);
    await using pipeline = startPipeline(pg, ch);
    await pipeline.caughtUp();
    await using reader = startReader(ch, 'a', 150);
    expect(await ask(pg, ch, 'pause', ['public.a'])).toMatchObject({ status: 'done' });
    await pg.client.query(
      'UPDATE a SET n = 0; DELETE FROM a WHERE id = 5; INSERT INTO a VALUES (900, 1); UPDATE b SET t = t || 1',
    );
    await pipeline.caughtUp();
    expect(await tableState(pg, ch, 'public.a')).toMatchObject({
      phase: 'paused',
      reason: expect.stringContaining('millrace resume public.a') as string,
    });
    const [old] = await ch.client.rows(`SELECT count() AS rows, sum(n) AS total FROM ${ch.database}.a_current`);
    expect(old).toEqual({ rows: '200', total: '20100' });
    await expectEqual(pg, ch, 'b');
    expect(await ask(pg, ch, 'resume', ['public.b'])).toMatchObject({
      status: 'refused',
      answer: expect.stringContaining('not paused') as string,
    });
    expect(await ask(pg, ch, 'pause', ['public.nowhere'])).toMatchObject({ status: 'refused' });
    expect(await ask(pg, ch, 'resume', ['public.a'])).toMatchObject({ status: 'done' });
    await pg.client.query('UPDATE a SET n = 7 WHERE id < 50');
    await pipeline.caughtUp();
    await expectEqual(pg, ch, 'a', 'b');
    expect(await ask(pg, ch, 'drop', ['public.a'])).toMatchObject({ status: 'done' });
    await pg.client.query('UPDATE a SET n = 8 WHERE id < 60; DELETE FROM a WHERE id = 7');
    await pipeline.caughtUp();
    const published = await pg.client.query('SELECT tablename FROM pg_publication_tables');
    expect(published.rows).toEqual([{ tablename: 'b' }]);
    expect((await tableState(pg, ch, 'public.a')).phase).toBe('excluded');
    expect(await ask(pg, ch, 'add', ['public.a'])).toMatchObject({ status: 'done' });
    await pipeline.caughtUp();
    await expectEqual(pg, ch, 'a', 'b');
    expect(reader.complaints()).toEqual([]);
    expect(await ask(pg, ch, 'drop', ['public.a'], true)).toMatchObject({ status: 'done' });
    const left = await ch.client.rows(
      `SELECT name FROM system.tables WHERE database IN ({database:String}, {internal:String}) AND match(name, '^a(_|$)')`,
      {
        params: { database: ch.database, internal: ch.internal },
      },
    );
    expect(left).toEqual([]);
  },
);

test('GIVEN patterns that leave a table out, and no pipeline WHEN it is added THEN the next start loads it, and it stays across restarts', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `${TABLES}; CREATE SCHEMA far; CREATE TABLE far.c (id int PRIMARY KEY); INSERT INTO far.c VALUES (1), (2)`,
  );
  for (const round of [1, 2, 3]) {
    const pipeline = startPipeline(pg, ch);
    await pipeline.caughtUp();
    if (round > 1) {
      const rows = await ch.client.rows(`SELECT id FROM ${ch.database}.far_c_current ORDER BY id`);
      expect(rows.map(({ id }) => id)).toEqual(round === 2 ? [1, 2] : [1, 2, 3]);
    }
    await pipeline.stop();
    if (round === 1) expect(await ask(pg, ch, 'add', ['far.c'])).toMatchObject({ status: 'asked' });
    if (round === 2) await pg.client.query('INSERT INTO far.c VALUES (3)');
  }
});

test('GIVEN a table that is new WHEN it is dropped, or renamed, before it is published THEN the pipeline looks again and goes on', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(TABLES);
  await using pipeline = startPipeline(pg, ch, { postgresUrl: proxy.url, catalogPollMs: 200 });
  await pipeline.caughtUp();
  for (const change of ['DROP TABLE brief', 'ALTER TABLE brief RENAME TO c']) {
    const hold = proxy.hold('ALTER PUBLICATION');
    await pg.client.query('CREATE TABLE brief (id int PRIMARY KEY, t text)');
    await hold.reached();
    await pg.client.query(`${change}; UPDATE a SET n = n + 1`);
    hold.release();
    await pipeline.caughtUp();
    await expectEqual(pg, ch, 'a', 'b');
  }
  await pg.client.query("INSERT INTO c VALUES (1, 'c')");
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'c');
  await pipeline.stop();
});

test('GIVEN a stream WHEN tables are made, dropped, made again, renamed, and exchange their names THEN each is followed by what it is', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await pg.client.query(
    `CREATE TABLE c (id int PRIMARY KEY, d date); INSERT INTO c SELECT i, '2026-01-01' FROM generate_series(1, 50) i`,
  );
  await lookAgain(pg);
  await pg.client.query('UPDATE c SET d = NULL WHERE id < 10; UPDATE a SET n = 3 WHERE id = 3');
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'a', 'b', 'c');

  await pg.client.query('UPDATE a SET n = 4; ALTER TABLE a RENAME TO a2; UPDATE a2 SET n = n + id');
  await lookAgain(pg);
  await pg.client.query('DELETE FROM a2 WHERE id = 17');
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'a2', 'b', 'c');
  expect(await phases(pg, ch)).toEqual({ 'public.a2': 'live', 'public.b': 'live', 'public.c': 'live' });

  await pg.client.query(
    `BEGIN; ALTER TABLE b RENAME TO x; ALTER TABLE c RENAME TO b; ALTER TABLE x RENAME TO c; UPDATE c SET t = 'swapped' WHERE id = 9; UPDATE b SET d = '2020-02-02' WHERE id = 3; COMMIT`,
  );
  await lookAgain(pg);
  await pg.client.query(`UPDATE c SET t = 'later' WHERE id = 10; DELETE FROM b WHERE id = 4`);
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'a2', 'b', 'c');
  expect((await tableStates(pg, ch)).size).toBe(3);

  await pg.client.query(
    `DROP TABLE a2; DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY, other int); INSERT INTO b VALUES (1, 1)`,
  );
  await lookAgain(pg);
  await pg.client.query('INSERT INTO b VALUES (2, 2)');
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'b', 'c');
  expect(await tableState(pg, ch, 'public.a2')).toMatchObject({
    phase: 'dropped',
    reason: expect.stringContaining('dropped it') as string,
  });
  const [kept] = await ch.client.rows(`SELECT count() AS n FROM ${ch.database}.a2_current`);
  expect(kept).toEqual({ n: '199' });
});

test('GIVEN a publication that somebody changed, and changed back WHEN the tables are looked at again THEN what may have been missed is loaded', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await pg.client.query(`ALTER PUBLICATION millrace DROP TABLE a`);
  await pg.client.query('UPDATE a SET n = -n; DELETE FROM a WHERE id = 3');
  await pg.client.query(`ALTER PUBLICATION millrace ADD TABLE ONLY a`);
  await lookAgain(pg);
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'a', 'b');
  expect((await tableState(pg, ch, 'public.b')).generation).toBe(1);
  await pg.client.query(`ALTER PUBLICATION millrace SET (publish = 'insert')`);
  await pg.client.query('UPDATE b SET t = upper(t); DELETE FROM a WHERE id = 4');
  await lookAgain(pg);
  await pipeline.caughtUp();
  await expectEqual(pg, ch, 'a', 'b');
});
