/** Partitioned tables: copied through the root, whatever happens to the partitions. */
import { expect, test } from 'vitest';
import { openProxy } from '../src/chaos/proxy.ts';
import { ask } from './support/ask-tables.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { followShapes, inPublic, pairDifferences, type ShapeCopy } from './support/shape-copy.ts';
import { chunksOf, tableState, tableStates } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

/** Ranges of days, one of them cut by region; one partition has its columns in another order and lacks one that was dropped. */
const EVENTS = `
  CREATE TABLE events (id bigint, day int, region text, amount numeric(10,2), body text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  ALTER TABLE events ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
  CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY LIST (day);
  CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES IN (10, 11, 12);
  CREATE TABLE events_2b PARTITION OF events_2 DEFAULT;
  CREATE TABLE events_3 (gone int, body text, amount numeric(10,2), day int NOT NULL, region text, id bigint NOT NULL);
  ALTER TABLE events_3 DROP gone; ALTER TABLE events ATTACH PARTITION events_3 FOR VALUES FROM (20) TO (30);
  INSERT INTO events SELECT i, i % 30, 'r' || i % 4, i, repeat(md5(i::text), 100) FROM generate_series(1, 600) i`;
const TABLES = [inPublic('events')];

/** Waits until what no change in the stream tells was noticed, and the copy is right again. */
async function settled({ pg, ch }: Pick<ShapeCopy, 'pg' | 'ch'>, what: string): Promise<void> {
  await waitFor(async () => (await pairDifferences(pg, ch, inPublic('events'))).length === 0, { what });
}

test('GIVEN partitions of partitions WHEN rows change, move between partitions and are truncated by the root THEN source and copy are equal', async () => {
  await using copy = await followShapes(EVENTS, TABLES, { chunkRows: 100 });
  const chunks = await chunksOf(copy.pg, copy.ch, 'public.events');
  expect(new Set(chunks.map(({ relation }) => relation)).size).toBe(4);
  await copy.change('UPDATE events SET amount = -amount WHERE id % 3 = 0; DELETE FROM events WHERE id % 7 = 0');
  await copy.change(
    'UPDATE events SET day = (day + 7) % 30 WHERE id % 5 = 0; UPDATE events SET id = -id, day = 29 - day WHERE id % 11 = 0',
  );
  await copy.change(`BEGIN; UPDATE events SET day = 12 WHERE id = 4; UPDATE events SET day = 4, amount = 0 WHERE id = 4; DELETE FROM events WHERE id = 8;
    INSERT INTO events VALUES (8, 8, 'again', 8, NULL); UPDATE events SET day = 28 WHERE id = 8; COMMIT`); // prettier-ignore
  await copy.change(
    'BEGIN; INSERT INTO events VALUES (9000, 1); TRUNCATE events; INSERT INTO events VALUES (9001, 11); COMMIT',
  );
  await copy.change('INSERT INTO events SELECT i, i % 30 FROM generate_series(1, 100) i');
  await copy.pipeline.stop();
});

