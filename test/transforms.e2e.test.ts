/** Columns that functions of the configuration transform: the same in the load, the stream, after a kill and in a repair. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { copiedTables } from '../src/config/table-rules.ts';
import type { Transform } from '../src/model/table-rule.ts';
import { pgRows } from '../src/source/connection.ts';
import { verify } from '../src/verify/verify.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { pipelineOptions, startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { tableState } from './support/tables.ts';
import { verifyOptions } from './support/verification.ts';

type Rules = NonNullable<Parameters<typeof startPipeline>[2]>;

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, email text NOT NULL, amount numeric(10, 2), tags text[], note text);
  ALTER TABLE t ALTER note SET STORAGE EXTERNAL;
  INSERT INTO t SELECT i, 'Someone' || i || '@Example.COM', i, ARRAY['a', 'B' || i], repeat('Note' || i, 1000) FROM generate_series(1, 200) i;
  INSERT INTO t VALUES (500, '', NULL, NULL, NULL)`;

const lower: Transform = (value) => value?.toLowerCase() ?? null;
/** Of numeric(10, 2), and again a number: in the type that the column has. */
const doubled: Transform = (value) => (value === null ? '-1.00' : (Number(value) * 2).toFixed(2));
const counted: Transform = (value) => (value === null ? null : String(value.split(',').length));
const head: Transform = (value) => value?.slice(0, 6) ?? 'none';

const COLUMNS = {
  email: { transform: lower },
  amount: { transform: doubled },
  tags: { transform: counted, as: 'text' },
  note: { transform: head },
};
const RULES: Rules = { tables: [{ match: 'public.t', columns: COLUMNS }] };

/** What the copy should hold: the functions, called with the values as PostgreSQL writes them. */
async function expected(pg: TemporaryPostgres): Promise<unknown[]> {
  const rows = await pgRows(
    pg.client,
    'SELECT id, email::text, amount::text, tags::text, note::text FROM t ORDER BY id',
  );
  return rows.map(({ id, email, amount, tags, note }) => ({
    id: Number(id),
    email: lower(email ?? null),
    amount: doubled(amount ?? null),
    tags: counted(tags ?? null),
    note: head(note ?? null),
  }));
}

async function copied(ch: TemporaryClickHouse): Promise<unknown[]> {
  return await ch.client.rows(
    `SELECT id, email, toDecimalString(amount, 2) AS amount, tags, note FROM ${ch.database}.t_current ORDER BY id`,
  );
}

const CHANGES = `UPDATE t SET amount = amount + 1 WHERE id % 3 = 0; UPDATE t SET email = 'NEW@x' WHERE id = 5;
  DELETE FROM t WHERE id % 7 = 0; INSERT INTO t VALUES (600, 'Inserted', 1.5, '{X,Y,Z}', 'Streamed note'), (601, 'I', NULL, NULL, NULL)`;

test('GIVEN transforms THEN load, stream and repair give the same, verify says what it leaves out, and another function is noticed', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  const first = startPipeline(pg, ch, RULES);
  await first.caughtUp();
  expect(await copied(ch)).toEqual(await expected(pg));
  // The long value of a row that is updated is not in the log: it comes from the mirror, and is not transformed twice.
  await pg.client.query(CHANGES);
  await first.caughtUp();
  expect(await copied(ch)).toEqual(await expected(pg));
  const options = verifyOptions(pg, ch, { patterns: copiedTables(pipelineOptions(pg, ch, RULES)) });
  const proof = await verify(options);
  expect(proof).toMatchObject({ verdict: 'partial', differing: 0 });
  expect(proof.tables[0]?.notCompared).toBe(
    ['email', 'amount', 'tags', 'note'].map((name) => `“${name}”, which is transformed`).join(', '),
  );
  // A row that is lost is found by its key, and read again through the same functions.
  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  await ch.client.command(`ALTER TABLE ${ch.database}.t DELETE WHERE id IN (8, 600)`, { settings });
  expect(await verify({ ...options, repair: true })).toMatchObject({ verdict: 'repaired', repaired: 2 });
  expect(await copied(ch)).toEqual(await expected(pg));
  await first.stop();

  const other: Transform = (value) => (value === null ? null : value.toUpperCase());
  await using second = startPipeline(pg, ch, {
    tables: [{ match: 'public.t', columns: { ...COLUMNS, email: { transform: other } } }],
  });
  await second.caughtUp();
  await expect.poll(async () => (await tableState(pg, ch, 'public.t')).building, { timeout: 30_000 }).toBe(false);
  await second.caughtUp();
  const rows = (await expected(pg)) as { email: string }[];
  expect(await copied(ch)).toEqual(rows.map((row) => ({ ...row, email: row.email.toUpperCase() })));
});

