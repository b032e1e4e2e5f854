/**
 * A load through failures of everything around it: of what was read before, at most two chunks per connection are read
 * again (one that was being read, one that was landing), and every row is there once.
 */
import { mkdtemp, chmod, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { openProxy, type Proxy } from '../src/chaos/proxy.ts';
import { ClickHouse } from '../src/destination/client.ts';
import { startClickHouse } from '../src/engines/clickhouse.ts';
import { startPostgres } from '../src/engines/postgres.ts';
import { connectPostgres } from '../src/source/connection.ts';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { chunksOf } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

/** 4,000 rows in 400 blocks, eight chunks of 500. */
const ROWS = `CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL, pad text NOT NULL);
  INSERT INTO item SELECT i, i, repeat('x', 750) FROM generate_series(1, 4000) i; ANALYZE item`;
const CHUNKS = { chunkRows: 500, loadConnections: 1 };
/** Begins the chunk of the third quarter. */
const LATE_CHUNK = "ctid >= '(200,0)'";
const CHANGES =
  'DELETE FROM item WHERE id % 10 = 1; UPDATE item SET n = -n WHERE id % 10 = 2; INSERT INTO item VALUES (5000, 1, $$new$$)';

/** What is disposed of with its server. */
const NOT_OURS = { [Symbol.asyncDispose]: async (): Promise<void> => undefined };

async function ownDirectory(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-faults-'));
  await chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** What was read from the source, told by a proxy before it. */
function readsThrough(proxy: Proxy): () => number {
  return proxy.count('COPY (SELECT');
}

/** Chunks done are not read again: beside one read for each, at most two for each failure. */
async function expectFewReads(reads: number, chunks: number, failures = 1): Promise<void> {
  expect(chunks).toBeGreaterThan(5);
  expect(reads).toBeGreaterThanOrEqual(chunks);
  expect(reads).toBeLessThanOrEqual(chunks + 2 * failures);
}

async function doneChunks(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<number> {
  return (await chunksOf(pg, ch, 'public.item')).filter(({ done }) => done).length;
}

test('GIVEN a load half done WHEN the process is killed and started again THEN at most two chunks are read again', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(
    `${ROWS}; INSERT INTO item SELECT i, i, repeat('x', 750) FROM generate_series(10001, 18000) i; ANALYZE item`,
  );
  const reads = readsThrough(proxy);
  const hold = proxy.hold("ctid >= '(600,0)'");
  const settings = { MILLRACE_CHUNK_ROWS: '1000', MILLRACE_LOAD_CONNECTIONS: '1' };
  await using pipeline = new PipelineProcess({ ...pg, url: proxy.url }, ch, settings);
  pipeline.start();
  await hold.reached();
  await pipeline.end('SIGKILL');
  await pg.client.query(CHANGES);
  hold.release();
  await pipeline.caughtUp({ plain: true });
  await expectFewReads(reads(), (await chunksOf(pg, ch, 'public.item')).length);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('GIVEN a load half done WHEN PostgreSQL is restarted THEN at most two chunks are read again', async () => {
  await using directory = await ownDirectory();
  const settings = { fsync: 'off', full_page_writes: 'off' };
  let server = await startPostgres({ dataDir: directory.path, settings });
  try {
    await using ch = await temporaryClickHouse();
    await using proxy = await openProxy(server.url);
    let client = await connectPostgres(server.url);
    await client.query(ROWS);
    await client.end();
    const source = (): TemporaryPostgres => ({ url: proxy.url, database: 'faults', client, ...NOT_OURS });
    const reads = readsThrough(proxy);
    const hold = proxy.hold(LATE_CHUNK);
    await using pipeline = startPipeline(source(), ch, { ...CHUNKS, postgresUrl: proxy.url });
    await hold.reached();
    await server.kill('SIGQUIT');
    hold.release();
    server = await startPostgres({ dataDir: directory.path, settings });
    client = await connectPostgres(server.url);
    await client.query(CHANGES);
    await waitFor(() => pipeline.progress()?.caughtUp, { what: 'the load to end' });
    await expectFewReads(reads(), (await chunksOf(source(), ch, 'public.item')).length);
    const isEqual = async (): Promise<boolean> => (await tableDifferences(source(), ch, 'item')).length === 0;
    await waitFor(isEqual, { what: 'the copy to equal the source' });
    await pipeline.stop();
    await client.end();
  } finally {
    await server.kill('SIGQUIT');
  }
});

test('GIVEN a load half done WHEN ClickHouse is killed and started again THEN at most two chunks are read again', async () => {
  await using directory = await ownDirectory();
  let server = await startClickHouse({ dataDir: directory.path });
  try {
    await using pg = await temporaryPostgres();
    await using fromSource = await openProxy(pg.url);
    await using client = new ClickHouse(server.url);
    const ch = { url: server.url, client, database: 'faults', internal: 'faults_internal', ...NOT_OURS };
    await pg.client.query(ROWS);
    const reads = readsThrough(fromSource);
    const hold = fromSource.hold(LATE_CHUNK);
    await using pipeline = startPipeline(
      pg,
      { ...ch, [Symbol.asyncDispose]: async () => undefined },
      {
        ...CHUNKS,
        postgresUrl: fromSource.url,
      },
    );
    await hold.reached();
    await server.kill();
    await pg.client.query(CHANGES);
    hold.release();
    await waitFor(() => pipeline.progress()?.retrying !== null, { what: 'somebody to miss ClickHouse' });
    server = await startClickHouse({ dataDir: directory.path });
    await pipeline.caughtUp();
    await expectFewReads(reads(), (await chunksOf(pg, ch, 'public.item')).length);
    expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  } finally {
    await server.kill();
  }
});

test('GIVEN a chunk read to its last row WHEN the connection is lost before its transaction ends THEN it is not recorded, and read again', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(ROWS);
  const reads = readsThrough(proxy);
  const before = proxy.hold(LATE_CHUNK);
  await using pipeline = startPipeline(pg, ch, { ...CHUNKS, postgresUrl: proxy.url });
  await before.reached();
  const hold = proxy.hold('COMMIT');
  before.release();
  await hold.reached();
  const [read, done] = [reads(), await doneChunks(pg, ch)];
  expect(done).toBeLessThan(read);
  proxy.cut();
  hold.release();
  await pipeline.caughtUp();
  await expectFewReads(reads(), (await chunksOf(pg, ch, 'public.item')).length);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('GIVEN chunks whose inserts are cut off, one after the other, THEN none is read again for that', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using fromSource = await openProxy(pg.url);
  await using proxy = await openProxy(ch.url);
  await pg.client.query(ROWS);
  const reads = readsThrough(fromSource);
  const losses = [1, 2, 3].map(() => proxy.loseAnswer(`%60${ch.database}%60.%60item%60`));
  await using pipeline = startPipeline(pg, ch, { ...CHUNKS, postgresUrl: fromSource.url, clickhouseUrl: proxy.url });
  await pipeline.caughtUp();
  expect(losses.map((loss) => loss.count())).toEqual([1, 1, 1]);
  expect(reads()).toBe((await chunksOf(pg, ch, 'public.item')).length);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('GIVEN a table that gets another name while it is loaded THEN it is loaded under that, and the others go on', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(`${ROWS}; CREATE TABLE zebra (id int PRIMARY KEY); INSERT INTO zebra VALUES (1), (2)`);
  const hold = proxy.hold(`%60${ch.database}%60.%60item%60`);
  await using pipeline = startPipeline(pg, ch, { ...CHUNKS, clickhouseUrl: proxy.url });
  await hold.reached();
  expect(await doneChunks(pg, ch)).toBe(0);
  await pg.client.query('ALTER TABLE item RENAME TO elsewhere');
  hold.release();
  await waitFor(() => pipeline.progress()?.tables.some(({ table }) => table === 'public.elsewhere') === true, {
    what: 'the new name to be followed',
  });
  await pipeline.caughtUp();
  expect(await tableDifferences(pg, ch, 'elsewhere')).toEqual([]);
  expect(await tableDifferences(pg, ch, 'zebra')).toEqual([]);
});

test('GIVEN two columns that exchange their names while the table is loaded THEN no value comes into the wrong one', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(`CREATE TABLE item (id int PRIMARY KEY, n int NOT NULL, m int NOT NULL, pad text NOT NULL);
    INSERT INTO item SELECT i, i, -i, repeat('x', 750) FROM generate_series(1, 4000) i; ANALYZE item`);
  const hold = proxy.hold(`%60${ch.database}%60.%60item%60`);
  // Only the reads themselves can notice it: nobody else looks.
  const unwatched = { catalogPollMs: 3_600_000 };
  await using pipeline = startPipeline(pg, ch, { ...CHUNKS, ...unwatched, clickhouseUrl: proxy.url });
  await hold.reached();
  await pg.client.query(`BEGIN; ALTER TABLE item RENAME n TO tmp; ALTER TABLE item RENAME m TO n;
    ALTER TABLE item RENAME tmp TO m; COMMIT`);
  hold.release();
  await waitFor(async () => (await tableDifferences(pg, ch, 'item')).length === 0, { what: 'the copy to be equal' });
  await pipeline.caughtUp();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});