test('GIVEN a copy that follows WHEN partitions are made, attached, detached, dropped and truncated THEN it is equal to the source again', async () => {
  await using copy = await followShapes(EVENTS, TABLES);
  const { pg } = copy;
  const generation = async (): Promise<number> => (await tableState(pg, copy.ch, 'public.events')).generation;
  await copy.change(
    `CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM (30) TO (40); INSERT INTO events SELECT i + 10000, 30 + i % 10 FROM generate_series(1, 50) i`,
  );
  await copy.change('UPDATE events SET day = 35 WHERE day = 5; DELETE FROM events_4 WHERE id < 10005');
  // A partition that was made as one has nothing that the stream does not bring.
  expect(await generation()).toBe(1);
  const steps = [
    'TRUNCATE events_1',
    "INSERT INTO events SELECT i, 3, 'new' FROM generate_series(1, 20) i",
    'ALTER TABLE events DETACH PARTITION events_2; INSERT INTO events_2 VALUES (77777, 11)',
    'UPDATE events SET amount = 1 WHERE day = 25; UPDATE events_2 SET region = NULL; ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (10) TO (20)',
    'DROP TABLE events_3',
    `CREATE TABLE events_5 (LIKE events INCLUDING ALL); INSERT INTO events_5 SELECT i, 40 + i % 3 FROM generate_series(1, 30) i;
     ALTER TABLE events ATTACH PARTITION events_5 FOR VALUES FROM (40) TO (50); UPDATE events SET region = 'x' WHERE id % 2 = 0`,
    // One that came and went with its rows: only the stream has ever named it.
    `CREATE TABLE brief PARTITION OF events FOR VALUES FROM (60) TO (70); INSERT INTO events VALUES (1, 60), (2, 61); DROP TABLE brief; INSERT INTO events VALUES (5555, 1)`,
  ];
  for (const sql of steps) {
    await pg.client.query(sql);
    await settled(copy, sql);
    await copy.pipeline.caughtUp();
    await copy.expectEqual(sql);
  }
  await copy.change('UPDATE events SET amount = 5; DELETE FROM events WHERE id % 2 = 1');
  await copy.pipeline.stop();
});

test('GIVEN a load WHEN partitions are attached, emptied and dropped meanwhile, and while nobody looks THEN the copy is equal in the end', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(EVENTS);
  const hold = proxy.hold('"events_3"');
  const first = startPipeline(pg, ch, { postgresUrl: proxy.url, loadConnections: 1 });
  await hold.reached();
  await pg.client.query(`TRUNCATE events_1; UPDATE events SET day = 21 WHERE day = 11; DROP TABLE events_2b; CREATE TABLE late (LIKE events INCLUDING ALL);
    INSERT INTO late VALUES (1, 33); ALTER TABLE events ATTACH PARTITION late FOR VALUES FROM (30) TO (40); INSERT INTO events VALUES (2, 33), (3, 3)`); // prettier-ignore
  hold.release();
  await settled({ pg, ch }, 'the copy to be equal');
  await first.caughtUp();
  await first.stop();
  await pg.client.query(
    `TRUNCATE late; INSERT INTO events VALUES (4, 34); ALTER TABLE events_2 DETACH PARTITION events_2a; DROP TABLE events_2a`,
  );
  const second = startPipeline(pg, ch);
  await second.caughtUp();
  expect(await pairDifferences(pg, ch, inPublic('events'))).toEqual([]);
  await second.stop();
  await pg.client.query('INSERT INTO events VALUES (5, 35)');
  const third = startPipeline(pg, ch);
  await third.caughtUp();
  expect(await pairDifferences(pg, ch, inPublic('events'))).toEqual([]);
  await third.stop();
});

test('GIVEN a partitioned table WHEN it and a partition get other names while it is loaded THEN it is copied under the new one', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(EVENTS);
  const hold = proxy.hold(`%60${ch.database}%60.%60events%60`);
  await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url, loadConnections: 1, chunkRows: 100 });
  await hold.reached();
  await pg.client.query(
    `ALTER TABLE events RENAME TO happenings; ALTER TABLE events_1 RENAME TO first_days; UPDATE happenings SET day = 21 WHERE day = 11;
     DELETE FROM happenings WHERE id % 7 = 0; INSERT INTO happenings VALUES (1000, 3)`,
  );
  hold.release();
  await waitFor(() => pipeline.progress()?.tables.some(({ table }) => table === 'public.happenings') === true, {
    what: 'the new name to be followed',
  });
  await pipeline.caughtUp();
  expect(await pairDifferences(pg, ch, inPublic('happenings'))).toEqual([]);
  await pg.client.query('UPDATE happenings SET amount = 5 WHERE day = 3');
  await pipeline.caughtUp();
  expect(await pairDifferences(pg, ch, inPublic('happenings'))).toEqual([]);
  await pipeline.stop();
});