test('GIVEN a transform in a configuration file WHEN the process is killed in the load and in the stream THEN every row is transformed once', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-transform-'));
  try {
    const config = join(folder, 'millrace.config.mjs');
    await writeFile(
      config,
      `export default { tables: [{ match: 'public.t', columns: {
         email: { transform: ${String(lower)} }, amount: { transform: ${String(doubled)} },
         tags: { transform: ${String(counted)}, as: 'text' }, note: { transform: ${String(head)} } } }] };`,
    );
    await pg.client.query(TABLE);
    await using pipeline = new PipelineProcess(pg, ch, {}, folder);
    pipeline.start('chunk-landed');
    await pipeline.closed();
    expect(pipeline.ending).toBe('SIGKILL');
    await pipeline.caughtUp({ plain: true });
    await pipeline.end('SIGTERM');
    await pg.client.query(CHANGES);
    for (const point of ['landed', 'stored']) {
      pipeline.start(point);
      await pipeline.closed();
      expect(pipeline.ending).toBe('SIGKILL');
      await pg.client.query("INSERT INTO t SELECT max(id) + 1, 'Again', 7, '{Q}', 'more' FROM t");
    }
    await pipeline.caughtUp({ plain: true });
    expect(await copied(ch)).toEqual(await expected(pg));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

const FAILING: Transform = (value) => {
  if (value?.startsWith('secret') === true) throw new RangeError(value);
  return value;
};

test('GIVEN a transform that throws THEN its table is quarantined, or the value is NULL and counted with the key of its row, and never told', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `CREATE TABLE f (id int PRIMARY KEY, name text); INSERT INTO f VALUES (1, 'open'), (2, 'secret 4711');
     CREATE TABLE n (LIKE f INCLUDING ALL); INSERT INTO n TABLE f; CREATE TABLE k (LIKE f INCLUDING ALL); INSERT INTO k TABLE f;
     CREATE TABLE typed (id int PRIMARY KEY, name int); INSERT INTO typed VALUES (1, 1)`,
  );
  await using pipeline = startPipeline(pg, ch, {
    tables: [
      { match: ['public.f', 'public.n'], columns: { name: { transform: FAILING } } },
      { match: 'public.n', columns: { name: { unfit: 'null' } } },
      { match: 'public.k', columns: { id: { transform: lower } } },
      { match: 'public.typed', columns: { name: { transform: () => 'no number' } } },
    ],
  });
  await pipeline.caughtUp();
  await pg.client.query("INSERT INTO n VALUES (3, 'secret 4712')");
  await pipeline.caughtUp();
  const reasons = await Promise.all(['f', 'k', 'typed'].map((name) => tableState(pg, ch, `public.${name}`)));
  expect(reasons.map(({ phase }) => phase)).toEqual(['quarantined', 'quarantined', 'quarantined']);
  expect(reasons.map(({ reason }) => reason)).toEqual([
    expect.stringContaining('column name: its transform threw RangeError') as string,
    expect.stringContaining('“id” in its key, which can be hashed, not transformed') as string,
    expect.stringContaining('column name: its transform gave no value of Nullable(Int32)') as string,
  ]);
  expect(await ch.client.rows(`SELECT id, name FROM ${ch.database}.n_current ORDER BY id`)).toEqual([
    { id: 1, name: 'open' },
    { id: 2, name: null },
    { id: 3, name: null },
  ]);
  const losses = await ch.client.rows(
    `SELECT reason, action, sample, sum(values)::String AS values FROM ${ch.internal}.losses GROUP BY ALL`,
  );
  expect(losses).toEqual([
    { reason: 'its transform threw RangeError', action: 'null', sample: '(withheld)', values: '2' },
  ]);
});
