/** Generated columns that PostgreSQL does not publish, computed in ClickHouse by a rule: virtual ones, and all before PostgreSQL 18. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GivenRule } from '../src/config/table-keys.ts';
import { copiedTables } from '../src/config/table-rules.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { ask, lookAgain } from './support/ask-tables.ts';
import { millrace } from './support/command.ts';
import { changeUntilDead } from './support/crash.ts';
import { type TemporaryPostgres, temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { postgresMajor } from './support/postgres-version.ts';
import { PipelineProcess } from './support/process.ts';
import { copiedColumns, followShapes, inPublic, pairDifferences } from './support/shape-copy.ts';
import { tableState } from './support/tables.ts';
import { verifyOptions } from './support/verification.ts';
import { waitFor } from './support/wait.ts';

const MAJOR = await postgresMajor();
/** What the publication does not bring on this server. */
const KIND = MAJOR >= 18 ? 'VIRTUAL' : 'STORED';

/** In the midst of others, and at the end; one that is NOT NULL, of another type than its expression's; one of a table without a key. */
const TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, total numeric(12,2) GENERATED ALWAYS AS (price * qty) ${KIND}, price numeric(10,2), qty int, note text,
    big bigint NOT NULL GENERATED ALWAYS AS (id + 1) ${KIND}, label text GENERATED ALWAYS AS (CASE WHEN qty > 3 THEN upper(note) END) ${KIND});
  CREATE TABLE log (n int, twice int GENERATED ALWAYS AS (n * 2) ${KIND});
  INSERT INTO orders (id, price, qty, note) SELECT i, i * 1.25, i % 7, CASE WHEN i % 3 > 0 THEN 'n' || i END FROM generate_series(1, 200) i;
  INSERT INTO log SELECT i % 5 FROM generate_series(1, 50) i`;
const ALL = ['orders', 'log'].map(inPublic);

/** @param total What computes it. */
function rules(total = 'price * qty'): GivenRule[] {
  return [
    {
      match: 'public.orders',
      columns: { total: { computed: total }, big: { computed: 'id + 1' }, label: { computed: 'if(qty > 3, upper(note), NULL)' } },
    },
    { match: 'public.log', columns: { twice: { computed: 'n * 2' } } },
  ]; // prettier-ignore
}

function options(pg: TemporaryPostgres, ch: Parameters<typeof verifyOptions>[1], tables: GivenRule[]) {
  const config = { tables, maskSalt: null, includeTables: ['public.*'], excludeTables: [], publication: 'millrace' };
  return verifyOptions(pg, ch, { patterns: copiedTables(config) });
}

/** May be repeated. */
const CHANGES = `
  BEGIN; UPDATE orders SET qty = qty + 1 WHERE id % 2 = 0; UPDATE orders SET price = NULL WHERE id % 11 = 0; UPDATE orders SET note = note || 'x' WHERE id % 5 = 0;
  INSERT INTO orders (id, price, qty, note) SELECT coalesce(max(id), 0) + 1, 3.5, 9, 'new' FROM orders; DELETE FROM orders WHERE id % 13 = 0; INSERT INTO log VALUES (7), (7), (NULL); COMMIT`;

test('GIVEN rules that compute WHEN rows come, change and go, and the table is altered THEN the columns say what the source says, and verify finds a wrong expression', async () => {
  await using copy = await followShapes(TABLES, ALL, { tables: rules(), catalogPollMs: 100 });
  const { pg, ch } = copy;
  expect(await copiedColumns(ch, 'orders')).toEqual(['id', 'total', 'price', 'qty', 'note', 'big', 'label']);
  expect(await copiedColumns(ch, 'log')).toEqual(['n', 'twice']);
  const types = await ch.client.rows<{ name: string; type: string }>(
    `SELECT name, type FROM system.columns WHERE database = '${ch.database}' AND table = 'orders_current' AND name IN ('total', 'big', 'label')`,
  );
  expect(Object.fromEntries(types.map(({ name, type }) => [name, type]))).toEqual({
    total: 'Nullable(Decimal(12, 2))',
    big: 'Int64',
    label: 'Nullable(String)',
  });
  await copy.change(CHANGES);
  const { generation } = await tableState(pg, ch, 'public.orders');
  await copy.change(`ALTER TABLE orders ADD extra int DEFAULT 7; ${CHANGES}`);
  await copy.change(`ALTER TABLE orders RENAME extra TO other; ${CHANGES}`);
  await waitFor(async () => (await copiedColumns(ch, 'orders')).at(-1) === 'other', { what: 'the new name' });
  expect((await tableState(pg, ch, 'public.orders')).generation).toBe(generation);
  // Built anew beside: so are the computed columns.
  await copy.change(`ALTER TABLE orders ADD random double precision DEFAULT random(); ${CHANGES}`);
  await waitFor(async () => (await copiedColumns(ch, 'orders')).at(-1) === 'random', { what: 'the table built anew' });
  await copy.change('TRUNCATE orders; INSERT INTO orders (id, price, qty) VALUES (1, 2, 3), (2, 4, 5)');
  expect(await verify(options(pg, ch, rules()))).toMatchObject({ verdict: 'equal', differing: 0 });
  // 2 + 3 is no price × quantity, 4 + 5 neither.
  expect(await verify(options(pg, ch, rules('price + qty')))).toMatchObject({
    verdict: 'different',
    differing: 2,
    differences: [
      { table: 'public.orders', values: [{ column: 'total', expected: '6.00', found: '5.00' }] },
      { table: 'public.orders', values: [{ column: 'total', expected: '20.00', found: '9.00' }] },
    ],
  });
}, 120_000);

test('GIVEN another expression, a rule that goes, or one that comes WHEN the pipeline starts THEN the view is another, and nothing is read again', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const run = async (tables: GivenRule[]): Promise<void> => {
    await using pipeline = startPipeline(pg, ch, { tables });
    await pipeline.caughtUp();
    await pipeline.stop();
  };
  await run([]);
  expect(await copiedColumns(ch, 'orders')).toEqual(['id', 'price', 'qty', 'note']);
  const { generation } = await tableState(pg, ch, 'public.orders');
  await run(rules('price + qty'));
  expect(await pairDifferences(pg, ch, inPublic('orders'))).not.toEqual([]);
  await run(rules());
  for (const pair of ALL) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
  await run([]);
  expect(await copiedColumns(ch, 'orders')).toEqual(['id', 'price', 'qty', 'note']);
  expect((await tableState(pg, ch, 'public.orders')).generation).toBe(generation);
}, 120_000);

test.each(['partly-landed:2', 'chunk-landed:2', 'altered-exchanged:1'])(
  'GIVEN rules that compute WHEN the process dies at %s THEN the next one has the columns, and they are right',
  async (death) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(TABLES);
    const folder = await mkdtemp(join(tmpdir(), 'millrace-computed-'));
    try {
      await writeFile(join(folder, 'millrace.yaml'), JSON.stringify({ tables: rules(), catalogPollMs: 100 }));
      await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_BATCH_MAX_BYTES: '65536' }, folder);
      pipeline.start(death);
      if (death.startsWith('altered')) {
        await waitFor(async () => (await copiedColumns(ch, 'orders')).includes('label'), { what: 'the view' });
        await pg.client.query(`ALTER TABLE orders ADD extra int DEFAULT 7; ${CHANGES}`);
      }
      await changeUntilDead(pg, pipeline, CHANGES);
      expect(pipeline.isRunning).toBe(false);
      await pg.client.query(CHANGES);
      await pipeline.caughtUp({ plain: true });
      for (const pair of ALL) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
      expect(await copiedColumns(ch, 'orders')).toContain('label');
      const plan = await millrace(['plan', '--exit-code', '--config', join(folder, 'millrace.yaml')], pg, ch);
      expect([plan.exitCode, plan.stdout]).toEqual([0, expect.stringMatching(/(^|\n)nothing to do\n$/)]);
      const check = await millrace(['check', '--config', join(folder, 'millrace.yaml')], pg, ch);
      expect(check.stdout).not.toContain('generated_columns');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  120_000,
);

test.each([
  ['price * nothing', /computed.*“total”.*price \* nothing.*ClickHouse refuses: .*`nothing`/],
  ['price *', /ClickHouse refuses: Syntax error/],
  ['sum(price)', /ClickHouse refuses: .*Aggregate function/],
  ['(SELECT 1)', /subquery or arrayJoin/],
  ["toDate('2026-01-01')", /ClickHouse refuses/],
])('GIVEN the expression %s THEN check and plan say why it cannot be, and that table alone is left out', async (total, why) => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-computed-'));
  try {
    const file = join(folder, 'millrace.yaml');
    await writeFile(file, JSON.stringify({ tables: rules(total) }));
    const check = await millrace(['check', '--config', file], pg, ch);
    expect([check.exitCode, check.stdout]).toEqual([2, expect.stringMatching(why)]);
    expect((await millrace(['plan', '--config', file], pg, ch)).stdout).toMatch(why);
    await using pipeline = startPipeline(pg, ch, { tables: rules(total) });
    await pipeline.caughtUp();
    expect(await tableState(pg, ch, 'public.orders')).toMatchObject({ phase: 'quarantined', reason: expect.stringMatching(why) as string });
    expect(await copiedColumns(ch, 'orders')).toEqual([]);
    expect(await pairDifferences(pg, ch, inPublic('log'))).toEqual([]);
    await pipeline.stop();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000); // prettier-ignore

test('GIVEN a column that an expression uses WHEN the source renames it THEN the table is quarantined with what helps, readers keep its rows, and that helps', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const first = startPipeline(pg, ch, { tables: rules(), catalogPollMs: 100 });
  await first.caughtUp();
  await pg.client.query('ALTER TABLE orders RENAME price TO cost');
  await waitFor(async () => (await tableState(pg, ch, 'public.orders')).phase === 'quarantined', {
    what: 'the table to be quarantined',
  });
  const { reason } = await tableState(pg, ch, 'public.orders');
  expect(reason).toMatch(/“total”.*`price`.*Correct `computed`.*millrace resync public\.orders/);
  const [seen] = await ch.client.rows<{ n: string }>(
    `SELECT toString(sum(total)) AS n FROM ${ch.database}.orders_current`,
  );
  expect(Number(seen?.n)).toBeGreaterThan(0);
  await pg.client.query("UPDATE orders SET qty = 1; INSERT INTO log VALUES (99)");
  await first.caughtUp();
  expect(await pairDifferences(pg, ch, inPublic('log'))).toEqual([]);
  await first.stop();
  const corrected = rules('cost * qty');
  expect(await ask(pg, ch, 'resync', ['public.orders'])).toMatchObject({ status: 'asked' });
  await using second = startPipeline(pg, ch, { tables: corrected });
  await second.caughtUp();
  for (const pair of ALL) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
  expect(await verify(options(pg, ch, corrected))).toMatchObject({ verdict: 'equal' });
  await second.stop();
}, 120_000); // prettier-ignore

test('GIVEN generated columns without a rule THEN check says of each what can be done, and exclude ends that', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const check = await millrace(['check', '--json'], pg, ch);
  const { postgres } = JSON.parse(check.stdout) as { postgres: { code: string; object: string; remedy: string }[] };
  const told = postgres.filter(({ code }) => code === 'generated_columns');
  expect(told.map(({ object }) => object)).toEqual(['public.log.twice', 'public.orders.total', 'public.orders.big', 'public.orders.label']); // prettier-ignore
  expect(told[1]?.remedy).toMatch(/\{ match: "public\.orders", columns: \{ "total": \{ computed: "…" \} \} \}.*\(price \* \(qty\)::numeric\)/);
  await using pipeline = startPipeline(pg, ch, {
    tables: [{ match: 'public.*', columns: { total: { exclude: true } } }],
  });
  await pipeline.caughtUp();
  expect(await copiedColumns(ch, 'orders')).toEqual(['id', 'price', 'qty', 'note']);
  await pipeline.stop();
}); // prettier-ignore

test.skipIf(MAJOR >= 18)('GIVEN a computed column WHEN the source takes its expression away THEN the table is quarantined with what helps, and follows without the rule', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLES);
  const first = startPipeline(pg, ch, { tables: rules(), catalogPollMs: 100 });
  await first.caughtUp();
  await pg.client.query(`ALTER TABLE orders ALTER total DROP EXPRESSION; ${CHANGES}; UPDATE orders SET total = 5 WHERE id < 50`);
  await waitFor(async () => (await tableState(pg, ch, 'public.orders')).phase === 'quarantined', { what: 'quarantine' });
  expect((await tableState(pg, ch, 'public.orders')).reason).toContain('is not generated: it is copied');
  await first.stop();
  const corrected = rules().map((rule) => {
    const { total: _, ...columns } = rule.columns ?? {};
    return { ...rule, columns };
  });
  await ask(pg, ch, 'resync', ['public.orders']);
  await using second = startPipeline(pg, ch, { tables: corrected });
  await second.caughtUp();
  for (const pair of ALL) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
  await second.stop();
}, 120_000); // prettier-ignore

test('GIVEN a table of the ad schema WHEN a rule computes a column of it THEN its view has it, from one start to the next', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`ALTER TABLE advertiser ADD loud text GENERATED ALWAYS AS (upper(name)) ${KIND}; INSERT INTO advertiser (name) VALUES ('a'), ('b')`);
  const tables: GivenRule[] = [{ match: 'public.advertiser', columns: { loud: { computed: 'upper(name)' } } }];
  for (const name of ['c', 'd']) {
    await using pipeline = startPipeline(pg, ch, { tables });
    await pipeline.caughtUp();
    await pg.client.query(`INSERT INTO advertiser (name) VALUES ('${name}')`);
    await lookAgain(pg);
    await pipeline.caughtUp();
    expect(await ch.client.rows(`EXISTS TABLE ${ch.database}.advertiser_history`)).toEqual([{ result: 1 }]);
    expect(await copiedColumns(ch, 'advertiser')).toContain('loud');
    expect(await pairDifferences(pg, ch, inPublic('advertiser'))).toEqual([]);
    expect(await verify(options(pg, ch, tables))).toMatchObject({ differing: 0 });
    const wrong: GivenRule[] = [{ match: 'public.advertiser', columns: { loud: { computed: 'lower(name)' } } }];
    const { rows } = await pg.client.query('SELECT FROM advertiser');
    expect(await verify(options(pg, ch, wrong))).toMatchObject({ differing: rows.length });
    await pipeline.stop();
  }
}, 60_000); // prettier-ignore
