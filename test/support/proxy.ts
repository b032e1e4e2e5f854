/** A TCP proxy before a server, in this process: holds a connection at a chosen request, or cuts them all. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { waitFor } from './wait.ts';

/** Connections that stopped at a request with a certain text in it. */
export interface Hold {
  /** Resolves when some client has sent the text; the server has not got it. */
  reached(): Promise<void>;
  /** Lets what was held go on; nothing is held for this text any more. */
  release(): void;
}

/** A running proxy. */
export interface Proxy extends AsyncDisposable {
  /** The server's URL, with this proxy in its place. */
  readonly url: string;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Holds every connection whose client sends bytes that contain the text, from these bytes on. */
  hold(text: string): Hold;
  /** Counts the requests that contain the text, from now on. */
  count(text: string): () => number;
  /** The next request that contains the text is served, and its answer lost with the connection. Tells how many were. */
  loseAnswer(text: string): () => number;
  /** Cuts all connections; new ones are served. */
  cut(): void;
}

interface Held {
  readonly text: string;
  hits: number;
  readonly resume: (() => void)[];
}

interface Loss {
  readonly text: string;
  hits: number;
}

interface Wire {
  readonly losses: Set<Loss>;
  readonly holds: Set<Held>;
  readonly counts: Set<{ readonly text: string; hits: number }>;
  readonly sockets: Set<Socket>;
}

/** Opens a proxy before the server of a URL (`postgres:` or `http:`). */
export async function openProxy(target: string): Promise<Proxy> {
  const url = new URL(target);
  const port = Number(url.port);
  const host = url.hostname;
  const wire: Wire = { losses: new Set(), holds: new Set(), counts: new Set(), sockets: new Set() };
  let accepted = 0;
  const server = createServer((client) => {
    accepted++;
    join(client, connect(port, host), wire);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const cut = (): void => wire.sockets.forEach((socket) => socket.destroy());
  return {
    url: url.toString(),
    get accepted() {
      return accepted;
    },
    hold: (text) => holdAt(text, wire.holds),
    count: (text) => {
      const counter = { text, hits: 0 };
      wire.counts.add(counter);
      return () => counter.hits;
    },
    loseAnswer: (text) => {
      const loss: Loss = { text, hits: 0 };
      wire.losses.add(loss);
      return () => loss.hits;
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}

function holdAt(text: string, holds: Set<Held>): Hold {
  const held: Held = { text, hits: 0, resume: [] };
  holds.add(held);
  return {
    reached: async () => void (await waitFor(() => held.hits > 0, { what: `a client to send “${text}”` })),
    release: () => {
      holds.delete(held);
      for (const resume of held.resume.splice(0)) resume();
    },
  };
}

/**
 * Passes bytes both ways; the client's bytes are looked through for what is held. When a client gives up a
 * request that is held, the server gets it all the same on release, as it may on a slow network.
 */
function join(client: Socket, server: Socket, wire: Wire): void {
  let isHeld = false;
  let isLosing = false;
  const waiting: Buffer[] = [];
  const forward = (bytes: Buffer): void => {
    const loss = [...wire.losses].find(({ text, hits }) => hits === 0 && bytes.includes(text));
    if (loss !== undefined) {
      loss.hits++;
      isLosing = true;
    }
    for (const counter of wire.counts) if (bytes.includes(counter.text)) counter.hits++;
    waiting.push(bytes);
    drain();
  };
  const drain = (): void => {
    for (;;) {
      const next = isHeld ? undefined : waiting.shift();
      if (next === undefined) return;
      const hold = [...wire.holds].find(({ text }) => next.includes(text));
      if (hold === undefined) server.write(next);
      else holdBack(hold, next);
    }
  };
  const holdBack = (hold: Held, bytes: Buffer): void => {
    isHeld = true;
    hold.hits++;
    hold.resume.push(() => {
      isHeld = false;
      server.write(bytes);
      drain();
      if (client.destroyed) server.end();
    });
  };
  client.on('data', forward);
  server.on('data', (bytes: Buffer) => {
    if (isLosing) client.destroy();
    else client.write(bytes);
  });
  client.on('close', () => {
    wire.sockets.delete(client);
    if (!isHeld) server.end();
  });
  server.on('close', () => {
    wire.sockets.delete(server);
    client.destroy();
  });
  for (const socket of [client, server]) {
    wire.sockets.add(socket);
    // A connection that is cut ends with ECONNRESET on either side: that is what is wanted here.
    socket.on('error', () => socket.destroy());
  }
}

/** Text of a checkpoint with nothing to reconcile: of the one that is stored after a batch, not of its plan. */
export const STORED_STATE = '"dirty":"{\\"all\\":false,\\"impressions\\":[],\\"clicks\\":[],\\"repriced\\":[]}"';
