/** Tables that are altered while they are followed: the copy has their new columns, and every value is in its own. */
import { expect, test } from 'vitest';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { copiedColumns, inPublic, pairDifferences } from './support/shape-copy.ts';

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, a int, b int NOT NULL, c text);
  INSERT INTO t SELECT i, i, -i, 'c' || i FROM generate_series(1, 200) i`;

/** Changes of every kind, of rows of a range of their own. */
function traffic(from: number, columns: string, values: string): string {
  return `INSERT INTO t (id, ${columns}) SELECT i, ${values} FROM generate_series(${from}, ${from + 20}) i;
    UPDATE t SET c = c || '+' WHERE id % 7 = 0; DELETE FROM t WHERE id = ${from + 1}; UPDATE t SET id = -id WHERE id = ${from + 2}`;
}

const BEFORE = traffic(1000, 'a, b, c', "i, -i, 'c'");
const SAME = traffic(2000, 'a, b, c', "i, -i, 'c'");

const CASES: readonly [what: string, ddl: string, after: string][] = [
  ['added', 'ALTER TABLE t ADD d int', traffic(2000, 'a, b, c, d', "i, -i, 'c', i")],
  ['added with a default', 'ALTER TABLE t ADD d int NOT NULL DEFAULT 7', traffic(2000, 'a, b, c, d', "i, -i, 'c', i")],
  ['added with a volatile default', 'ALTER TABLE t ADD d int DEFAULT (random() * 1000)::int', SAME],
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
  ['retyped', 'ALTER TABLE t ALTER a TYPE text USING a * 2', traffic(2000, 'a, b, c', "i::text, -i, 'c'")],
  ['written anew', 'ALTER TABLE t ALTER a TYPE int USING a + 1', SAME],
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

test.each(CASES)('GIVEN traffic WHEN a column is %s THEN source and copy are equal', async (_, ddl, after) => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  await using pipeline = startPipeline(pg, ch, { catalogPollMs: 200 });
  await pipeline.caughtUp();
  await pg.client.query(BEFORE);
  await pg.client.query(ddl);
  await pg.client.query(after);
  const equal = async (): Promise<string[]> => {
    await pipeline.caughtUp();
    return await differences(pg, ch);
  };
  await expect.poll(equal, { timeout: 40_000, interval: 200 }).toEqual([]);
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
