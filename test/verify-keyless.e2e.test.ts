/** `verify` of tables without a key: how often each row is there, on both sides. */
import { expect, test } from 'vitest';
import { verify } from '../src/verify/verify.ts';
import { ask } from './support/ask-tables.ts';
import { presentWriter } from './support/plant.ts';
import { followShapes, inPublic } from './support/shape-copy.ts';
import { verifyOptions } from './support/verification.ts';

const TABLES = `CREATE TABLE audit (at timestamp, who text, data jsonb);
  CREATE TABLE tally (n int, note text); ALTER TABLE tally REPLICA IDENTITY FULL;
  INSERT INTO audit SELECT '2026-01-01'::timestamp + make_interval(secs => i % 50), CASE WHEN i % 3 > 0 THEN 'w' || i % 3 END, '{"a": 1.50}' FROM generate_series(1, 500) i;
  INSERT INTO tally SELECT i % 10, CASE WHEN i % 4 > 0 THEN 'n' || i % 4 END FROM generate_series(1, 500) i; INSERT INTO tally SELECT NULL FROM generate_series(1, 7)`;

test('GIVEN tables without a key WHEN rows are too many or too few in the copy THEN verify names them, and a resync ends it', async () => {
  await using copy = await followShapes(TABLES, ['audit', 'tally'].map(inPublic));
  const { pg, ch } = copy;
  await copy.change(
    "INSERT INTO audit VALUES (NULL, NULL, NULL), (NULL, NULL, NULL); UPDATE tally SET n = 77 WHERE n = 3; DELETE FROM tally WHERE note = 'n1' AND n = 5",
  );
  const options = verifyOptions(pg, ch);
  expect(await verify(options)).toMatchObject({ verdict: 'equal', differing: 0 });
  const settings = await presentWriter(ch, pg.database);
  await ch.client.command(
    `INSERT INTO ${ch.database}.tally (n, note, _version, _ordinal, _sign) VALUES (77, 'n1', 1, 1, 1), (1, 'never', 1, 2, 1), (2, 'n2', 1, 3, -1)`,
    { settings },
  );
  const found = await verify(verifyOptions(pg, ch, { repair: true }));
  expect(found).toMatchObject({ verdict: 'different', differing: 3, repaired: 0 });
  const told = found.differences.map(({ table, kind, key, note }) => ({ table, kind, key, note }));
  const { rows } = await pg.client.query<{ one: string; two: string }>(
    `SELECT count(*) FILTER (WHERE n = 77 AND note = 'n1')::text AS one, count(*) FILTER (WHERE n = 2 AND note = 'n2')::text AS two FROM tally`,
  );
  const [one, two] = [Number(rows[0]?.one), Number(rows[0]?.two)];
  const noteOf = (source: number, copies: number): unknown =>
    expect.stringMatching(new RegExp(`^${source} × .*, ${copies} × .*millrace resync public\\.tally`));
  expect(told.toSorted((a, b) => (a.key.join('/') < b.key.join('/') ? -1 : 1))).toEqual([
    { table: 'public.tally', kind: 'extra', key: ['1', 'never'], note: noteOf(0, 1) },
    { table: 'public.tally', kind: 'missing', key: ['2', 'n2'], note: noteOf(two, two - 1) },
    { table: 'public.tally', kind: 'extra', key: ['77', 'n1'], note: noteOf(one, one + 1) },
  ]);
  expect(await ask(pg, ch, 'resync', ['public.tally'])).toMatchObject({ status: 'done' });
  await copy.pipeline.caughtUp();
  await copy.expectEqual('loaded anew');
  expect(await verify(options)).toMatchObject({ verdict: 'equal', differing: 0 });
});
