/**
 * A TCP proxy before a server, in this process: holds a connection at a chosen request, loses answers, cuts
 * connections, and has weather.
 *
 *   client ─► [count, lose, hold, rewrite] ─► lane ─► server
 *   client ◄─────────────────────────────── lane ◄─ server
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lane, type Weather } from './lane.ts';

/** Connections that stopped at a request with a certain text in it. */
export interface Hold {
  /** Resolves when some client has sent the text; the server has not got it. Throws after 30 s. */
  reached(): Promise<void>;
  /** Lets what was held go on; nothing is held for this text any more. */
  release(): void;
}

/** An answer to be lost. */
export interface Loss {
  /** How many were: 0 or 1. */
  count(): number;
  /** None is lost any more. Returns how many were. */
  end(): number;
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
  /** First lines of the requests that contain the text, from now on. */
  heads(text: string): () => readonly string[];
  /** The next request that contains the text is served, and its answer lost with the connection. */
  loseAnswer(text: string): Loss;
  /** Cuts all connections; new ones are served. */
  cut(): void;
  /** From now on the network is like this, for connections there are and those to come. Back to `clear` ends it. */
  setWeather(weather: Weather): void;
  /** New connections are ended at once, as where nobody listens. */
  setRefusing(isRefusing: boolean): void;
  /**
   * Puts a setting into every HTTP request that is a POST: `max_memory_usage=1000`; null ends it. Returns how many
   * requests have got it so far.
   */
  setForced(setting: string | null): () => number;
}

interface Held {
  readonly text: string;
  hits: number;
  readonly resume: (() => void)[];
}

interface Counter {
  readonly text: string;
  hits: number;
}

/** What applies to all connections of a proxy. */
interface Wire {
  readonly losses: Set<Counter>;
  readonly holds: Set<Held>;
  readonly counts: Set<Counter>;
  readonly heads: Set<{ readonly text: string; readonly lines: string[] }>;
  readonly sockets: Set<Socket>;
  readonly pairs: Set<Pair>;
  weather: Weather;
  forced: Counter | null;
  isRefusing: boolean;
  accepted: number;
}

/** How long {@link Hold.reached} waits, ms. */
const REACH_MS = 30_000;
const POLL_MS = 10;
const POST = 'POST /?';
const VERSION = ' HTTP/1.1\r\n';

