/** Masked values: nothing of them is in ClickHouse, whatever way they take; what is left of them is exact. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { copiedTables } from '../src/config/table-rules.ts';
import { chIdent } from '../src/model/quote.ts';
import { pgRows } from '../src/source/connection.ts';
import type { VerifyOptions } from '../src/verify/options.ts';
import { verify } from '../src/verify/verify.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { pipelineOptions, startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { tableState } from './support/tables.ts';
import { verifyOptions } from './support/verification.ts';

const SALT = 'a salt that nobody guesses';
type Rules = NonNullable<Parameters<typeof startPipeline>[2]>;

function hash(text: string): string {
  return createHash('sha256').update(SALT).update(text).digest('hex');
}

function optionsOf(pg: TemporaryPostgres, ch: TemporaryClickHouse, rules: Rules): VerifyOptions {
  return verifyOptions(pg, ch, { patterns: copiedTables(pipelineOptions(pg, ch, rules)) });
}

/** Everything that is stored in both databases, as text. */
async function everythingStored(ch: TemporaryClickHouse): Promise<string> {
  const tables = await ch.client.rows<{ database: string; name: string }>(
    `SELECT database, name FROM system.tables WHERE startsWith(database, {name:String}) AND engine LIKE '%MergeTree'`,
    { params: { name: ch.database } },
  );
  expect(tables.length).toBeGreaterThan(5);
  const texts = await Promise.all(
    tables.map(async ({ database, name }) => {
      const rows = await ch.client.rows(`SELECT * FROM ${chIdent(database)}.${chIdent(name)}`);
      return JSON.stringify(rows);
    }),
  );
  return texts.join('\n');
}

const COLUMNS = [
  't text',
  'v varchar(40)',
  'c char(40)',
  'i int',
  'n numeric',
  'ts timestamptz',
  'j jsonb',
  'u uuid',
  'a text[]',
];
const HASHED = Object.fromEntries(COLUMNS.map((column) => [column.split(' ')[0] ?? '', { mask: 'hash' as const }]));
const VALUES = `'secret text 4711', 'secret varchar 4711', 'secret char 4711', 47114711, 4711.4711, '2026-04-07 11:00:00.471147Z',
  '{"secret": 4711}', '47114711-4711-4711-4711-471147114711', '{secret,"array 4711",NULL}'`;

