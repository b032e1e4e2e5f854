/** The load while changes stream: what makes it exact, each mechanism by the case that needs it. */
import type { Client } from 'pg';
import { expect, test } from 'vitest';
import { adDifferences, tableDifferences } from '../src/chaos/compare.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, temporaryPostgres, type TemporaryClickHouse } from './support/databases.ts';
import { applied, startPipeline } from './support/pipeline.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { checkpointOf, chunksOf, storedRows, tableState } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

/** 400 rows in 40 blocks; with `SMALL` five blocks to a chunk. */
const ROWS = `CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL, pad text NOT NULL);
  INSERT INTO item SELECT i, i, repeat('x', 700) FROM generate_series(1, 400) i; ANALYZE item`;
const SMALL = { chunkRows: 50, loadConnections: 1 };

/** The URL-encoded beginning of an insert into a mirror, as chunks make them, or into a landing table. */
const loadInto = (ch: TemporaryClickHouse, table: string): string => `INTO+%60${ch.database}%60.%60${table}%60`;
const landIn = (ch: TemporaryClickHouse, table: string): string => `INTO+%60${ch.internal}%60.%60${table}_in%60`;

async function isLoading(ch: TemporaryClickHouse): Promise<boolean | undefined> {
  return (await ch.client.rows<{ loading: boolean }>(`SELECT loading FROM ${ch.database}.as_of`))[0]?.loading;
}

test('(a) GIVEN transactions older than the slot and than the load WHEN they commit late THEN no chunk was read before and each row arrives once', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, n int)');
  const [older, old] = [await connectPostgres(pg.url), await connectPostgres(pg.url)];
  await older.query('BEGIN; INSERT INTO item SELECT i, 1 FROM generate_series(1, 100) i');
  await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
  const isWaitingFor = async (client: Client): Promise<void> => {
    const [row] = await pgRows(client, 'SELECT pg_backend_pid() AS pid');
    await waitFor(() => pipeline.progress()?.waitingFor.includes(String(row?.['pid'])), {
      what: 'a transaction to be waited for',
    });
  };
  await isWaitingFor(older);
  const hold = proxy.hold('checkpoint');
  await older.query('COMMIT');
  await hold.reached();
  await old.query('BEGIN; INSERT INTO item SELECT i, 2 FROM generate_series(101, 200) i');
  hold.release();
  await isWaitingFor(old);
  expect(pipeline.progress()?.tables.map(({ phase }) => phase)).toEqual(['waiting']);
  expect(await storedRows(ch, 'item')).toBe(0);
  await old.query('COMMIT');
  await pipeline.caughtUp();
  expect(pipeline.progress()?.waitingFor).toBe('');
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  await Promise.all([older.end(), old.end()]);
});

const CHANGES = `DELETE FROM item WHERE id % 10 = 1; UPDATE item SET id = id + 1000 WHERE id % 10 = 2; UPDATE item SET n = -n WHERE id % 10 = 3;
  DELETE FROM item WHERE id % 10 = 4; INSERT INTO item SELECT i, 7, 'again' FROM generate_series(4, 400, 10) i;
  UPDATE item SET id = -id WHERE id % 10 = 5; UPDATE item SET id = -id WHERE id < 0 AND id % 20 = -5`;

