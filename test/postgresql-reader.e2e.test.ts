/** Values that ClickHouse's own `postgresql()` reader loses, and Millrace does not: the table in docs/types.md. */
import { expect, test } from 'vitest';
import { pgTextOf } from '../src/model/quote.ts';
import { pgRows } from '../src/source/connection.ts';
import {
  temporaryClickHouse,
  temporaryPostgres,
  type TemporaryClickHouse,
  type TemporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

/** Type, value, and what the reader makes of it; null: it refuses the whole table. */
const LOST: readonly (readonly [type: string, value: string | null, found: string | null])[] = [
  ['date', 'infinity', '1970-01-01'],
  ['date', '0044-03-15 BC', '1970-01-01'],
  ['date', '9999-12-31', '2299-12-31'],
  ['timestamptz', '-infinity', '1970-01-01 00:00:00.000000'],
  ['timestamp', '0044-03-15 00:00:00 BC', '0044-03-15 00:00:00.000000'],
  ['timestamp', 'infinity', null],
  ['timestamp', '294276-01-01 00:00:00', '1970-01-04 09:44:36.000000'],
  ['numeric', '0.12345678901234567890123', '0.1234567890123456789'],
  ['numeric', '123456789012345678901234567890', null],
  ['numeric(100,2)', '1.00', null],
  ['numeric(10,2)', 'NaN', null],
  ['integer[]', '{{1,2},{3,4}}', null],
  ['integer[]', '[0:1]={1,2}', null],
  ['integer[]', null, '[]'],
];

async function readByClickHouse(pg: TemporaryPostgres, ch: TemporaryClickHouse, table: string): Promise<string | null> {
  const { hostname, port, username, password } = new URL(pg.url);
  const login = [decodeURIComponent(username), decodeURIComponent(password)];
  const parts = [`${hostname}:${port}`, pg.database, table, ...login].map((part) => `'${part}'`);
  try {
    const rows = await ch.client.rows<{ v: string | null }>(
      `SELECT toString(v) AS v FROM postgresql(${parts.join(', ')})`,
    );
    return rows[0]?.v ?? null;
  } catch (error) {
    expect(error).toMatchObject({ code: 'CLICKHOUSE_FAILED' });
    return null;
  }
}

test('GIVEN values that the reader of ClickHouse loses WHEN Millrace copies them as text THEN they are what PostgreSQL writes', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const columns = LOST.map(([type], i) => `v${i} ${type}`);
  await pg.client.query(`CREATE TABLE lost (id integer PRIMARY KEY, ${columns.join(', ')})`);
  await pgRows(
    pg.client,
    `INSERT INTO lost VALUES (1, ${LOST.map((_, i) => `$${i + 1}`).join(', ')})`,
    LOST.map(([, value]) => value),
  );
  for (const [i, [type, value, found]] of LOST.entries()) {
    await pg.client.query(`CREATE TABLE only_${i} (v ${type}); INSERT INTO only_${i} SELECT v${i} FROM lost`);
    expect([type, value, await readByClickHouse(pg, ch, `only_${i}`)]).toEqual([type, value, found]);
    await pg.client.query(`DROP TABLE only_${i}`);
  }
  const names = LOST.map((_, i) => `v${i}`);
  await using pipeline = startPipeline(pg, ch, {
    tables: [{ match: 'public.lost', columns: { 'v*': { unfit: 'text' } } }],
  });
  await pipeline.caughtUp();
  await pg.client.query('INSERT INTO lost SELECT 2, ' + names.join(', ') + ' FROM lost');
  await pipeline.caughtUp();
  const source = await pgRows(
    pg.client,
    `SELECT ${names.map((name) => `${pgTextOf(name)} AS ${name}`).join(', ')} FROM lost ORDER BY id`,
  );
  const copy = await ch.client.rows(
    `SELECT ${names.map((name) => `toString(${name}) AS ${name}`).join(', ')} FROM ${ch.database}.lost_current ORDER BY id`,
  );
  expect(source.map((row) => Object.values(row))).toEqual([LOST, LOST].map((rows) => rows.map(([, value]) => value)));
  expect(copy).toEqual(source);
});
