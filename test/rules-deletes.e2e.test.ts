/** What DELETE and TRUNCATE do to the copy: nothing, or the rows end and stay. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { verify } from '../src/verify/verify.ts';
import { copiedTables } from '../src/config/table-rules.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { pipelineOptions, startPipeline } from './support/pipeline.ts';

type Rules = Parameters<typeof startPipeline>[2];

async function verdict(pg: TemporaryPostgres, ch: TemporaryClickHouse, rules: Rules): ReturnType<typeof verify> {
  const options = pipelineOptions(pg, ch, rules);
  return await verify({
    postgresUrl: pg.url,
    replicaUrl: null,
    clickhouseUrl: ch.url,
    names: ch,
    slot: pg.database,
    patterns: copiedTables(options),
    only: [],
    unfitPolicy: 'fail',
    maxLoad: 2,
    statementTimeoutMs: 30_000,
    sample: null,
    limit: 20,
    repair: false,
    waitMs: 30_000,
    signal: new AbortController().signal,
  });
}

async function rows(ch: TemporaryClickHouse, columns: string, table = 't'): Promise<string[]> {
  const found = await ch.client.rows(`SELECT ${columns} FROM ${ch.database}.${table}_current ORDER BY ALL`);
  return found.map((row) => Object.values(row).map(String).join(' '));
}

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, note text);
  INSERT INTO t SELECT i, i, repeat('x', i) FROM generate_series(1, 6) i`;

test.each(['DEFAULT', 'FULL'])(
  'GIVEN onDelete soft and REPLICA IDENTITY %s WHEN rows are deleted THEN they stay as they were, with the time of their end, and may come again',
  async (identity) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(`${TABLE}; ALTER TABLE t REPLICA IDENTITY ${identity}`);
    const rules: Rules = { tables: [{ match: 'public.*', onDelete: 'soft' }] };
    const first = startPipeline(pg, ch, rules);
    await first.caughtUp();
    expect(await rows(ch, '_deleted_at IS NULL AS live, id')).toEqual(['1 1', '1 2', '1 3', '1 4', '1 5', '1 6']);
    await pg.client.query('DELETE FROM t WHERE id = 1');
    await pg.client.query(
      `BEGIN; UPDATE t SET n = 20 WHERE id = 2; DELETE FROM t WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 33, 'again'), (7, 7, 'short-lived');
       DELETE FROM t WHERE id = 7; UPDATE t SET id = 14 WHERE id = 4; COMMIT`,
    );
    await first.caughtUp();
    const ended = ['0 1 1 x', '0 2 20 xx', '0 7 7 short-lived'];
    expect(await rows(ch, '_deleted_at IS NULL AS live, id, n, note')).toEqual([
      ...ended, '1 3 33 again', '1 5 5 xxxxx', '1 6 6 xxxxxx', '1 14 4 xxxx',
    ]); // prettier-ignore
    const [time] = await rows(ch, "abs(dateDiff('second', _deleted_at, now())) < 600 AS recent", 't');
    expect(time).toBe('1');
    expect(await verdict(pg, ch, rules)).toMatchObject({ verdict: 'equal', differing: 0 });
    await pg.client.query('DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (1, 111, NULL)');
    await pg.client.query("TRUNCATE t; INSERT INTO t VALUES (6, 66, 'new')");
    await first.caughtUp();
    await first.stop();
    await using second = startPipeline(pg, ch, rules);
    await second.caughtUp();
    expect(await rows(ch, '_deleted_at IS NULL AS live, id, n, note')).toEqual([
      '0 1 111 null', '0 2 20 xx', '0 3 33 again', '0 5 5 xxxxx', '0 7 7 short-lived', '0 14 4 xxxx', '1 6 66 new',
    ]); // prettier-ignore
    expect(await verdict(pg, ch, rules)).toMatchObject({ verdict: 'equal', differing: 0 });
  },
);

test('GIVEN onDelete soft WHEN a row is deleted whose load is on its way THEN the copy does not show it as live', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(TABLE);
  const hold = proxy.hold(`INTO+%60${ch.database}%60.%60t%60`);
  const rules: Rules = { tables: [{ match: 'public.*', onDelete: 'soft' }], clickhouseUrl: proxy.url };
  await using pipeline = startPipeline(pg, ch, rules);
  await hold.reached();
  await pg.client.query('DELETE FROM t WHERE id < 3');
  await expect
    .poll(async () => (await ch.client.rows(`SELECT id FROM ${ch.database}.t WHERE _version > 0`)).length, {
      timeout: 20_000,
    })
    .toBe(2);
  hold.release();
  await pipeline.caughtUp();
  expect(await rows(ch, '_deleted_at IS NULL AS live, id')).toEqual(['1 3', '1 4', '1 5', '1 6']);
  expect(await verdict(pg, ch, rules)).toMatchObject({ verdict: 'equal' });
});

test('GIVEN onDelete keep WHEN rows are deleted and truncated THEN they stay, it is counted, and verify does not call them differences', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLE}; CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1), (2)`);
  const rules: Rules = { tables: [{ match: 'public.t', onDelete: 'keep' }] };
  await using pipeline = startPipeline(pg, ch, rules);
  await pipeline.caughtUp();
  await pg.client.query(
    'DELETE FROM t WHERE id < 3; DELETE FROM plain WHERE id = 1; UPDATE t SET id = 13, n = 14 WHERE id = 3',
  );
  await pipeline.caughtUp();
  expect(await rows(ch, 'id, n')).toEqual(['1 1', '2 2', '4 4', '5 5', '6 6', '13 14']);
  expect(await tableDifferences(pg, ch, 'plain')).toEqual([]);
  const found = await verdict(pg, ch, rules);
  expect(found).toMatchObject({ verdict: 'partial', differing: 0 });
  expect(found.tables.find(({ table }) => table === 'public.t')?.notCompared).toBe('rows that the source has no more');
  await pg.client.query('TRUNCATE t; INSERT INTO t VALUES (1, 100, NULL)');
  await pipeline.caughtUp();
  expect(await rows(ch, 'id, n')).toEqual(['1 100', '2 2', '4 4', '5 5', '6 6', '13 14']);
  const kept = async (): Promise<unknown> =>
    await ch.client.rows(
      `SELECT table, reason, action, toUInt32(sum(values)) AS n FROM ${ch.internal}.losses GROUP BY ALL ORDER BY reason`,
    );
  await expect.poll(kept, { timeout: 20_000 }).toEqual([
    { table: 'public.t', reason: 'DELETE in the source', action: 'keep', n: 2 },
    { table: 'public.t', reason: 'TRUNCATE in the source', action: 'keep', n: 1 },
  ]);
});
