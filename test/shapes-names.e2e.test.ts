/** Shapes of tables that people meet: odd names, equal names in several schemas, inheritance, generated and identity columns. */
import { expect, test } from 'vitest';
import { runPipeline } from '../src/pipeline/pipeline.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { pipelineOptions, startPipeline } from './support/pipeline.ts';
import { postgresMajor } from './support/postgres-version.ts';
import { copiedColumns, followShapes, inPublic } from './support/shape-copy.ts';
import { tableStates } from './support/tables.ts';

/** Names that must be quoted in one engine or both. */
const ODD = `
  CREATE SCHEMA "My Schema"; CREATE SCHEMA other;
  CREATE TABLE "Order" ("Id" int, "id" int, "select" text, "na\`me" text, "quo""te" text, "back\\slash" text, "ünï 漢" text, "a.b" text, "c" text, "{c:String}" text, PRIMARY KEY ("Id", "select"));
  CREATE TABLE "order" (id int PRIMARY KEY, "from" text); CREATE TABLE other."order" (id int PRIMARY KEY, "where" int);
  CREATE TABLE "My Schema"."it's ""x"" \`y\`" (id int PRIMARY KEY, "?" text, "$1" text, "%s" text);
  INSERT INTO "Order" SELECT i, -i, 's' || i, 'n', NULL, E'\\\\', 'ü', 'd', 'c', 'x' FROM generate_series(1, 20) i;
  INSERT INTO "order" SELECT i, 'o' FROM generate_series(1, 20) i; INSERT INTO other."order" SELECT i, i FROM generate_series(1, 20) i;
  INSERT INTO "My Schema"."it's ""x"" \`y\`" SELECT i, 'q', 'd', 'p' FROM generate_series(1, 20) i`;

test('GIVEN names of all kinds WHEN rows change THEN source and copy are equal', async () => {
  const strange = { schema: 'My Schema', name: 'it\'s "x" `y`', target: 'My Schema_it\'s "x" `y`' };
  const tables = [
    inPublic('Order'),
    inPublic('order'),
    { schema: 'other', name: 'order', target: 'other_order' },
    strange,
  ];
  await using copy = await followShapes(ODD, tables, { includeTables: ['*.*'] });
  await copy.change(`UPDATE "Order" SET "Id" = -"Id", "na\`me" = 'é' WHERE "id" % 2 = 0; UPDATE "Order" SET "a.b" = NULL WHERE "id" % 3 = 0; DELETE FROM "Order" WHERE "Id" = 5;
    UPDATE "order" SET "from" = 'f' WHERE id < 5; DELETE FROM other."order" WHERE id < 5; UPDATE other."order" SET id = -id WHERE id > 15;
    UPDATE "My Schema"."it's ""x"" \`y\`" SET id = id + 100, "?" = '?' WHERE id % 2 = 0; INSERT INTO "My Schema"."it's ""x"" \`y\`" VALUES (1000, 'a', 'b', 'c')`); // prettier-ignore
  await copy.change(`TRUNCATE "order"; INSERT INTO "order" VALUES (1, 'again')`);
});

test('GIVEN tables that inherit, generated, identity and serial columns WHEN rows change THEN each table has its own rows', async () => {
  await using copy = await followShapes(
    `CREATE TABLE city (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, twice text GENERATED ALWAYS AS (name || name) STORED);
     CREATE TABLE capital (country text, PRIMARY KEY (id)) INHERITS (city);
     CREATE TABLE counted (id bigserial PRIMARY KEY, n int DEFAULT 7);
     INSERT INTO city (name) SELECT 'c' || i FROM generate_series(1, 20) i; INSERT INTO capital (id, name, country) SELECT i + 100, 'k' || i, 'x' FROM generate_series(1, 20) i;
     INSERT INTO counted SELECT FROM generate_series(1, 20)`,
    [inPublic('capital'), inPublic('counted')],
  );
  const ownRows = async (): Promise<[number, number]> => {
    const [own] = (await copy.pg.client.query('SELECT count(*) AS n, sum(length(name)) AS l FROM ONLY city')).rows as [
      { n: string; l: string },
    ];
    const [found] = await copy.ch.client.rows<{ n: string; l: string }>(
      `SELECT count() AS n, sum(length(name)) AS l FROM ${copy.ch.database}.city_current`,
    );
    expect(Number(found?.l)).toBe(Number(own.l));
    return [Number(own.n), Number(found?.n)];
  };
  expect(await ownRows()).toEqual([20, 20]);
  const twice = (await postgresMajor()) >= 18 ? ['twice'] : [];
  expect(await copiedColumns(copy.ch, 'city')).toEqual(['id', 'name', ...twice]);
  await copy.change(
    `UPDATE city SET name = name || 'x'; DELETE FROM city WHERE id % 4 = 0; INSERT INTO capital (id, name) VALUES (500, 'new'); INSERT INTO counted VALUES (DEFAULT, 1)`,
  );
  expect(await ownRows()).toEqual([15, 15]);
  await copy.change('TRUNCATE ONLY city');
  expect(await ownRows()).toEqual([0, 0]);
  await copy.change('TRUNCATE city');
});

