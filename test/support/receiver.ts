/** A receiver of webhooks: a real HTTP server that can fail, stall and recover. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** One request as it came. */
export interface Received {
  readonly path: string;
  readonly key: string;
  readonly body: Record<string, unknown>;
}

/** The server. */
export interface TestReceiver extends AsyncDisposable {
  readonly url: string;
  /** Requests that were answered with success. */
  readonly taken: Received[];
  /** All requests that came to their end. */
  readonly seen: Received[];
  /** What it does with requests from now on: an HTTP status, or nothing at all. */
  behaviour: number | 'stall' | ((request: Received) => number | 'stall');
}

/** Starts one on a free port. Its URL holds a secret, as Slack's do. */
export async function startReceiver(): Promise<TestReceiver> {
  const stalled = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    void (async () => {
      const body = JSON.parse(await text(request)) as Record<string, unknown>;
      const received = { path: request.url ?? '', key: String(request.headers['idempotency-key']), body };
      receiver.seen.push(received);
      const { behaviour } = receiver;
      const status = typeof behaviour === 'function' ? behaviour(received) : behaviour;
      if (status === 'stall') return void stalled.add(response);
      if (status < 300) receiver.taken.push(received);
      response.writeHead(status).end('ok');
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: TestReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/s3cr3t-path?token=s3cr3t-token`,
    taken: [],
    seen: [],
    behaviour: 200,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return receiver;
}
