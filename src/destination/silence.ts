/**
 * Notices that nobody works on a request any more although its connection stands: the server has stopped without a
 * word, or a router between has forgotten the connection. How long a request takes says nothing (a reconcile over
 * everything may take an hour), so while one is silent the server is asked, over another connection, whether it still
 * runs it. Twice no, or no answer at all, and the request is given up.
 */

/** How to watch. */
export interface Watch {
  /** Time between two looks, and the time to answer one, ms. */
  readonly quietMs: number;
  /** Whether the server still runs the request. Rejects when it does not answer. */
  readonly isRunning: (signal: AbortSignal) => Promise<boolean>;
  /** Called once, when nobody works on the request any more. */
  readonly giveUp: (silentMs: number) => void;
}

/** Looks in a row that find nothing: the answer may be under way while the first of them asks. */
const MISSES = 2;

/** Watches until it is disposed of. */
export class SilenceWatch implements Disposable {
  readonly #watch: Watch;
  readonly #startedAt = performance.now();
  readonly #end = new AbortController();
  #misses = 0;
  #timer: NodeJS.Timeout;

  constructor(watch: Watch) {
    this.#watch = watch;
    this.#timer = this.#later();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#end.abort();
  }

  #later(): NodeJS.Timeout {
    // It keeps no process alive: the request it watches does.
    return setTimeout(() => void this.#look(), this.#watch.quietMs).unref();
  }

  async #look(): Promise<void> {
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(this.#watch.quietMs)]);
    const runs = await this.#watch.isRunning(signal).catch(() => false);
    if (this.#end.signal.aborted) return;
    this.#misses = runs ? 0 : this.#misses + 1;
    if (this.#misses < MISSES) this.#timer = this.#later();
    else this.#watch.giveUp(performance.now() - this.#startedAt);
  }
}
