/** Tables that are altered while they are followed: the copy has their new columns, and every value is in its own. */
import { expect, test } from 'vitest';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from './support/databases.ts';
import { failPointsOn } from './support/crash.ts';
import { startPipeline } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { startReader } from './support/reader.ts';
import { copiedColumns, inPublic, pairDifferences } from './support/shape-copy.ts';
import { tableState } from './support/tables.ts';

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, a int, b int NOT NULL, c text, v varchar(5) DEFAULT 'v', n numeric(8, 2) DEFAULT 1.5);
  INSERT INTO t SELECT i, i, -i, 'c' || i FROM generate_series(1, 200) i`;

/** Changes of every kind, of rows of a range of their own. */
function traffic(from: number, columns: string, values: string): string {
  return `INSERT INTO t (id, ${columns}) SELECT i, ${values} FROM generate_series(${from}, ${from + 20}) i;
    UPDATE t SET c = c || '+' WHERE id % 7 = 0; DELETE FROM t WHERE id = ${from + 1}; UPDATE t SET id = -id WHERE id = ${from + 2}`;
}

const BEFORE = traffic(1000, 'a, b, c', "i, -i, 'c'");
const SAME = traffic(2000, 'a, b, c', "i, -i, 'c'");

const CASES: readonly [what: string, ddl: string, after: string, reads?: 'reads anew'][] = [
  ['added', 'ALTER TABLE t ADD d int', traffic(2000, 'a, b, c, d', "i, -i, 'c', i")],
  ['added with a default', 'ALTER TABLE t ADD d int NOT NULL DEFAULT 7', traffic(2000, 'a, b, c, d', "i, -i, 'c', i")],
  ['added with a volatile default', 'ALTER TABLE t ADD d int DEFAULT (random() * 1000)::int', SAME, 'reads anew'],
  ['dropped', 'ALTER TABLE t DROP a', traffic(2000, 'b, c', "-i, 'c'")],
  ['renamed', 'ALTER TABLE t RENAME a TO z', traffic(2000, 'z, b, c', "i, -i, 'c'")],
  [
    'renamed, and another added under its name',
    'ALTER TABLE t RENAME a TO z; ALTER TABLE t ADD a int',
    traffic(2000, 'z, b, c, a', "i, -i, 'c', 5"),
  ],
  [
    'swapped',
    'ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b',
    traffic(2000, 'b, a, c', "i, -i, 'c'"),
  ],
  [
    'swapped with another of its type',
    'ALTER TABLE t ADD d int; UPDATE t SET d = 9; ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME d TO a; ALTER TABLE t RENAME x TO d',
    SAME,
  ],
  ['replaced by one of the same name and type', 'ALTER TABLE t DROP a; ALTER TABLE t ADD a int', SAME],
  [
    'retyped',
    'ALTER TABLE t ALTER a TYPE text USING a * 2',
    traffic(2000, 'a, b, c', "i::text, -i, 'c'"),
    'reads anew',
  ],
  ['written anew', 'ALTER TABLE t ALTER a TYPE int USING a + 1', SAME, 'reads anew'],
  [
    'added, filled and made mandatory',
    "ALTER TABLE t ADD d text; UPDATE t SET d = 'd'; ALTER TABLE t ALTER d SET NOT NULL",
    traffic(2000, 'a, b, c, d', "i, -i, 'c', 'x'"),
    'reads anew',
  ],
  ['made mandatory', 'ALTER TABLE t ALTER a SET NOT NULL', SAME],
  [
    'widened',
    'ALTER TABLE t ALTER v TYPE text; ALTER TABLE t ALTER n TYPE numeric(20, 2)',
    traffic(2000, 'a, b, c, v, n', "i, -i, 'c', repeat('v', 20), 123456789012.25"),
  ],
  ['made nullable', 'ALTER TABLE t ALTER b DROP NOT NULL', traffic(2000, 'a, b, c', "i, NULL, 'c'")],
];

async function differences(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<string[]> {
  const { rows } = await pg.client.query<{ attname: string }>(
    "SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped",
  );
  const wanted = rows
    .map(({ attname }) => attname)
    .toSorted()
    .join();
  const found = (await copiedColumns(ch, 't')).toSorted().join();
  return wanted === found ? await pairDifferences(pg, ch, inPublic('t')) : [`columns ${found} instead of ${wanted}`];
}

test.each(CASES)('GIVEN traffic WHEN a column is %s THEN source and copy are equal', async (_, ddl, after, reads) => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  await using pipeline = startPipeline(pg, ch, { catalogPollMs: 200 });
  await pipeline.caughtUp();
  const { generation } = await tableState(pg, ch, 'public.t');
  await pg.client.query(BEFORE);
  await pg.client.query(ddl);
  await pg.client.query(after);
  const equal = async (): Promise<string[]> => {
    await pipeline.caughtUp();
    return await differences(pg, ch);
  };
  await expect.poll(equal, { timeout: 40_000, interval: 200 }).toEqual([]);
  const isReadAnew = (await tableState(pg, ch, 'public.t')).generation > generation;
  expect(isReadAnew).toBe(reads === 'reads anew');
});

test('GIVEN nobody looks at the catalogue WHEN a column is made nullable and a NULL comes THEN it is looked at, and none is lost', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  await using pipeline = startPipeline(pg, ch, { catalogPollMs: 3_600_000 });
  await pipeline.caughtUp();
  await pg.client.query('ALTER TABLE t ALTER b DROP NOT NULL');
  await pg.client.query(traffic(2000, 'a, b, c', "i, NULL, 'c'"));
  await pg.client.query(BEFORE);
  const equal = async (): Promise<string[]> => {
    await pipeline.caughtUp();
    return await differences(pg, ch);
  };
  await expect.poll(equal, { timeout: 40_000, interval: 200 }).toEqual([]);
});

test('GIVEN a stopped pipeline WHEN a table is altered between changes THEN the next start reads each with its own columns', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  const first = startPipeline(pg, ch);
  await first.caughtUp();
  await first.stop();
  await pg.client.query(BEFORE);
  await pg.client.query(
    'ALTER TABLE t DROP a; ALTER TABLE t ADD a int NOT NULL DEFAULT 3; ALTER TABLE t RENAME b TO d',
  );
  await pg.client.query(traffic(2000, 'a, d, c', "i, -i, 'c'"));
  await pg.client.query(
    `BEGIN; ${traffic(3000, 'a, d, c', "i, -i, 'c'")}; ALTER TABLE t ADD e text; ${traffic(4000, 'a, d, c, e', "i, -i, 'c', 'e'")}; COMMIT`,
  );
  await using second = startPipeline(pg, ch);
  const equal = async (): Promise<string[]> => {
    await second.caughtUp();
    return await differences(pg, ch);
  };
  await expect.poll(equal, { timeout: 40_000, interval: 200 }).toEqual([]);
});

const KEYLESS: readonly [what: string, ddl: string, more: string][] = [
  ['one is added', "ALTER TABLE t ADD d text DEFAULT 'd'", "INSERT INTO t (a, d) VALUES (1, 'e'), (1, NULL)"],
  ['two exchange their names', 'ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b', 'DELETE FROM t WHERE b = 3'],
  ['one is dropped', 'ALTER TABLE t DROP b', 'DELETE FROM t WHERE a = 3'],
  ['one is made mandatory', 'DELETE FROM t WHERE a IS NULL; ALTER TABLE t ALTER a SET NOT NULL', 'DELETE FROM t WHERE a = 3'],
  ['all rows are written anew', 'ALTER TABLE t ALTER a TYPE bigint USING a + 1', 'DELETE FROM t WHERE a = 3'],
]; // prettier-ignore

test('GIVEN a table without a key WHEN its columns change THEN each row is there as often as in the source', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`CREATE TABLE t (a int, b int); ALTER TABLE t REPLICA IDENTITY FULL;
    INSERT INTO t SELECT i % 5, i % 3 FROM generate_series(1, 100) i; INSERT INTO t VALUES (NULL, NULL), (NULL, 1)`);
  await using pipeline = startPipeline(pg, ch, { catalogPollMs: 200 });
  await pipeline.caughtUp();
  for (const [what, ddl, more] of KEYLESS) {
    await pg.client.query('INSERT INTO t SELECT * FROM t LIMIT 10; DELETE FROM t WHERE a = 1');
    await pg.client.query(ddl);
    await pg.client.query(more);
    const equal = async (): Promise<string[]> => {
      await pipeline.caughtUp();
      return await differences(pg, ch);
    };
    await expect.poll(equal, { timeout: 30_000, interval: 200, message: what }).toEqual([]);
    if (what === 'one is dropped') await pg.client.query('ALTER TABLE t ADD b int');
  }
});

test('GIVEN readers WHEN the process dies at each step of an alteration THEN they have rows all the time, and no row is read again', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  await using pipeline = new PipelineProcess(pg, ch, {});
  await pipeline.caughtUp({ plain: true });
  await using reader = startReader(ch, 't', 150);
  const before = await tableState(pg, ch, 'public.t');
  for (const [i, point] of [...failPointsOn('alter'), 'clone-shown', 'tables-made'].entries()) {
    await pipeline.end('SIGTERM');
    await pg.client.query(traffic(2000 + i * 100, 'a, b, c', "i, -i, 'c'"));
    await pg.client.query(
      `ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b; ALTER TABLE t ADD d${i} int NOT NULL DEFAULT ${i}`,
    );
    await pg.client.query(`ALTER TABLE t ALTER a DROP NOT NULL; UPDATE t SET a = -id WHERE a IS NULL; ALTER TABLE t ALTER b SET NOT NULL`); // prettier-ignore
    pipeline.start(point);
    await pipeline.died();
    expect(pipeline.ending, `${point} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
    await pg.client.query(traffic(5000 + i * 100, 'a, b, c', "i, -i, 'c'"));
    await pipeline.caughtUp({ plain: true });
    expect(await differences(pg, ch), point).toEqual([]);
  }
  const left = await ch.client.rows('SELECT name FROM system.tables WHERE database = {internal:String} AND name LIKE {altered:String}', { params: { internal: ch.internal, altered: 'altered%' } }); // prettier-ignore
  expect(left).toEqual([]);
  expect((await tableState(pg, ch, 'public.t')).generation).toBe(before.generation);
  expect(reader.reads()).toBeGreaterThan(10);
  expect(reader.complaints()).toEqual([]);
}, 120_000);
