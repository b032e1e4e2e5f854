import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TemporaryPostgres, temporaryPostgres } from '../../test/support/databases.ts';
import { waitFor } from '../../test/support/wait.ts';
import { readTables } from '../source/catalog.ts';
import { pgRows } from '../source/connection.ts';
import { SourceReader } from './source-reader.ts';
import { readSource, readTableState, type SourceTableState } from './source-table.ts';
import { planTable } from './table-plan.ts';

let pg: TemporaryPostgres;

beforeAll(async () => {
  pg = await temporaryPostgres();
  // Two rows to a block: 20 blocks.
  await pg.client.query(`CREATE TABLE wide (id int PRIMARY KEY, filler text);
    ALTER TABLE wide ALTER filler SET STORAGE PLAIN; INSERT INTO wide SELECT n, repeat('x', 3900) FROM generate_series(1, 40) n`);
});

afterAll(async () => {
  await pg[Symbol.asyncDispose]();
});

async function open(options: { statementTimeoutMs?: number; signal?: AbortSignal } = {}): Promise<SourceReader> {
  const defaults = { url: pg.url, maxLoad: 2, statementTimeoutMs: 30_000, signal: new AbortController().signal };
  return await SourceReader.open({ ...defaults, ...options });
}

async function stateOf(name: string): Promise<SourceTableState> {
  const [table] = await readTables(pg.client, { include: [`public.${name}`], exclude: [] });
  return await readTableState(pg.client, planTable(table!, 'fail', { isUtf8: true }));
}

/** Ids read, one query piece per element. */
async function idsOf(reader: SourceReader, state: SourceTableState, select: string): Promise<number[][]> {
  const pieces: number[][] = [];
  await readSource(reader, state, { select, slice: null }, (rows) => pieces.push(rows.map((row) => Number(row['id']))));
  return pieces;
}

test('GIVEN a statement timeout WHEN a piece takes longer THEN it is divided, and every row is read once', async () => {
  await using reader = await open({ statementTimeoutMs: 600 });
  const state = await stateOf('wide');
  await reader.takeSnapshot();
  const pieces = await idsOf(reader, state, 'id, pg_sleep(0.05)::text');
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  await expect(idsOf(reader, state, 'id, pg_sleep(1)::text')).rejects.toMatchObject({ code: 'POSTGRES_FAILED' });
});

test('GIVEN rows written after the snapshot THEN they are not read, and nothing is locked between queries', async () => {
  await pg.client.query('CREATE TABLE moving (id int PRIMARY KEY); INSERT INTO moving VALUES (1), (2)');
  await using reader = await open();
  const state = await stateOf('moving');
  await reader.takeSnapshot();
  await pg.client.query('INSERT INTO moving SELECT generate_series(3, 5000); DELETE FROM moving WHERE id = 1');
  expect(new Set((await idsOf(reader, state, 'id')).flat())).toEqual(new Set([1, 2]));
  await pg.client.query("SET lock_timeout = '2s'; ALTER TABLE moving ADD COLUMN note text");
  expect(new Set((await idsOf(reader, state, 'id')).flat())).toEqual(new Set([1, 2]));
});

test.each(['TRUNCATE gone', 'VACUUM FULL gone'])('GIVEN %s since the plan THEN that is noticed', async (statement) => {
  await pg.client.query(
    'DROP TABLE IF EXISTS gone; CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone VALUES (1)',
  );
  await using reader = await open();
  const state = await stateOf('gone');
  await reader.takeSnapshot();
  await pg.client.query(statement);
  await expect(idsOf(reader, state, 'id')).rejects.toMatchObject({ code: 'TABLE_UNSUITABLE' });
});

test('GIVEN an abort WHEN queries run THEN they end on the server, too', async () => {
  const controller = new AbortController();
  await using reader = await open({ signal: controller.signal });
  const state = await stateOf('wide');
  await reader.takeSnapshot();
  const reading = idsOf(reader, state, 'id, pg_sleep(60)::text');
  const running = async (): Promise<number> => {
    const sql =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()";
    return (await pgRows(pg.client, sql)).length;
  };
  await waitFor(async () => (await running()) > 0, { what: 'the query to run' });
  controller.abort();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  await waitFor(async () => (await running()) === 0, { what: 'the query to end' });
});
