/** Rules that change between two starts: what is in the copy already is copied anew by the new ones. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { temporaryClickHouse, temporaryPostgres, type TemporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { tableState } from './support/tables.ts';

type Rules = NonNullable<Parameters<typeof startPipeline>[2]>;

async function rows(ch: TemporaryClickHouse, columns: string, table = 't'): Promise<string[]> {
  const found = await ch.client.rows(`SELECT ${columns} FROM ${ch.database}.${table}_current ORDER BY ALL`);
  return found.map((row) => Object.values(row).map(String).join(' '));
}

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, name text); ALTER TABLE t REPLICA IDENTITY FULL;
  INSERT INTO t SELECT i, i, 'secret ' || i FROM generate_series(1, 4) i; CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)`;

const CASES: Readonly<Record<string, { from?: object; to: object; columns: string; rows: string[]; target?: string }>> = {
  'a mask': { to: { columns: { name: { mask: 'truncate(1)' } } }, columns: 'id, n, name', rows: ['1 10 s', '3 3 s', '4 4 s', '5 5 s'] },
  'an exclusion': { to: { columns: { name: { exclude: true } } }, columns: '*', rows: ['1 10', '3 3', '4 4', '5 5'] },
  'no exclusion any more': { from: { columns: { name: { exclude: true } } }, to: {}, columns: '*', rows: ['1 10 secret 1', '3 3 secret 3', '4 4 secret 4', '5 5 secret 5'] },
  'another filter': { from: { where: 'n < 4' }, to: { where: 'n > 3' }, columns: 'id, n', rows: ['1 10', '4 4', '5 5'] },
  'a sorting key': { to: { orderBy: 'n' }, columns: 'id, n', rows: ['1 10', '3 3', '4 4', '5 5'] },
  'soft deletes': { to: { onDelete: 'soft' }, columns: 'id, _deleted_at IS NULL', rows: ['1 1', '3 1', '4 1', '5 1'] },
  'a name': { to: { target: 'renamed' }, columns: 'id, n', rows: ['1 10', '3 3', '4 4', '5 5'], target: 'renamed' },
}; // prettier-ignore

test.each(Object.entries(CASES))(
  'GIVEN %s since the last start THEN the table is built anew by the new rules, and the others are left alone',
  async (_, { from = {}, to, columns, rows: expected, target = 't' }) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(TABLE);
    const rulesOf = (rule: object): Rules => ({ tables: [{ match: 'public.t', ...rule }] });
    const first = startPipeline(pg, ch, rulesOf(from));
    await first.caughtUp();
    await first.stop();
    const other = await tableState(pg, ch, 'public.other');
    await pg.client.query(
      "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (5, 5, 'secret 5'); UPDATE t SET n = 10 WHERE id = 1",
    );
    await using second = startPipeline(pg, ch, rulesOf(to));
    await second.caughtUp();
    await expect.poll(async () => (await tableState(pg, ch, 'public.t')).building, { timeout: 30_000 }).toBe(false);
    await second.caughtUp();
    expect(await rows(ch, columns, target)).toEqual(expected);
    await pg.client.query('UPDATE t SET n = n + 100 WHERE id = 3; INSERT INTO other VALUES (2)');
    await second.caughtUp();
    expect((await rows(ch, columns, target)).length).toBeGreaterThanOrEqual(expected.length);
    expect(await tableState(pg, ch, 'public.other')).toEqual(other);
    expect(await tableDifferences(pg, ch, 'other')).toEqual([]);
  },
);

test('GIVEN a copy that keeps deleted rows WHEN a mask comes THEN its table is quarantined, as they cannot be read again', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(TABLE);
  const first = startPipeline(pg, ch, { tables: [{ match: 'public.t', onDelete: 'keep' }] });
  await first.caughtUp();
  await first.stop();
  const masked = { match: 'public.t', onDelete: 'keep' as const, columns: { name: { mask: 'null' as const } } };
  await using second = startPipeline(pg, ch, { tables: [masked] });
  await second.caughtUp();
  expect(await tableState(pg, ch, 'public.t')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringMatching(/rules.*deleted, which cannot be copied anew/) as string,
  });
});