test('GIVEN a table that is called as the view of another, and one whose copy would be called as another WHEN the pipeline starts again THEN they alone are left out', async () => {
  const tables = [inPublic('x'), { schema: 'a', name: 'b_c', target: 'a_b_c' }];
  await using copy = await followShapes(
    `CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE x_current (id int PRIMARY KEY); CREATE SCHEMA a; CREATE SCHEMA a_b;
     CREATE TABLE a.b_c (id int PRIMARY KEY); CREATE TABLE a_b.c (id int PRIMARY KEY); INSERT INTO x VALUES (1); INSERT INTO a.b_c VALUES (1)`,
    tables,
    { includeTables: ['*.*'] },
  );
  await copy.pipeline.stop();
  await using again = startPipeline(copy.pg, copy.ch, { includeTables: ['*.*'] });
  await copy.pg.client.query(
    'INSERT INTO x VALUES (2); INSERT INTO a.b_c VALUES (2); INSERT INTO x_current VALUES (3)',
  );
  await again.caughtUp();
  await copy.expectEqual('started again');
  const states = [...(await tableStates(copy.pg, copy.ch)).values()];
  const reasons = states.filter(({ phase }) => phase === 'quarantined').map(({ reason }) => reason);
  expect(reasons.toSorted()).toEqual([
    expect.stringMatching(/^a_b\.c would be copied to a_b_c, as a\.b_c is/) as string,
    expect.stringMatching(/^public\.x_current would share a name .* public\.x:/) as string,
  ]);
});

test.each([
  ['a view', 'CREATE VIEW it AS SELECT 1 AS id', 'CONFIG_INVALID', /is a view/],
  ['a materialized view', 'CREATE MATERIALIZED VIEW it AS SELECT 1 AS id', 'CONFIG_INVALID', /is a materialized view/],
  [
    'a partition',
    'CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE it PARTITION OF p DEFAULT',
    'CONFIG_INVALID',
    /is a partition/,
  ],
])(
  'GIVEN %s that is named in the configuration WHEN the pipeline starts THEN it is refused in words',
  async (_, sql, code, message) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(sql);
    const signal = new AbortController().signal;
    const running = runPipeline({ ...pipelineOptions(pg, ch, { includeTables: ['public.it'] }), signal });
    await expect(running).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  },
);

test('GIVEN 1,600 columns WHEN rows are loaded, updated and deleted THEN source and copy are equal', async () => {
  const numbers = Array.from({ length: 1599 }, (_, i) => i);
  await using copy = await followShapes(
    `CREATE TABLE wide (id int PRIMARY KEY, ${numbers.map((i) => `c${i} ${i % 3 === 0 ? 'int' : i % 3 === 1 ? 'boolean' : 'smallint'}`).join(', ')});
     INSERT INTO wide SELECT i, ${numbers.map((i) => (i % 3 === 1 ? `(i + ${i}) % 2 = 0` : i % 7 === 0 ? 'NULL' : `(i * ${i}) % 1000`)).join(', ')} FROM generate_series(1, 30) i`,
    [inPublic('wide')],
  );
  expect(await copiedColumns(copy.ch, 'wide')).toHaveLength(1600);
  await copy.change(
    'UPDATE wide SET c0 = -1, c1598 = 5 WHERE id % 2 = 0; UPDATE wide SET id = -id WHERE id < 5; DELETE FROM wide WHERE id > 25',
  );
});