test('GIVEN columns of all kinds that are hashed THEN the copy has SHA-256 of salt and text, from load and stream alike, and nowhere a value', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE m (id int PRIMARY KEY, ${COLUMNS.join(', ')}); INSERT INTO m VALUES (1, ${VALUES}); INSERT INTO m (id) VALUES (2)`,
  );
  const rules: Rules = { maskSalt: SALT, tables: [{ match: 'public.m', columns: HASHED }] };
  await using pipeline = startPipeline(pg, ch, rules);
  await pipeline.caughtUp();
  await pg.client.query(
    `INSERT INTO m VALUES (3, ${VALUES}); INSERT INTO m (id) VALUES (4); UPDATE m SET i = 47110000 WHERE id = 3`,
  );
  await pipeline.caughtUp();
  const names = Object.keys(HASHED);
  await pg.client.query("SET TimeZone = 'UTC'");
  const source = await pgRows(
    pg.client,
    `SELECT id, ${names.map((name) => `format('%s', ${name}) AS ${name}`).join(', ')} FROM m ORDER BY id`,
  );
  const expected = source.map(({ id, ...row }) => {
    const isNull = id === '2' || id === '4';
    return {
      id: Number(id),
      ...Object.fromEntries(
        Object.entries(row).map(([name, text]) => [name, isNull ? null : hash((text ?? '').trimEnd())]),
      ),
    };
  });
  expect(await ch.client.rows(`SELECT id, ${names.join(', ')} FROM ${ch.database}.m_current ORDER BY id`)).toEqual(
    expected,
  );
  expect(await verify(optionsOf(pg, ch, rules))).toMatchObject({ verdict: 'equal', differing: 0 });
  const stored = await everythingStored(ch);
  expect(stored).not.toMatch(/secret|4711/i);
  expect(stored).not.toContain(SALT);
});

test('GIVEN null and truncate THEN nothing and the first characters are copied', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const row = `'secret name', '2001-02-03', 'ÄÖÜ secret', 47114711, '{secret}', repeat('secret', 20000)`;
  await pg.client.query(
    `CREATE TABLE p (id int PRIMARY KEY, name text NOT NULL, born date NOT NULL, city text, phone bigint, tags text[], long text);
     ALTER TABLE p ALTER long SET STORAGE EXTERNAL; INSERT INTO p VALUES (1, ${row})`,
  );
  const columns = {
    name: { mask: 'null' as const },
    born: { mask: null },
    city: { mask: 'truncate(2)' as const },
    phone: { mask: 'truncate(3)' as const },
    tags: { mask: 'null' as const },
    long: { mask: 'truncate(1)' as const },
  };
  const rules: Rules = { tables: [{ match: 'public.p', columns }] };
  await using pipeline = startPipeline(pg, ch, rules);
  await pipeline.caughtUp();
  await pg.client.query(
    `INSERT INTO p VALUES (2, ${row}); UPDATE p SET city = 'é' WHERE id = 1; INSERT INTO p VALUES (3, 'secret', 'infinity', NULL, NULL, NULL, NULL)`,
  );
  await pipeline.caughtUp();
  const blank = { name: null, born: null, tags: null };
  expect(await ch.client.rows(`SELECT * FROM ${ch.database}.p_current ORDER BY id`)).toEqual([
    { id: 1, ...blank, city: 'é', phone: '471', long: 's' },
    { id: 2, ...blank, city: 'ÄÖ', phone: '471', long: 's' },
    { id: 3, ...blank, city: null, phone: null, long: null },
  ]);
  expect(await verify(optionsOf(pg, ch, rules))).toMatchObject({ verdict: 'equal', differing: 0 });
  expect(await everythingStored(ch)).not.toMatch(/secret|4711|2001-02-03/);
});

test('GIVEN a hashed key THEN changes find their rows, joins work, and verify finds and repairs by it without telling a value', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE people (email text PRIMARY KEY, n int); CREATE TABLE visits (id int PRIMARY KEY, email varchar(60));
     INSERT INTO people SELECT 'secret' || i || '@example.com', i FROM generate_series(1, 20) i; INSERT INTO visits SELECT i, 'secret' || i || '@example.com' FROM generate_series(1, 20) i`,
  );
  const rules: Rules = { maskSalt: SALT, tables: [{ match: 'public.*', columns: { email: { mask: 'hash' } } }] };
  await using pipeline = startPipeline(pg, ch, rules);
  await pipeline.caughtUp();
  await pg.client.query(
    `UPDATE people SET n = -n WHERE n % 3 = 0; DELETE FROM people WHERE n = 5; UPDATE people SET email = 'secret new' WHERE n = 7`,
  );
  await pipeline.caughtUp();
  const found = await ch.client.rows<{ email: string; n: number }>(
    `SELECT email, n FROM ${ch.database}.people_current ORDER BY n`,
  );
  const expected = await pgRows(pg.client, 'SELECT email, n FROM people ORDER BY n');
  expect(found).toEqual(expected.map(({ email, n }) => ({ email: hash(email ?? ''), n: Number(n) })));
  const [joined] = await ch.client.rows(
    `SELECT toUInt32(count()) AS n FROM ${ch.database}.people_current p JOIN ${ch.database}.visits_current v ON p.email = v.email`,
  );
  expect(joined).toEqual({ n: 18 });
  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  const damage = [`UPDATE n = 1000 WHERE n = 8`, `DELETE WHERE n = 10`];
  for (const change of damage) await ch.client.command(`ALTER TABLE ${ch.database}.people ${change}`, { settings });
  const damaged = await verify(optionsOf(pg, ch, rules));
  expect(damaged).toMatchObject({ verdict: 'different', differing: 2 });
  expect(new Set(damaged.differences.map(({ key }) => key[0]))).toEqual(
    new Set([hash('secret8@example.com'), hash('secret10@example.com')]),
  );
  expect(await verify({ ...optionsOf(pg, ch, rules), repair: true })).toMatchObject({
    verdict: 'repaired',
    repaired: 2,
  });
  expect(await verify(optionsOf(pg, ch, rules))).toMatchObject({ verdict: 'equal' });
  expect(await everythingStored(ch)).not.toMatch(/secret|example/);
});

test.each([
  { columns: { id: { mask: 'null' as const } }, reason: /“id” in its key, which can only be hashed/ },
  { columns: { id: { exclude: true } }, reason: /“id” in its key, which cannot be excluded/ },
  { columns: { emial: { mask: 'hash' as const } }, reason: /has no column “emial”, which the configuration names/ },
])(
  'GIVEN $columns WHEN the pipeline starts THEN the table is quarantined, and nothing of it is copied',
  async ({ columns, reason }) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(`CREATE TABLE t (id int PRIMARY KEY, email text); INSERT INTO t VALUES (1, 'secret')`);
    await using pipeline = startPipeline(pg, ch, { maskSalt: SALT, tables: [{ match: 'public.t', columns }] });
    await pipeline.caughtUp();
    expect(await tableState(pg, ch, 'public.t')).toMatchObject({
      phase: 'quarantined',
      reason: expect.stringMatching(reason) as string,
    });
    expect(await everythingStored(ch)).not.toContain('secret');
  },
);
