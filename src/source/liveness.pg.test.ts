import { expect, test } from 'vitest';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { openDeafProxy } from '../../test/support/deaf-proxy.ts';
import { waitFor } from '../../test/support/wait.ts';
import { connectPostgres, endConnection, pgRows } from './connection.ts';
import { copyOut } from './copy-out.ts';
import { watchSession } from './liveness.ts';

const SILENT_MS = 300;

test('GIVEN a COPY WHEN its connection falls silent without ending THEN it fails, as with a lost connection', async () => {
  await using pg = await temporaryPostgres();
  using proxy = await openDeafProxy(pg.url);
  const client = await connectPostgres(proxy.url);
  watchSession(client, pg.url, SILENT_MS);
  let frames = 0;
  const copying = copyOut(
    client,
    'COPY (SELECT repeat(i::text, 100000) FROM generate_series(1, 1000) i) TO STDOUT',
    () => {
      frames++;
      proxy.silence();
    },
  );
  await expect(copying).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' });
  expect(frames).toBeGreaterThan(0);
});

test('GIVEN a server that never gets a statement THEN it fails', async () => {
  await using pg = await temporaryPostgres();
  using proxy = await openDeafProxy(pg.url);
  const client = await connectPostgres(proxy.url);
  watchSession(client, pg.url, SILENT_MS);
  proxy.silence();
  await expect(pgRows(client, 'SELECT 1')).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' });
});

test('GIVEN a statement that waits for a lock for long THEN it is left alone', async () => {
  await using pg = await temporaryPostgres();
  await pg.client.query('CREATE TABLE item (id int)');
  const [client, blocker] = [await connectPostgres(pg.url), await connectPostgres(pg.url)];
  await blocker.query('BEGIN; LOCK TABLE item');
  watchSession(client, pg.url, SILENT_MS);
  const waiting = pgRows(client, 'SELECT count(*) AS n FROM item');
  const looks = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'millrace watch'";
  // It is looked up again and again: seen once is enough, the lock goes on.
  await waitFor(async () => Number((await pgRows(pg.client, looks))[0]?.['n']) > 0, {
    what: 'the session to be looked up',
  });
  await waitFor(async () => Number((await pgRows(pg.client, looks))[0]?.['n']) === 0, { what: 'that to end' });
  await blocker.query('COMMIT');
  expect(await waiting).toEqual([{ n: '0' }]);
  await Promise.all([client, blocker].map(endConnection));
});
