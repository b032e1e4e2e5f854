/** What the configuration says of tables, one key after the other: in the load and in the stream. */
import { expect, test } from 'vitest';
import { pgRows } from '../src/source/connection.ts';
import { inspectPublication } from '../src/source/publication.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { tableState } from './support/tables.ts';

/** Rows of both sides by the same statement; both engines write these values alike. */
async function both(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  {
    columns,
    table,
    target = table,
    where = 'true',
  }: { columns: string; table: string; target?: string; where?: string },
): Promise<{ source: string[]; copy: string[] }> {
  const text = (row: object): string => JSON.stringify(Object.values(row).map((value) => String(value)));
  const source = await pgRows(pg.client, `SELECT ${columns} FROM ${table} WHERE ${where}`);
  const copy = await ch.client.rows(`SELECT ${columns} FROM ${ch.database}.${target}_current`);
  return { source: source.map(text).toSorted(), copy: copy.map(text).toSorted() };
}

async function columnsOf(ch: TemporaryClickHouse, table: string): Promise<string[]> {
  const rows = await ch.client.rows<{ name: string }>(
    `SELECT name FROM system.columns WHERE database = '${ch.database}' AND table = '${table}' ORDER BY position`,
  );
  return rows.map(({ name }) => name);
}

test('GIVEN target, include and exclude THEN tables are copied under their names, and only those wanted', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client
    .query(`CREATE SCHEMA billing; CREATE TABLE billing.invoice (id int PRIMARY KEY, n int); INSERT INTO billing.invoice VALUES (1, 10);
    CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE tmp_b (id int PRIMARY KEY)`);
  await using pipeline = startPipeline(pg, ch, {
    tables: [
      { match: 'billing.*', include: true },
      { match: 'billing.invoice', target: 'bills' },
      { match: 'public.tmp_*', exclude: true },
    ],
  });
  await pipeline.caughtUp();
  await pg.client.query('INSERT INTO billing.invoice VALUES (2, 20); UPDATE billing.invoice SET n = 11 WHERE id = 1');
  await pipeline.caughtUp();
  const { source, copy } = await both(pg, ch, { columns: 'id, n', table: 'billing.invoice', target: 'bills' });
  expect(copy).toEqual(source);
  expect((await inspectPublication(pg.client, 'millrace'))?.tables).toEqual(['billing.invoice', 'public.a']);
});

test('GIVEN two tables with one target WHEN the pipeline starts THEN the clash is told', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)');
  await using pipeline = startPipeline(pg, ch, { tables: [{ match: 'public.b', target: 'a' }] });
  await pipeline.caughtUp();
  expect(await tableState(pg, ch, 'public.b')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringMatching(/public\.b.*public\.a/) as string,
  });
});

test('GIVEN an excluded column THEN it does not leave the source, and is nowhere in the copy', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE users (id int PRIMARY KEY, secret text, name text); INSERT INTO users VALUES (1, 'hush', 'A'), (2, 'hush', 'B')`,
  );
  await using pipeline = startPipeline(pg, ch, {
    tables: [{ match: 'public.users', columns: { secret: { exclude: true } } }],
  });
  await pipeline.caughtUp();
  await pg.client.query(
    `INSERT INTO users VALUES (3, 'hush', 'C'); UPDATE users SET name = 'b' WHERE id = 2; UPDATE users SET id = 5 WHERE id = 1; DELETE FROM users WHERE id = 3`,
  );
  await pipeline.caughtUp();
  const { source, copy } = await both(pg, ch, { columns: 'id, name', table: 'users' });
  expect(copy).toEqual(source);
  expect(await columnsOf(ch, 'users_current')).toEqual(['id', 'name']);
  const published = await inspectPublication(pg.client, 'millrace');
  expect(published?.parts.get('public.users')).toEqual({ columns: ['id', 'name'], filter: null });
});

test('GIVEN a row filter THEN load and stream copy what fulfils it, and rows that move in and out', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE orders (id int PRIMARY KEY, country text, n int); ALTER TABLE orders REPLICA IDENTITY FULL;
     INSERT INTO orders SELECT i, (ARRAY['DE', 'FR'])[1 + i % 2], i FROM generate_series(1, 100) i`,
  );
  const where = "country <> 'FR'";
  const rules = [{ match: 'public.orders', where }];
  const first = startPipeline(pg, ch, { tables: rules });
  await first.caughtUp();
  const loaded = await both(pg, ch, { columns: 'id, country, n', table: 'orders', where });
  expect(loaded.copy).toHaveLength(50);
  expect(loaded.copy).toEqual(loaded.source);
  await pg.client.query(
    `UPDATE orders SET country = 'DE' WHERE id % 10 = 1; UPDATE orders SET country = 'FR' WHERE id % 10 = 2;
     UPDATE orders SET country = NULL WHERE id % 10 = 3; UPDATE orders SET n = -n WHERE id % 10 = 4; DELETE FROM orders WHERE id % 10 = 5;
     INSERT INTO orders VALUES (200, 'FR', 1), (201, 'IT', 2); UPDATE orders SET id = id + 1000 WHERE id % 10 = 6`,
  );
  await first.caughtUp();
  const streamed = await both(pg, ch, { columns: 'id, country, n', table: 'orders', where });
  expect(streamed.copy).toEqual(streamed.source);
  await first.stop();
  const before = await pgRows(pg.client, 'SELECT xmin FROM pg_publication_rel');
  await using second = startPipeline(pg, ch, { tables: rules });
  await second.caughtUp();
  expect(await pgRows(pg.client, 'SELECT xmin FROM pg_publication_rel')).toEqual(before);
});

