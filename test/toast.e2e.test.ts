/** Values that PostgreSQL leaves out of an update because they are stored out of line and did not change. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { TableStateStore } from '../src/destination/table-state.ts';
import { pgRows } from '../src/source/connection.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { applied, startPipeline } from './support/pipeline.ts';
import { openProxy } from '../src/chaos/proxy.ts';

/** 200 rows in 20 full blocks, each with 3,200 bytes out of line; with `SMALL` two blocks to a chunk. */
const ROWS = `CREATE TABLE doc (id int PRIMARY KEY, n int NOT NULL, pad char(700) NOT NULL, body text, note text);
  ALTER TABLE doc ALTER pad SET STORAGE PLAIN, ALTER body SET STORAGE EXTERNAL, ALTER note SET STORAGE EXTERNAL;
  INSERT INTO doc SELECT i, i, 'x', repeat(md5(i::text), 100), CASE WHEN i % 2 = 0 THEN repeat(md5(i::text), 90) END
    FROM generate_series(1, 200) i; ANALYZE doc`;
const SMALL = { chunkRows: 20, loadConnections: 1 };

/** Updates that leave values out: alone, several times, with a key change, with another value changed, and of rows that go. */
const CHANGES = `UPDATE doc SET n = -n WHERE id % 10 = 1; UPDATE doc SET n = n * 2 WHERE id % 20 = 1;
  UPDATE doc SET id = id + 1000 WHERE id % 10 = 2; UPDATE doc SET id = id + 1000, n = 0 WHERE id BETWEEN 1000 AND 2000 AND id % 20 = 2;
  UPDATE doc SET n = 5 WHERE id % 10 = 3; UPDATE doc SET body = repeat('new', 1000) WHERE id % 20 = 3; UPDATE doc SET n = 6 WHERE id % 10 = 3;
  UPDATE doc SET n = 7 WHERE id % 10 = 4; DELETE FROM doc WHERE id % 20 = 4;
  UPDATE doc SET note = NULL WHERE id % 10 = 6; UPDATE doc SET n = 8 WHERE id % 10 = 6;
  UPDATE doc SET n = 9 WHERE id % 10 = 7; DELETE FROM doc WHERE id % 10 = 7; INSERT INTO doc SELECT i, 1, 'y', repeat('again', 700), NULL FROM generate_series(7, 200, 10) i;
  UPDATE doc SET n = 10 WHERE id % 20 = 7`;

test('(c) GIVEN rows not yet read, or moved out of the reach of the chunks, WHEN updates leave their large values out THEN they are completed', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(ROWS);
  const hold = proxy.hold("ctid >= '(10,0)'");
  await using pipeline = startPipeline(pg, ch, { ...SMALL, postgresUrl: proxy.url });
  await hold.reached();
  await pg.client.query(CHANGES);
  await applied(pipeline, pg);
  const states = new TableStateStore(ch.client, ch, pg.database);
  const waiting = await states.readIncomplete('public.doc', 1);
  expect(waiting.length).toBeGreaterThan(20);
  hold.release();
  await pipeline.caughtUp();
  expect(await states.readIncomplete('public.doc', 1)).toEqual([]);
  expect(await tableDifferences(pg, ch, 'doc')).toEqual([]);
});

test('(c) GIVEN rows noted as incomplete WHEN the pipeline starts again before they are completed THEN they are, once the load is done', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(ROWS);
  const hold = proxy.hold("ctid >= '(10,0)'");
  const first = startPipeline(pg, ch, { ...SMALL, postgresUrl: proxy.url });
  await hold.reached();
  await pg.client.query(CHANGES);
  await applied(first, pg);
  await first.stop();
  await using second = startPipeline(pg, ch, SMALL);
  await second.caughtUp();
  expect(await tableDifferences(pg, ch, 'doc')).toEqual([]);
});

test('GIVEN a live table WHEN updates leave large values out THEN they come from the mirror, from the batch, or from the old row', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const steps = [
    CHANGES,
    `BEGIN; INSERT INTO doc VALUES (5001, 1, 'z', repeat('batch', 800), NULL); UPDATE doc SET n = 2 WHERE id = 5001;
     UPDATE doc SET id = 5002 WHERE id = 5001; UPDATE doc SET n = 3 WHERE id = 5002; COMMIT`,
    `BEGIN; UPDATE doc SET id = 5003 WHERE id = 5; UPDATE doc SET n = 77 WHERE id = 5003; INSERT INTO doc VALUES (5, 1, 'z', repeat('other', 800), NULL);
     UPDATE doc SET n = 78 WHERE id = 5; COMMIT`,
    `ALTER TABLE doc REPLICA IDENTITY FULL; UPDATE doc SET n = n + 1; UPDATE doc SET id = -id WHERE id % 7 = 0; UPDATE doc SET note = body WHERE id % 9 = 0`,
  ];
  for (const sql of steps) {
    await pg.client.query(sql);
    await pipeline.caughtUp();
    expect(await tableDifferences(pg, ch, 'doc'), sql).toEqual([]);
  }
});

test('GIVEN values of 100 kB and the default replica identity WHEN rows are updated over and over THEN what updates leave out is never lost', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`CREATE TABLE large (id int PRIMARY KEY, n int NOT NULL, body text NOT NULL, extra bytea);
    ALTER TABLE large ALTER body SET STORAGE EXTERNAL, ALTER extra SET STORAGE EXTERNAL`);
  const body = "repeat(md5(i::text || 'x'), 3200)";
  const fill = (from: number, to: number): string =>
    `INSERT INTO large SELECT i, 0, ${body}, CASE WHEN i % 3 > 0 THEN decode(${body}, 'hex') END FROM generate_series(${from}, ${to}) i`;
  await pg.client.query(fill(1, 60));
  await using pipeline = startPipeline(pg, ch, { batchMaxBytes: 1 << 20 });
  for (let round = 1; round <= 20; round++) {
    await pg.client.query(`UPDATE large SET n = n + 1 WHERE id % 4 = ${round % 4}`);
    await pg.client.query(
      `BEGIN; ${fill(1000 + round, 1000 + round)}; UPDATE large SET n = ${round} WHERE id = ${1000 + round}; UPDATE large SET id = id + 1000 WHERE id = ${1000 + round}; COMMIT`,
    );
    await pg.client.query(
      `UPDATE large SET extra = NULL, n = n - 1 WHERE id = ${round}; UPDATE large SET body = 'short' WHERE id = ${round + 30}`,
    );
    await pg.client.query(`DELETE FROM large WHERE id = ${round + 20}; UPDATE large SET n = -n WHERE id > 1000`);
  }
  await pipeline.caughtUp();
  const sums = 'count(*) AS rows, sum(n) AS n, sum(length(body)) AS body';
  const [source] = await pgRows(pg.client, `SELECT ${sums}, sum(octet_length(extra)) AS extra FROM large`);
  const [copy] = await ch.client.rows(`SELECT ${sums}, sum(length(extra)) AS extra FROM ${ch.database}.large_current`);
  expect(Object.values(copy ?? {}).map(String)).toEqual(Object.values(source ?? {}).map(String));
  const wanted = await pgRows(pg.client, 'SELECT id, n, md5(body) AS body, md5(extra) AS extra FROM large ORDER BY id');
  const found = await ch.client.rows(
    `SELECT id, n, lower(hex(MD5(body))) AS body, lower(hex(MD5(extra))) AS extra FROM ${ch.database}.large_current ORDER BY id`,
  );
  expect(found.map((row) => Object.values(row).map(String))).toEqual(
    wanted.map((row) => Object.values(row).map(String)),
  );
});
