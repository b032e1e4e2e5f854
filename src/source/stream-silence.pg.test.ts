import { expect, test } from 'vitest';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { openDeafProxy } from '../../test/support/deaf-proxy.ts';
import { recordingSink } from '../../test/support/recording-sink.ts';
import { waitFor } from '../../test/support/wait.ts';
import { ensurePublication } from './publication.ts';
import { createSlot } from './slot.ts';
import { openStream } from './stream.ts';

async function streamBehindProxy(url: string, client: Parameters<typeof createSlot>[0], name: string) {
  const sink = recordingSink();
  await createSlot(client, name);
  const stream = await openStream({ url, slot: name, publication: name, startLsn: 0n, sink });
  return { sink, stream };
}

test('GIVEN a server that falls silent THEN the stream ends with STREAM_ENDED', async () => {
  await using pg = await temporaryPostgres();
  using proxy = await openDeafProxy(pg.url);
  const name = `silent_${process.pid}`;
  await ensurePublication(pg.client, name, []);
  await pg.client.query(`ALTER DATABASE ${pg.database} SET wal_sender_timeout = '500ms'`);
  const { stream } = await streamBehindProxy(proxy.url, pg.client, name);
  proxy.silence();
  expect(await stream.closed).toMatchObject({ code: 'STREAM_ENDED' });
});

test('GIVEN a live but idle server THEN the watchdog leaves the stream alone', async () => {
  await using pg = await temporaryPostgres();
  const name = `idle_${process.pid}`;
  await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
  await ensurePublication(pg.client, name, [{ schema: 'public', name: 'item' }]);
  await pg.client.query(`ALTER DATABASE ${pg.database} SET wal_sender_timeout = '500ms'`);
  const { stream, sink } = await streamBehindProxy(pg.url, pg.client, name);
  const openedAt = performance.now();
  await waitFor(() => performance.now() - openedAt > 3_000, { what: 'six timeouts to pass' });
  await pg.client.query('INSERT INTO item VALUES (1)');
  await waitFor(() => sink.commits.length === 1, { what: 'the change' });
  await stream.close();
});

test('GIVEN a server that falls silent WHEN closed THEN it ends all the same', async () => {
  await using pg = await temporaryPostgres();
  using proxy = await openDeafProxy(pg.url);
  const name = `gone_${process.pid}`;
  await ensurePublication(pg.client, name, []);
  const { stream } = await streamBehindProxy(proxy.url, pg.client, name);
  proxy.silence();
  await stream.close();
  expect(await stream.closed).toBeNull();
});
