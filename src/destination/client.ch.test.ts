/** What becomes of a statement whose answer breaks off, stays out, or is not wanted any more. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { openProxy } from '../chaos/proxy.ts';
import { waitFor } from '../../test/support/wait.ts';
import { ClickHouse } from './client.ts';

/** Fails at its last row, when the rows before have long left the server's buffers. */
const BREAKS_OFF = 'SELECT throwIf(number = 3000000) FROM numbers(3000001)';

/** A server that says this to every request, and then nothing more. */
async function serverThatSays(text: string): Promise<AsyncDisposable & { url: string; said: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  let isSaid = false;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', () => socket.write(text, () => (isSaid = true)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    said: async () => {
      await waitFor(() => isSaid, { what: 'the answer to begin' });
      // What is written has arrived in a few turns of the loop: both ends are in this process.
      for (let turn = 0; turn < 20; turn++) await nextTurn();
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

const HALF_AN_ANSWER = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n';

test('rows that end in an error are an error, in every form', async () => {
  await using clickhouse = new ClickHouse(inject('clickhouseUrl'));
  const failure = { code: 'CLICKHOUSE_FAILED', details: { clickhouseCode: '395' } };
  await expect(clickhouse.rows(BREAKS_OFF)).rejects.toMatchObject(failure);
  await expect(clickhouse.bytes(`${BREAKS_OFF} FORMAT Native`)).rejects.toMatchObject(failure);
  await expect(clickhouse.command(BREAKS_OFF)).rejects.toMatchObject(failure);
});

test('a statement whose signal was aborted before is not sent', async () => {
  await using proxy = await openProxy(inject('clickhouseUrl'));
  const sent = proxy.count('SELECT 4711');
  await using clickhouse = new ClickHouse(proxy.url);
  await expect(clickhouse.rows('SELECT 4711', { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  });
  expect(sent()).toBe(0);
});

test.each(['its own', 'the owner’s'])('%s signal ends a statement in the middle of its answer', async (whose) => {
  await using server = await serverThatSays(HALF_AN_ANSWER);
  const controller = new AbortController();
  await using clickhouse = new ClickHouse(server.url, whose === 'its own' ? {} : { signal: controller.signal });
  const asked = clickhouse.rows('SELECT 1', whose === 'its own' ? { signal: controller.signal } : {});
  asked.catch(() => undefined);
  await server.said();
  controller.abort();
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
});

test.each([
  ['says nothing', ''],
  ['stops in the middle of its answer', HALF_AN_ANSWER],
])('a server that %s is given up', async (_, text) => {
  await using server = await serverThatSays(text);
  await using clickhouse = new ClickHouse(server.url, { quietMs: 50 });
  await expect(clickhouse.command('SELECT 1')).rejects.toMatchObject({ code: 'CLICKHOUSE_UNREACHABLE' });
});

test('a request that the server does not know is given up, though the server answers', async () => {
  await using proxy = await openProxy(inject('clickhouseUrl'));
  proxy.hold('numbers(4711)');
  await using clickhouse = new ClickHouse(proxy.url, { quietMs: 200 });
  await expect(clickhouse.rows('SELECT * FROM numbers(4711)')).rejects.toMatchObject({
    code: 'CLICKHOUSE_UNREACHABLE',
  });
});

test('a statement that the server works on is waited for, however long it is silent', async () => {
  await using proxy = await openProxy(inject('clickhouseUrl'));
  const looks = proxy.count('system.processes');
  await using clickhouse = new ClickHouse(proxy.url, { quietMs: 150 });
  expect(await clickhouse.rows('SELECT sleep(3) AS slept')).toEqual([{ slept: 0 }]);
  expect(looks()).toBeGreaterThan(3);
});

test('an insert of which the server has not got all is waited for while the rest comes', async () => {
  await using clickhouse = new ClickHouse(inject('clickhouseUrl'), { quietMs: 100 });
  const body = async function* (): AsyncGenerator<Buffer> {
    for (let i = 0; i < 8; i++) {
      yield Buffer.from(`${i}\n`.repeat(100_000));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await clickhouse.insert("INSERT INTO FUNCTION null('x UInt8') FORMAT TSV", body());
});

test('every statement asks for free disk space before it writes', async () => {
  await using clickhouse = new ClickHouse(inject('clickhouseUrl'));
  const [row] = await clickhouse.rows<{ bytes: string }>(
    "SELECT toString(getSetting('min_free_disk_bytes_to_perform_insert')) AS bytes",
  );
  expect(row?.bytes).toBe(String(128 * 1024 * 1024));
});
