/**
 * The sessions that tables are read with: so many for all tables together. Who wants one waits for its turn, in the order
 * of asking, so a large table that is left alone gets all of them, and small ones are read side by side.
 */
import { setMaxListeners } from 'node:events';
import { LoadConnection } from './load-connection.ts';

type Taker = (connection: LoadConnection) => void;

/** A bounded number of sessions, opened when they are first needed and kept from table to table. */
export class LoadSessions implements AsyncDisposable {
  readonly #all: readonly LoadConnection[];
  readonly #idle: LoadConnection[];
  readonly #waiting = new Set<Taker>();
  #lastAlone: Promise<unknown> = Promise.resolve();

  /** @param options `signal` drops them all. */
  constructor(url: string, { connections, signal }: { connections: number; signal: AbortSignal }) {
    this.#all = Array.from({ length: connections }, () => new LoadConnection(url, signal));
    this.#idle = [...this.#all];
  }

  /**
   * Works with one of them alone; what fails costs its connection, as nobody knows what state it is in.
   *
   * @param signal Ends the waiting for a turn; not the work.
   */
  async use<T>(signal: AbortSignal, work: (connection: LoadConnection) => Promise<T>): Promise<T> {
    const connection = this.#idle.pop() ?? (await this.#turn(signal));
    try {
      signal.throwIfAborted();
      return await work(connection);
    } catch (error) {
      await connection.close();
      throw error;
    } finally {
      this.#pass(connection);
    }
  }

  /** Does something that only one reader at a time may do, in the order of asking. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastAlone.then(work);
    this.#lastAlone = turn.catch(() => undefined);
    return await turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((connection) => connection.close()));
  }

  async #turn(signal: AbortSignal): Promise<LoadConnection> {
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(take);
        reject(signal.reason as Error);
      };
      const take: Taker = (connection) => {
        signal.removeEventListener('abort', onAbort);
        resolve(connection);
      };
      this.#waiting.add(take);
      // One listener per reader that waits: more than ten are no leak.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #pass(connection: LoadConnection): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#idle.push(connection);
    else {
      this.#waiting.delete(next);
      next(connection);
    }
  }
}