test('(b) GIVEN a load half done WHEN rows of blocks read and not yet read are deleted or change their keys THEN the copy is equal', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(ROWS);
  const hold = proxy.hold("ctid >= '(20,0)'");
  await using pipeline = startPipeline(pg, ch, { ...SMALL, postgresUrl: proxy.url });
  await hold.reached();
  await pg.client.query(CHANGES);
  await applied(pipeline, pg);
  hold.release();
  await pipeline.caughtUp();
  expect((await chunksOf(pg, ch, 'public.item')).length).toBeGreaterThan(5);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('(b) GIVEN rows that were read and not yet written WHEN they change before they arrive THEN tombstones and changes win', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(ROWS);
  const hold = proxy.hold(loadInto(ch, 'item'));
  await using pipeline = startPipeline(pg, ch, { ...SMALL, clickhouseUrl: proxy.url });
  await hold.reached();
  await pg.client.query(CHANGES);
  await applied(pipeline, pg);
  expect(await storedRows(ch, 'item')).toBeGreaterThan(0);
  hold.release();
  await pipeline.caughtUp();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('(b) GIVEN a chunk in flight WHEN the table is truncated and filled again THEN nothing read before comes back', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(ROWS);
  const hold = proxy.hold(loadInto(ch, 'item'));
  await using pipeline = startPipeline(pg, ch, { ...SMALL, clickhouseUrl: proxy.url });
  await hold.reached();
  await pg.client.query(`TRUNCATE item; INSERT INTO item VALUES (1, 1, 'new'), (1001, 2, 'new')`);
  await waitFor(async () => (await checkpointOf(pg, ch)).plannedLsn > 0n, { what: 'the TRUNCATE to be planned' });
  hold.release();
  await pipeline.caughtUp();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  expect(await storedRows(ch, 'item')).toBeLessThan(10);
});

test('GIVEN a chunk in flight WHEN the table is rewritten (VACUUM FULL) THEN its load starts over', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(ROWS);
  const hold = proxy.hold(loadInto(ch, 'item'));
  await using pipeline = startPipeline(pg, ch, { ...SMALL, clickhouseUrl: proxy.url });
  await hold.reached();
  await pg.client.query('DELETE FROM item WHERE id < 390; UPDATE item SET n = 0 WHERE id > 395');
  await pg.client.query('VACUUM FULL item');
  hold.release();
  await pipeline.caughtUp();
  expect((await tableState(pg, ch, 'public.item')).generation).toBe(2);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('(d) GIVEN all chunks read and the stream behind THEN tables are not live, there are no rollups and KPIs say so, until it has passed', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(`INSERT INTO campaign (name, bid, budget) VALUES ('A', 1, 1);
    INSERT INTO impressions (campaign_id) SELECT 1 FROM generate_series(1, 1000); INSERT INTO clicks (campaign_id) VALUES (1)`);
  const chunk = proxy.hold(landIn(ch, 'campaign'));
  await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
  await chunk.reached();
  expect(await isLoading(ch)).toBe(true);
  const isRead = async (table: string): Promise<void> => {
    const done = async (): Promise<boolean> =>
      ['catching_up', 'live'].includes((await tableState(pg, ch, `public.${table}`)).phase);
    await waitFor(done, { what: `the last chunk of ${table}` });
  };
  // The stream may have passed these two by now: they are on their way, or live.
  await Promise.all([isRead('impressions'), isRead('clicks')]);
  const landing = proxy.hold(landIn(ch, 'impressions'));
  await pg.client.query(
    'UPDATE impressions SET campaign_id = NULL WHERE id <= 500; DELETE FROM impressions WHERE id > 900',
  );
  await landing.reached();
  chunk.release();
  await isRead('campaign');
  expect((await tableState(pg, ch, 'public.campaign')).phase).toBe('catching_up');
  expect(await isLoading(ch)).toBe(true);
  expect(await storedRows(ch, 'campaign_hourly')).toBe(0);
  landing.release();
  await pipeline.caughtUp();
  expect(await isLoading(ch)).toBe(false);
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('GIVEN a load half done WHEN the pipeline stops and starts again THEN only chunks that were not done are read', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(ROWS);
  const reads = proxy.count('COPY (SELECT');
  const hold = proxy.hold("ctid >= '(20,0)'");
  const first = startPipeline(pg, ch, { ...SMALL, postgresUrl: proxy.url });
  await hold.reached();
  const done = async (): Promise<number> =>
    (await chunksOf(pg, ch, 'public.item')).filter((chunk) => chunk.done).length;
  await waitFor(async () => (await done()) === reads() - 1, { what: 'the chunks that were read to land' });
  await first.stop();
  hold.release();
  await pg.client.query(CHANGES);
  expect(await done()).toBe(reads() - 1);
  await using second = startPipeline(pg, ch, { ...SMALL, postgresUrl: proxy.url });
  await second.caughtUp();
  expect(reads()).toBe((await chunksOf(pg, ch, 'public.item')).length + 1);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('GIVEN a load half done WHEN all connections to the source are cut THEN it goes on with the chunk that was lost', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(ROWS);
  const reads = proxy.count('COPY (SELECT');
  const streams = proxy.count('START_REPLICATION');
  const hold = proxy.hold("ctid >= '(20,0)'");
  await using pipeline = startPipeline(pg, ch, { ...SMALL, postgresUrl: proxy.url });
  await hold.reached();
  proxy.cut();
  await waitFor(() => streams() === 2, { what: 'another session while the load is not done' });
  expect((await tableState(pg, ch, 'public.item')).phase).toBe('loading');
  await pg.client.query(CHANGES);
  hold.release();
  await pipeline.caughtUp();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  expect(reads()).toBeLessThanOrEqual((await chunksOf(pg, ch, 'public.item')).length + 2);
});
