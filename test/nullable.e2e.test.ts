/** Columns that are Nullable in the copy, or not, because the configuration says so: in the load, the stream, the ledger and the proof. */
import { expect, test } from 'vitest';
import { tableRules } from '../src/config/table-rules.ts';
import { readLosses } from '../src/pipeline/read-losses.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { tableState } from './support/tables.ts';
import { verifyOptions } from './support/verification.ts';

/** Columns that may be NULL in the source: their type there, in the copy, and what stands for NULL. */
const FILLED: readonly (readonly [type: string, copyType: string, zero: string])[] = [
  ['integer', 'Int32', '0'],
  ['bigint', 'Int64', '0'],
  ['double precision', 'Float64', '0'],
  ['numeric(10,2)', 'Decimal(10, 2)', '0'],
  ['money', 'Decimal(19, 2)', '0'],
  ['boolean', 'Bool', 'false'],
  ['date', 'Date32', '1970-01-01'],
  ['timestamptz', "DateTime64(6, 'UTC')", '1970-01-01 00:00:00.000000'],
  ['uuid', 'UUID', '00000000-0000-0000-0000-000000000000'],
  ['text', 'String', ''],
  ['mood', 'LowCardinality(String)', ''],
  ['interval', 'String', ''],
  ['positive', 'Int32', '0'],
];
const COLUMNS = {
  'f*': { nullable: false, unfit: 'clamp' },
  sure: { nullable: true },
} as const;

test('GIVEN columns that are not to be Nullable, and one that is WHEN rows with NULL come THEN zeros stand for it, counted, and the copy is proved', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const columns = FILLED.map(([type], i) => `f${i} ${type}`).join(', ');
  await pg.client.query(
    `CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
     CREATE TABLE item (id integer PRIMARY KEY, sure integer NOT NULL, ${columns}); INSERT INTO item VALUES (1, 1), (2, 2)`,
  );
  const tables = [{ match: 'public.item', columns: COLUMNS }];
  await using pipeline = startPipeline(pg, ch, { tables });
  await pipeline.caughtUp();
  await pg.client.query(
    `INSERT INTO item (id, sure, f0) VALUES (101, 1, NULL), (102, 2, NULL), (103, 3, 7); UPDATE item SET f0 = NULL WHERE id = 103; UPDATE item SET f0 = 5 WHERE id = 102`,
  );
  await pipeline.caughtUp();

  const types = await ch.client.rows<{ type: string }>(
    `SELECT type FROM system.columns WHERE database = '${ch.database}' AND table = 'item' AND match(name, '^(f|sure)') ORDER BY position`,
  );
  expect(types.map(({ type }) => type)).toEqual(['Nullable(Int32)', ...FILLED.map(([, type]) => type)]);
  const list = FILLED.map((_, i) => `toString(f${i}) AS f${i}`).join(', ');
  const rows = await ch.client.rows<Record<string, string>>(
    `SELECT id, ${list} FROM ${ch.database}.item_current ORDER BY id`,
  );
  const zeros = FILLED.map(([, , zero]) => zero);
  expect(rows.map((row) => Object.values(row))).toEqual([
    [1, ...zeros],
    [2, ...zeros],
    [101, ...zeros],
    [102, '5', ...zeros.slice(1)],
    [103, ...zeros],
  ]);
  const losses = await readLosses(ch.client, { database: ch.database, internal: ch.internal }, pg.database);
  expect(losses.find(({ column }) => column === 'f9')).toMatchObject({
    reason: 'NULL in a column that is not to be Nullable',
    action: 'clamp',
    sample: 'NULL',
  });
  expect(new Set(losses.map(({ column }) => column)).size).toBe(FILLED.length);
  const rules = tableRules({ tables, maskSalt: null });
  const patterns = { include: ['public.*'], exclude: [], ...rules };
  const proof = await verify(verifyOptions(pg, ch, { patterns }));
  expect(proof.differences).toEqual([]);
  expect(proof.verdict).toBe('equal');

  await pg.client.query(
    'ALTER TABLE item ALTER sure DROP NOT NULL; INSERT INTO item (id) VALUES (200); ALTER TABLE item ADD fresh text',
  );
  const fresh = async (): Promise<unknown> => {
    await pipeline.caughtUp();
    return await ch.client.rows(`SELECT id, sure, fresh FROM ${ch.database}.item_current WHERE id = 200`);
  };
  await expect.poll(fresh, { timeout: 30_000 }).toEqual([{ id: 200, sure: null, fresh: '' }]);
  expect((await verify(verifyOptions(pg, ch, { patterns }))).verdict).toBe('equal');
}, 300_000);

test('GIVEN a column that is not to be Nullable and policy fail WHEN a NULL comes THEN its table is quarantined with the reason', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE item (id integer PRIMARY KEY, v integer); INSERT INTO item VALUES (1, 1)');
  const tables = [{ match: 'public.item', columns: { v: { nullable: false } } }];
  await using pipeline = startPipeline(pg, ch, { tables });
  await pipeline.caughtUp();
  await pg.client.query('INSERT INTO item VALUES (2, NULL)');
  await pipeline.caughtUp();
  expect(await tableState(pg, ch, 'public.item')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringContaining('NULL in a column that is not to be Nullable') as string,
  });
});

test.each([
  ['id', { nullable: true }, /in its key, which cannot be Nullable/],
  ['v', { nullable: false, mask: 'null' }, /which may give NULL/],
  ['list', { nullable: true, as: 'array' }, /cannot be Nullable/],
] as const)(
  'GIVEN column %s with %o THEN its table is quarantined, and the reason says why',
  async (name, rule, reason) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(
      'CREATE TABLE item (id integer PRIMARY KEY, v text, list integer[]); CREATE TABLE other (id integer PRIMARY KEY)',
    );
    await using pipeline = startPipeline(pg, ch, { tables: [{ match: 'public.item', columns: { [name]: rule } }] });
    await pipeline.caughtUp();
    const state = await tableState(pg, ch, 'public.item');
    expect(state).toMatchObject({ phase: 'quarantined', reason: expect.stringMatching(reason) as string });
  },
);
