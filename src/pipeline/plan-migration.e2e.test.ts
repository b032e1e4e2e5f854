import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryAdSource } from '../../test/support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from '../../test/support/databases.ts';
import { pipelineOptions, type RunningPipeline, startPipeline } from '../../test/support/pipeline.ts';
import { pgRows } from '../source/connection.ts';
import { type MigrationPlan, planMigration } from './plan-migration.ts';
import { openCopy } from './prepare.ts';

let source: TemporaryPostgres;
let ch: TemporaryClickHouse;
let pipeline: RunningPipeline;
const overrides = { excludeTables: ['public.secret', 'public.flyway_schema_history'] };

beforeAll(async () => {
  source = await temporaryAdSource();
  ch = await temporaryClickHouse();
  await source.client.query(
    `CREATE TABLE t (id int PRIMARY KEY, n int, s text); INSERT INTO t SELECT i, i, repeat('x', 100) FROM generate_series(1, 1000) AS i;
     CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE secret (id int PRIMARY KEY); ANALYZE`,
  );
  // It runs all the time: a trial is made beside it.
  pipeline = startPipeline(source, ch, overrides);
  await pipeline.caughtUp();
});

afterAll(async () => {
  await pipeline.stop();
  await ch[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
});

async function tried(script: string): Promise<MigrationPlan> {
  const options = { ...pipelineOptions(source, ch, overrides), signal: new AbortController().signal };
  const copy = openCopy(options);
  await using _ = copy.clickhouse;
  return await planMigration(copy, options, { script, lockTimeoutMs: 2_000, statementTimeoutMs: 10_000 });
}

interface Expected {
  readonly what: string;
  readonly script: string;
  /** Fate by table. */
  readonly tables: Readonly<Record<string, string>>;
  readonly says?: RegExp;
}

const CHANGES: readonly Expected[] = [
  { what: 'an index', script: 'CREATE INDEX ON t (n); UPDATE t SET n = n + 1', tables: {} },
  { what: 'a column added', script: 'ALTER TABLE t ADD c int', tables: { t: 'altered' }, says: /ADD COLUMN `c`/ },
  { what: 'a column renamed', script: 'ALTER TABLE t RENAME n TO m', tables: { t: 'altered' }, says: /“n” in the copy/ },
  { what: 'a column dropped', script: 'ALTER TABLE t DROP s', tables: { t: 'altered' }, says: /DROP COLUMN `s`/ },
  { what: 'another type', script: 'ALTER TABLE t ALTER n TYPE text', tables: { t: 'rebuilt' }, says: /written its rows anew/ },
  { what: 'another key', script: 'ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (n, id)', tables: { t: 'rebuilt' } },
  { what: 'a table renamed', script: 'ALTER TABLE t RENAME TO v', tables: { v: 'renamed' } },
  { what: 'a table renamed away', script: 'DROP TABLE secret; ALTER TABLE t RENAME TO secret', tables: { t: 'excluded' } },
  { what: 'a table dropped', script: 'DROP TABLE u', tables: { u: 'dropped' }, says: /rows are kept/ },
  { what: 'a new table', script: 'BEGIN; CREATE TABLE w (id int PRIMARY KEY); COMMIT;', tables: { w: 'loaded' } },
  { what: 'a table that is not logged', script: 'CREATE UNLOGGED TABLE w (id int PRIMARY KEY)', tables: { w: 'quarantined' }, says: /SET LOGGED/ },
  { what: 'the type of a column of the ad schema', script: 'ALTER TABLE clicks ALTER id TYPE numeric', tables: { clicks: 'quarantined' } },
  { what: 'two tables exchanged', script: 'ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u', tables: { t: 'renamed', u: 'renamed' } },
]; // prettier-ignore

test.each(CHANGES)('$what is told beforehand, and nothing is done', async ({ script, tables, says }) => {
  const print =
    'SELECT count(*), sum(hashtext(concat(oid, relname, relfilenode, relnatts, relpersistence))) FROM pg_class UNION ALL SELECT count(*), sum(n) FROM t';
  const before = await pgRows(source.client, print);
  const plan = await tried(script);
  expect(Object.fromEntries(plan.tables.map(({ table, fate }) => [table.replace('public.', ''), fate]))).toEqual(
    tables,
  );
  if (says !== undefined) expect(JSON.stringify(plan.tables)).toMatch(says);
  expect(await pgRows(source.client, print)).toEqual(before);
  for (const { table, fate, toRead } of plan.tables)
    if (table === 'public.t' && fate === 'rebuilt') expect(toRead).toMatchObject({ rows: 1000 });
  await pipeline.caughtUp();
});

test.each([
  ['a command of psql', '\\i other.sql', 'line 1, .*command of psql'],
  ['the end of the transaction', 'CREATE TABLE w (id int);\nROLLBACK', 'line 2, .*would end the transaction'],
  ['what cannot be in a transaction', 'CREATE INDEX CONCURRENTLY ON t (n)', 'cannot run in a transaction'],
  ['a mistake', 'CREATE TABLE w (id int);\n\nALTER TABLE nowhere ADD c int', 'line 3, .*nowhere'],
  ['two statements in one', 'DO $$ BEGIN COMMIT; END $$', 'invalid transaction termination'],
])('%s is refused, with its line, and nothing is left', async (_what, script, message) => {
  await expect(tried(script)).rejects.toMatchObject({
    code: 'TRIAL_FAILED',
    message: expect.stringMatching(new RegExp(message, 's')) as string,
  });
  expect(await pgRows(source.client, "SELECT 1 FROM pg_class WHERE relname = 'w'")).toEqual([]);
});

test('a lock that others hold is waited for no longer than was said', async () => {
  await source.client.query('BEGIN; LOCK TABLE t');
  try {
    await expect(tried('ALTER TABLE t ADD c int')).rejects.toMatchObject({ code: 'TRIAL_FAILED' });
  } finally {
    await source.client.query('ROLLBACK');
  }
});