test('GIVEN a table that is copied by itself WHEN it is attached to a partitioned one, and detached again THEN its rows are where the source has them', async () => {
  await using copy = await followShapes(
    `CREATE TABLE loner (id int PRIMARY KEY, v text); INSERT INTO loner SELECT i, 'l' FROM generate_series(1000, 1020) i;
     CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
     INSERT INTO parted SELECT i, 'p' FROM generate_series(1, 20) i`,
    [inPublic('parted')],
    { catalogPollMs: 200 },
  );
  const settled = async (sql: string, phase: string): Promise<void> => {
    await copy.pg.client.query(sql);
    const isThere = async (): Promise<boolean> =>
      (await tableStates(copy.pg, copy.ch)).get('public.loner')?.phase === phase;
    await waitFor(isThere, { what: `public.loner to be ${phase}` });
    await copy.pipeline.caughtUp();
  };
  await settled(
    "ALTER TABLE parted ATTACH PARTITION loner FOR VALUES FROM (1000) TO (2000); INSERT INTO parted VALUES (1500, 'n')",
    'excluded',
  );
  expect((await tableStates(copy.pg, copy.ch)).get('public.loner')?.reason).toBe(
    'it is a partition of public.parted by now: its rows are copied with those',
  );
  await copy.expectEqual('attached');
  await settled("ALTER TABLE parted DETACH PARTITION loner; INSERT INTO loner VALUES (1, 'x')", 'live');
  await copy.expectEqual('detached');
  expect(await pairDifferences(copy.pg, copy.ch, inPublic('loner'))).toEqual([]);
}, 300_000);

test('GIVEN a partitioned table that is built anew WHEN a partition is emptied meanwhile THEN the new mirror takes its place, without the rows that it had', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(EVENTS);
  await using pipeline = startPipeline(pg, ch, { postgresUrl: proxy.url, loadConnections: 1, catalogPollMs: 200 });
  await pipeline.caughtUp();
  const hold = proxy.hold('"events_3"');
  expect(await ask(pg, ch, 'resync', ['public.events'])).toMatchObject({ status: 'done' });
  // The rows of events_1 are in the new mirror by now.
  await hold.reached();
  await pg.client.query(
    "TRUNCATE events_1; INSERT INTO events VALUES (7000, 3, 'new'); DELETE FROM events WHERE day = 12",
  );
  await waitFor(async () => (await tableState(pg, ch, 'public.events')).generation > 2, { what: 'another load' });
  hold.release();
  await pipeline.caughtUp();
  expect(await tableState(pg, ch, 'public.events')).toMatchObject({ phase: 'live', building: false });
  expect(await pairDifferences(pg, ch, inPublic('events'))).toEqual([]);
  // It is still known how it is published: a change that was left out is noticed.
  await pg.client.query(
    `ALTER PUBLICATION millrace DROP TABLE events; UPDATE events SET amount = 99 WHERE day = 13; ALTER PUBLICATION millrace ADD TABLE events`,
  );
  await settled({ pg, ch }, 'what was not published');
  await pipeline.stop();
});

test('GIVEN a partitioned table that somebody has added WHEN a partition is emptied THEN it is loaded again, and still counts as added and published', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${EVENTS}; CREATE TABLE other (id int PRIMARY KEY)`);
  await using pipeline = startPipeline(pg, ch, { includeTables: ['public.other'] });
  await pipeline.caughtUp();
  expect(await ask(pg, ch, 'add', ['public.events'])).toMatchObject({ status: 'done' });
  await pipeline.caughtUp();
  const before = await tableState(pg, ch, 'public.events');
  await pg.client.query('TRUNCATE events_1');
  await settled({ pg, ch }, 'the partition to be empty');
  await pipeline.caughtUp();
  const { chosen, published, build } = await tableState(pg, ch, 'public.events');
  expect({ chosen, published, build }).toEqual({ chosen: 'added', published: before.published, build: before.build });
  expect(before.published).not.toBe('');
  await pipeline.stop();
});