test.each([
  { why: 'needs more than the replica identity', where: 'n > 0', reason: /“n”.*replica identity/ },
  { why: 'is no SQL', where: 'n >', reason: /row filter that PostgreSQL refuses.*syntax/ },
  { why: 'names no column', where: 'm = 1', reason: /row filter that PostgreSQL refuses.*“?"?m/ },
])(
  'GIVEN a filter that $why WHEN the pipeline starts THEN the table is quarantined with the reason, and not published',
  async ({ where, reason }) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query('CREATE TABLE t (id int PRIMARY KEY, n int)');
    await using pipeline = startPipeline(pg, ch, { tables: [{ match: 'public.t', where }] });
    await pipeline.caughtUp();
    expect(await tableState(pg, ch, 'public.t')).toMatchObject({
      phase: 'quarantined',
      reason: expect.stringMatching(reason) as string,
    });
    expect(await pgRows(pg.client, 'SELECT 1 FROM pg_publication_rel')).toEqual([]);
  },
);

test('GIVEN sorting key, partitions, codec and settings THEN the mirror has them, and stays exact', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE e (id int, day date, kind int NOT NULL, n int, PRIMARY KEY (id, day)); ALTER TABLE e REPLICA IDENTITY FULL;
     INSERT INTO e SELECT i, date '2026-01-01' + i % 60, i % 5, i FROM generate_series(1, 200) i`,
  );
  await using pipeline = startPipeline(pg, ch, {
    tables: [
      {
        match: 'public.e',
        orderBy: ['kind', 'day'],
        partitionBy: 'toYYYYMM(day)',
        settings: { index_granularity: 1024 },
        columns: { n: { codec: 'Delta(4), ZSTD(3)' } },
      },
    ],
  });
  await pipeline.caughtUp();
  const columns = 'id, day, kind, n';
  const loaded = await both(pg, ch, { columns, table: 'e' });
  expect(loaded.copy).toEqual(loaded.source);
  await pg.client.query(
    `UPDATE e SET kind = kind + 1 WHERE id % 4 = 0; UPDATE e SET day = day + 40 WHERE id % 4 = 1; DELETE FROM e WHERE id % 7 = 0;
     UPDATE e SET n = -1 WHERE id % 4 = 2; INSERT INTO e VALUES (7, '2026-01-08', 9, 9); UPDATE e SET kind = 1, id = id + 1000 WHERE id < 20`,
  );
  await pipeline.caughtUp();
  const streamed = await both(pg, ch, { columns, table: 'e' });
  expect(streamed.copy).toEqual(streamed.source);
  const [made] = await ch.client.rows<{ sorting_key: string; partition_key: string; create_table_query: string }>(
    `SELECT sorting_key, partition_key, create_table_query FROM system.tables WHERE database = '${ch.database}' AND name = 'e'`,
  );
  expect(made).toMatchObject({ sorting_key: 'kind, day, id', partition_key: 'toYYYYMM(day)' });
  expect(made?.create_table_query).toMatch(/`n` .*CODEC\(Delta\(4\), ZSTD\(3\)\)/);
  expect(made?.create_table_query).toContain('index_granularity = 1024');
});
