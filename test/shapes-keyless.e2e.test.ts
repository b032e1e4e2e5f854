/** Tables without a key: copied as multisets, exact through crashes, replays and loads. */
import { expect, test } from 'vitest';
import { openProxy } from '../src/chaos/proxy.ts';
import { openSession } from './schemas/traffic.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { applied, startPipeline } from './support/pipeline.ts';
import { followShapes, inPublic, pairDifferences, expectEqualAfterDeath } from './support/shape-copy.ts';
import { tableState } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

/** Rows that are equal to others, rows of nothing but NULL, values out of line. */
const TABLES = `
  CREATE TABLE audit (at timestamp, who text, what text);
  CREATE TABLE tally (n int, note text, big text); ALTER TABLE tally REPLICA IDENTITY FULL; ALTER TABLE tally ALTER big SET STORAGE EXTERNAL;
  CREATE TABLE later (id int, spot int, PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED); ALTER TABLE later REPLICA IDENTITY FULL;
  INSERT INTO audit SELECT '2026-01-01'::timestamp + make_interval(secs => i % 50), CASE WHEN i % 3 > 0 THEN 'w' || i % 3 END, NULL FROM generate_series(1, 500) i;
  INSERT INTO tally SELECT i % 10, CASE WHEN i % 4 > 0 THEN 'n' || i % 4 END, CASE WHEN i % 5 > 0 THEN repeat(md5((i % 5)::text), 100) END FROM generate_series(1, 500) i;
  INSERT INTO tally SELECT NULL FROM generate_series(1, 7); INSERT INTO later SELECT i, i FROM generate_series(1, 30) i`;
const ALL = ['audit', 'tally', 'later'].map(inPublic);

test('GIVEN tables without a key WHEN rows come, change, go and are truncated THEN each row is there as often as in the source', async () => {
  await using copy = await followShapes(TABLES, ALL);
  await copy.change(
    'INSERT INTO audit SELECT * FROM audit LIMIT 50; INSERT INTO audit VALUES (NULL, NULL, NULL), (NULL, NULL, NULL)',
  );
  await expect(copy.pg.client.query('DELETE FROM audit')).rejects.toThrow(/replica identity/);
  await copy.change(
    `UPDATE tally SET n = n + 1 WHERE n % 2 = 0; UPDATE tally SET note = 'x' WHERE ctid = (SELECT min(ctid) FROM tally WHERE n = 3); DELETE FROM tally WHERE n = 5`,
  );
  await copy.change(
    'DELETE FROM tally WHERE n IS NULL AND ctid <> (SELECT min(ctid) FROM tally WHERE n IS NULL); UPDATE tally SET big = NULL WHERE n = 7',
  );
  await copy.change(
    'BEGIN; UPDATE later SET id = 31 - id; UPDATE later SET spot = -spot WHERE id > 20; DELETE FROM later WHERE id = 3; INSERT INTO later VALUES (3, 3); COMMIT',
  );
  await copy.change(`BEGIN; INSERT INTO tally VALUES (1, 'before', NULL); TRUNCATE tally, audit; INSERT INTO tally VALUES (2, 'after', NULL), (2, 'after', NULL);
    UPDATE tally SET n = 3 WHERE ctid = '(0,1)'; INSERT INTO audit VALUES (now(), 'a', 'b'); COMMIT`); // prettier-ignore
  await copy.change(
    'INSERT INTO tally SELECT i % 2 FROM generate_series(1, 100) i; DELETE FROM tally WHERE n = 1; TRUNCATE later',
  );
});

