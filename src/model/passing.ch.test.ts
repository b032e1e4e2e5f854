/** The tables of final refusals: their names are ClickHouse's, and what the pipeline meets is sorted by them. */
import { inject, test, expect } from 'vitest';
import { temporaryClickHouse } from '../../test/support/databases.ts';
import { ClickHouse } from '../destination/client.ts';
import { AppError } from './errors.ts';
import { FINAL_CLICKHOUSE_CODES, mayPass } from './passing.ts';

test('each final code has the name that ClickHouse gives it', async () => {
  await using clickhouse = new ClickHouse(inject('clickhouseUrl'));
  for (const [code, name] of FINAL_CLICKHOUSE_CODES) {
    const [row] = await clickhouse.rows<{ name: string }>('SELECT errorCodeToName({code:UInt32}) AS name', {
      params: { code },
    });
    expect(row?.name).toBe(name);
  }
});

const NATIVE = 'FORMAT Native';
/** A Native block of `x` and `y`, as the server itself writes it. */
async function block(clickhouse: ClickHouse, columns: string): Promise<Buffer> {
  return await clickhouse.bytes(`SELECT ${columns} ${NATIVE}`);
}

/** What an insert into a table behind a materialized view is refused with after a statement of somebody. */
test.each([
  { after: 'RENAME TABLE {db}.target TO {db}.elsewhere', passes: false },
  { after: 'DROP TABLE {db}.landing SYNC', passes: false },
  { after: 'ALTER TABLE {db}.target ADD CONSTRAINT never CHECK x < 0', passes: true },
  { after: 'ALTER TABLE {db}.target MODIFY SETTING parts_to_throw_insert = 1', passes: true },
  { columns: '1::Int32 AS x, 2 AS other', passes: false },
  { columns: `'one' AS x, 'y' AS y`, passes: false },
  { settings: { max_memory_usage: 1_000_000 }, sql: 'SELECT groupArray(number) FROM numbers(10000000)', passes: true },
  { settings: { readonly: 1 }, passes: true },
  { settings: { max_execution_time: 0.001, insert_null_as_default: 0 }, sql: 'SELECT sleep(1)', passes: true },
  { settings: { no_such_setting: 1 }, passes: false },
  { sql: 'INSERT INTO {db}.landing (x, z) VALUES (1, 2)', passes: false },
  { sql: 'INSERT IN', passes: false },
])('%o', async ({ after, columns, settings, sql, passes }) => {
  await using ch = await temporaryClickHouse();
  const named = (text: string): string => text.replaceAll('{db}', ch.database);
  for (const statement of [
    'CREATE DATABASE {db}',
    'CREATE TABLE {db}.landing (x Int32, y String) ENGINE = Null',
    'CREATE TABLE {db}.target (x Int32, y String) ENGINE = MergeTree ORDER BY x',
    'CREATE MATERIALIZED VIEW {db}.view TO {db}.target AS SELECT x, y FROM {db}.landing',
    "INSERT INTO {db}.landing VALUES (1, 'a')",
    "INSERT INTO {db}.landing VALUES (2, 'b')",
    ...(after === undefined ? [] : [after]),
  ])
    await ch.client.command(named(statement));
  const body = await block(ch.client, columns ?? "1::Int32 AS x, 'c' AS y");
  const insert = { input_format_skip_unknown_fields: 0, ...settings };
  const refused =
    sql === undefined
      ? ch.client.insert(named(`INSERT INTO {db}.landing ${NATIVE}`), [body], { settings: insert })
      : ch.client.command(named(sql), { settings: settings ?? {} });
  const error: unknown = await refused.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'CLICKHOUSE_FAILED' });
  expect(mayPass(error as AppError), (error as AppError).message).toBe(passes);
});

test('a lost connection may pass, what our own code found wrong may not', () => {
  const fails = (code: 'STREAM_ENDED' | 'INTERNAL' | 'PROTOCOL' | 'CLICKHOUSE_AUTH'): boolean =>
    mayPass(new AppError(code, 'test'));
  expect([fails('STREAM_ENDED'), fails('INTERNAL'), fails('PROTOCOL'), fails('CLICKHOUSE_AUTH')]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test.each([
  ['42P01', false],
  ['22P02', false],
  ['53200', true],
  ['55P03', true],
  ['57014', true],
  ['40001', true],
  ['58030', true],
])('SQLSTATE %s may pass: %s', (sqlState, passes) => {
  expect(mayPass(new AppError('POSTGRES_FAILED', 'test', { details: { sqlState } }))).toBe(passes);
});

test('a migration that the server refuses for a while is met again at the next session; a wrong file is not', () => {
  const failed = (details: Record<string, unknown>): boolean =>
    mayPass(new AppError('MIGRATION_FAILED', '', { details }));
  expect([failed({ clickhouseCode: '241' }), failed({ clickhouseCode: '62' }), failed({})]).toEqual([
    true,
    false,
    false,
  ]);
});