/** Opens a proxy before the server of a URL (`postgres:` or `http:`). */
export async function openProxy(target: string): Promise<Proxy> {
  const url = new URL(target);
  const wire: Wire = {
    losses: new Set(),
    holds: new Set(),
    counts: new Set(),
    heads: new Set(),
    sockets: new Set(),
    pairs: new Set(),
    weather: { kind: 'clear' },
    forced: null,
    isRefusing: false,
    accepted: 0,
  };
  const { hostname } = url;
  const port = Number(url.port);
  const server = createServer((client) => {
    wire.accepted++;
    // A reset of a connection that is refused is nobody's concern.
    if (wire.isRefusing) client.on('error', () => client.destroy()).destroy();
    else new Pair(client, connect(port, hostname), wire).join();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return proxyOf(server, url.toString(), wire);
}

function proxyOf(server: Server, url: string, wire: Wire): Proxy {
  const cut = (): void => wire.sockets.forEach((socket) => socket.destroy());
  const counter = (text: string, into: Set<Counter>): (() => number) => {
    const entry = { text, hits: 0 };
    into.add(entry);
    return () => entry.hits;
  };
  return {
    url,
    get accepted() {
      return wire.accepted;
    },
    hold: (text) => holdAt(text, wire.holds),
    count: (text) => counter(text, wire.counts),
    heads: (text) => {
      const entry = { text, lines: [] };
      wire.heads.add(entry);
      return () => entry.lines;
    },
    loseAnswer: (text) => {
      const loss = { text, hits: 0 };
      wire.losses.add(loss);
      return {
        count: () => loss.hits,
        end: () => {
          wire.losses.delete(loss);
          return loss.hits;
        },
      };
    },
    cut,
    setWeather: (weather) => {
      wire.weather = weather;
      for (const pair of wire.pairs) pair.onWeather();
    },
    setRefusing: (isRefusing) => {
      wire.isRefusing = isRefusing;
    },
    setForced: (setting) => {
      const forced = setting === null ? null : { text: setting, hits: 0 };
      wire.forced = forced;
      return () => forced?.hits ?? 0;
    },
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
    reached: async () => {
      const deadline = performance.now() + REACH_MS;
      while (held.hits === 0) {
        if (performance.now() > deadline) throw new Error(`timed out waiting for a client to send “${text}”`);
        await sleep(POLL_MS);
      }
    },
    release: () => {
      holds.delete(held);
      for (const resume of held.resume.splice(0)) resume();
    },
  };
}

/**
 * One connection: passes bytes both ways; the client's bytes are looked through for what is held. When a client
 * gives up a request that is held, the server gets it all the same on release, as it may on a slow network.
 */
class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #wire: Wire;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #waiting: Buffer[] = [];
  #isHeld = false;
  #isLosing = false;

  constructor(client: Socket, server: Socket, wire: Wire) {
    this.#client = client;
    this.#server = server;
    this.#wire = wire;
    this.#up = new Lane(client, server, () => wire.weather);
    this.#down = new Lane(server, client, () => wire.weather);
  }

  join(): void {
    const [client, server, wire] = [this.#client, this.#server, this.#wire];
    wire.pairs.add(this);
    client.on('data', (bytes: Buffer) => this.#onRequest(bytes));
    server.on('data', (bytes: Buffer) => this.#onAnswer(bytes));
    client.on('close', () => {
      wire.sockets.delete(client);
      if (!this.#isHeld) this.#up.end();
      this.#forget();
    });
    server.on('close', () => {
      wire.sockets.delete(server);
      this.#down.end();
      this.#forget();
    });
    for (const socket of [client, server]) {
      wire.sockets.add(socket);
      // A connection that is cut ends with ECONNRESET on either side: that is what is wanted here.
      socket.on('error', () => socket.destroy());
    }
  }

  /** Whoever lost bytes is cut when the weather clears; what waited goes on, even if its sender is dead by now. */
  onWeather(): void {
    const isSilent = this.#wire.weather.kind === 'silent';
    const isBroken = this.#up.hasLost || this.#down.hasLost;
    if (!isSilent && isBroken) {
      this.#client.destroy();
      this.#server.destroy();
      return;
    }
    this.#up.go();
    this.#down.go();
  }

  #forget(): void {
    if (this.#client.destroyed && this.#server.destroyed) this.#wire.pairs.delete(this);
  }

  #onRequest(bytes: Buffer): void {
    const { losses, counts } = this.#wire;
    const loss = [...losses].find(({ text, hits }) => hits === 0 && bytes.includes(text));
    if (loss !== undefined) {
      loss.hits++;
      this.#isLosing = true;
    }
    for (const counter of counts) if (bytes.includes(counter.text)) counter.hits++;
    for (const { text, lines } of this.#wire.heads)
      if (bytes.includes(text)) lines.push(bytes.toString('latin1', 0, Math.max(0, bytes.indexOf('\r'))));
    this.#waiting.push(this.#forced(bytes));
    this.#drain();
  }

  #onAnswer(bytes: Buffer): void {
    if (this.#isLosing) this.#client.destroy();
    else this.#down.send(bytes);
  }

  /** The bytes with the forced setting last in the request line, if a request begins here: it wins over one sent before. */
  #forced(bytes: Buffer): Buffer {
    const { forced } = this.#wire;
    if (forced === null || !bytes.subarray(0, POST.length).equals(Buffer.from(POST))) return bytes;
    const end = bytes.indexOf(VERSION);
    if (end < 0) return bytes;
    forced.hits++;
    return Buffer.concat([bytes.subarray(0, end), Buffer.from(`&${forced.text}`), bytes.subarray(end)]);
  }

  #drain(): void {
    for (;;) {
      const next = this.#isHeld ? undefined : this.#waiting.shift();
      if (next === undefined) return;
      const hold = [...this.#wire.holds].find(({ text }) => next.includes(text));
      if (hold === undefined) this.#up.send(next);
      else this.#holdBack(hold, next);
    }
  }

  #holdBack(hold: Held, bytes: Buffer): void {
    this.#isHeld = true;
    hold.hits++;
    hold.resume.push(() => {
      this.#isHeld = false;
      this.#up.send(bytes);
      this.#drain();
      if (this.#client.destroyed) this.#up.end();
    });
  }
}

/** Text of a checkpoint with nothing to reconcile: of the one that is stored after a batch, not of its plan. */
export const STORED_STATE = '"dirty":"{\\"all\\":false,\\"impressions\\":[],\\"clicks\\":[],\\"repriced\\":[]}"';