test('GIVEN a load of tables without a key WHEN changes and truncates come before, during and behind the snapshot THEN source and copy are equal', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(TABLES);
  const hold = proxy.hold('FROM ONLY "public"."tally"');
  const first = startPipeline(pg, ch, { postgresUrl: proxy.url, loadConnections: 1 });
  await hold.reached();
  // Behind the snapshot that is held: streamed, and not in what is read.
  await pg.client.query(
    `INSERT INTO tally SELECT 77 FROM generate_series(1, 20); DELETE FROM tally WHERE n = 2; UPDATE tally SET note = 'late' WHERE n = 4`,
  );
  await applied(first, pg);
  hold.release();
  await first.caughtUp();
  for (const pair of ALL) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
  expect((await tableState(pg, ch, 'public.tally')).fromLsn).toBeGreaterThan(0n);
  await first.stop();
});

test('GIVEN a load of a table without a key WHEN it is truncated while it is read, and the process ends before it is live THEN it is read anew and equal', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(pg.url);
  await pg.client.query(TABLES);
  const hold = proxy.hold('FROM ONLY "public"."tally"');
  const first = startPipeline(pg, ch, { postgresUrl: proxy.url });
  await hold.reached();
  await pg.client.query(`INSERT INTO tally VALUES (123, 'twice', NULL), (123, 'twice', NULL)`);
  await applied(first, pg);
  await first.stop();
  hold.release();
  await pg.client.query(`DELETE FROM tally WHERE n = 8; INSERT INTO tally VALUES (124, 'x', NULL)`);
  const again = proxy.hold('FROM ONLY "public"."tally"');
  const second = startPipeline(pg, ch, { postgresUrl: proxy.url });
  await again.reached();
  const truncating = pg.client.query(`TRUNCATE tally; INSERT INTO tally SELECT 9 FROM generate_series(1, 30)`);
  again.release();
  await truncating;
  await second.caughtUp();
  expect(await pairDifferences(pg, ch, inPublic('tally'))).toEqual([]);
  await second.stop();
});

/** Each row of it twice or more, in pieces; may be repeated. */
const CHANGES = `BEGIN; INSERT INTO tally SELECT i % 7, 'c', repeat('x', 300) FROM generate_series(1, 600) i; UPDATE tally SET n = n + 1 WHERE n < 4;
  DELETE FROM tally WHERE ctid IN (SELECT ctid FROM tally WHERE n = 6 LIMIT 100); INSERT INTO audit SELECT now(), 'w', 'x' FROM generate_series(1, 20); COMMIT;
  BEGIN; UPDATE later SET id = 1000 - id; COMMIT; BEGIN; DELETE FROM tally WHERE n = 5; TRUNCATE later; INSERT INTO later SELECT i, i FROM generate_series(1, 20) i; COMMIT`;

test.each(['partly-landed:2', 'truncated:1', 'stored:2', 'chunk-landed:2', 'catching-up-stored:2'])(
  'GIVEN tables without a key WHEN the process dies at %s THEN nothing counts twice or is lost',
  async (death) => await expectEqualAfterDeath(death, { tables: TABLES, changes: CHANGES, pairs: ALL }),
  120_000,
);

test('GIVEN a table without a key that is built anew beside WHEN rows come before its snapshot THEN each is there as often as in the source', async () => {
  await using copy = await followShapes(TABLES, ALL);
  const { pg, ch } = copy;
  const other = await openSession(pg.url);
  try {
    // The load waits for it, and so does the snapshot.
    await other.query('BEGIN; INSERT INTO later VALUES (500, 500)');
    await pg.client.query('ALTER TABLE audit ALTER COLUMN at TYPE text USING at::date::text');
    await waitFor(async () => (await tableState(pg, ch, 'public.audit')).building, { what: 'audit to be built anew' });
    await pg.client.query("INSERT INTO audit SELECT 'streamed', 'w' || i % 3 FROM generate_series(1, 50) i");
    await applied(copy.pipeline, pg);
    expect((await tableState(pg, ch, 'public.audit')).phase).toBe('waiting');
    await other.query('COMMIT');
  } finally {
    await other.end();
  }
  await copy.pipeline.caughtUp();
  await copy.expectEqual('built anew');
});
