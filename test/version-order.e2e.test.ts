/** The order of a key's changes is that of their commits, whatever the order of their records in the WAL. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { waitFor } from './support/wait.ts';

/**
 * An INSERT writes its row, then asks the unique indexes one after the other. While it waits at the first for
 * somebody's uncommitted `code`, another transaction deletes the row that has its `id`: the delete's record is
 * newer than the insert's, its commit older.
 */
test('GIVEN an insert written before the delete of its key and committed after it WHEN both are streamed THEN the row is there', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client
    .query(`CREATE TABLE item (id int NOT NULL, code int, note text); CREATE UNIQUE INDEX first_asked ON item (code);
    ALTER TABLE item ADD PRIMARY KEY (id); INSERT INTO item VALUES (1, 10, 'old'), (2, 20, 'old')`);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const [blocker, writer] = [await connectPostgres(pg.url), await connectPostgres(pg.url)];
  await blocker.query(`BEGIN; INSERT INTO item VALUES (99, 77, 'never')`);
  const [self] = await pgRows(writer, 'SELECT pg_backend_pid() AS pid');
  const inserting = writer.query(`BEGIN; INSERT INTO item VALUES (1, 77, 'new'); COMMIT`);
  const blocked = 'SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted';
  await waitFor(async () => (await pgRows(pg.client, blocked, [self?.['pid']])).length > 0, {
    what: 'the insert to wait',
  });
  await pg.client.query('DELETE FROM item WHERE id = 1');
  await blocker.query('ROLLBACK');
  await inserting;
  await pipeline.caughtUp();
  expect(await pgRows(pg.client, 'SELECT note FROM item WHERE id = 1')).toEqual([{ note: 'new' }]);
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  await Promise.all([blocker.end(), writer.end()]);
});

test('GIVEN such a pair in one transaction each WHEN it is delivered again after a crash THEN the copy stays equal', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client
    .query(`CREATE TABLE item (id int NOT NULL, code int, note text); CREATE UNIQUE INDEX first_asked ON item (code);
    ALTER TABLE item ADD PRIMARY KEY (id); INSERT INTO item VALUES (1, 10, 'old')`);
  const first = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
  await first.caughtUp();
  const stored = proxy.hold('"planned_lsn":"0"');
  const [blocker, writer] = [await connectPostgres(pg.url), await connectPostgres(pg.url)];
  await blocker.query(`BEGIN; INSERT INTO item VALUES (99, 77, 'never')`);
  const [self] = await pgRows(writer, 'SELECT pg_backend_pid() AS pid');
  const inserting = writer.query(`BEGIN; INSERT INTO item VALUES (1, 77, 'new'); COMMIT`);
  const blocked = 'SELECT 1 FROM pg_locks WHERE pid = $1 AND NOT granted';
  await waitFor(async () => (await pgRows(pg.client, blocked, [self?.['pid']])).length > 0, {
    what: 'the insert to wait',
  });
  await pg.client.query('UPDATE item SET id = 5 WHERE id = 1');
  await blocker.query('ROLLBACK');
  await inserting;
  await stored.reached();
  await first[Symbol.asyncDispose]();
  stored.release();
  await using second = startPipeline(pg, ch);
  await second.caughtUp();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  await Promise.all([blocker.end(), writer.end()]);
});

test('GIVEN states of a row in a transaction that overlapped another WHEN their commits follow at once THEN the history keeps each', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const other = await connectPostgres(pg.url);
  for (let round = 0; round < 5; round++) {
    await other.query('BEGIN; INSERT INTO clicks (campaign_id, created_at) VALUES (1, now())');
    for (const bid of [1, 2, 3])
      await pg.client.query(`${bid === 1 ? 'BEGIN; ' : ''}UPDATE campaign SET bid = ${round}.${bid} WHERE id = 1`);
    // Seldom anything lies between the two records.
    await other.query('COMMIT');
    await pg.client.query('COMMIT');
  }
  await pipeline.caughtUp();
  const versions = await ch.client.rows<{ bid: string }>(
    `SELECT toString(bid) AS bid FROM ${ch.database}.campaign_versions WHERE id = 1 AND version > 0 ORDER BY version`,
  );
  const bids = Array.from({ length: 5 }, (_, round) => [1, 2, 3].map((bid) => `${round}.${bid}`)).flat();
  expect(versions.map(({ bid }) => Number(bid).toFixed(1))).toEqual(bids);
  await other.end();
});
