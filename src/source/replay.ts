/**
 * Keeps the order of commits while a spooled transaction is replayed: whatever was read from the socket behind its
 * commit waits here, undecoded, and the socket is held (so it is at most one read).
 */

/** How a replay goes. */
export interface ReplayOptions {
  /** Asked before anything is delivered, which waits for it. False ends the replay where it is. */
  readonly goOn: () => Promise<boolean>;
  /** A part has been delivered. */
  readonly onPart: () => void;
}

/** What lies on our disk and comes before what the server sends next. */
export interface Replayable {
  /** Delivers it, part by part. @returns False when `goOn` has ended it. */
  replay(options: ReplayOptions): Promise<boolean>;
  /** It is over, however it ended. */
  close(): void;
}

/** What a replay means for the stream. */
export interface ReplayHandler {
  /** A part has been delivered: a good moment to decide about flushing and pausing. */
  onPart(): void;
  /** Decodes frames that waited; may begin the next replay, and then hands back the rest by {@link Replay.wait}. */
  onFrames(bytes: Buffer, start: number, end: number): void;
  /** Nothing waits any more: the socket may flow. */
  onDone(): void;
  onError(error: unknown): void;
}

/** Replays one thing at a time. */
export class Replay {
  /** True from its begin until everything has been delivered. */
  isRunning = false;
  readonly #handler: ReplayHandler;
  #waiting: Buffer[] = [];
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isPaused = false;
  #wake: () => void = () => undefined;

  constructor(handler: ReplayHandler) {
    this.#handler = handler;
  }

  /** Begins. */
  begin(what: Replayable): void {
    this.isRunning = true;
    this.#running = this.#run(what);
  }

  /** Keeps a copy of frames for later; those that have waited before go to the front again. */
  wait(bytes: Buffer, start: number, end: number, where: 'front' | 'end'): void {
    if (start === end) return;
    const copy = Buffer.from(bytes.subarray(start, end));
    if (where === 'front') this.#waiting.unshift(copy);
    else this.#waiting.push(copy);
  }

  /** Delivers nothing more until {@link resume}. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Goes on. */
  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  /** Ends what runs, wherever it is. Resolves when nothing reaches the sink any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(what: Replayable): Promise<void> {
    try {
      const isWhole = await what.replay({ goOn: () => this.#goOn(), onPart: () => this.#handler.onPart() });
      if (isWhole) this.#goOnBehind();
    } catch (error) {
      this.#handler.onError(error);
    } finally {
      what.close();
    }
  }

  async #goOn(): Promise<boolean> {
    while (this.#isPaused && !this.#isStopped) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.#isStopped;
  }

  /** Decodes what waited, until it is done or the next replay begins. */
  #goOnBehind(): void {
    this.isRunning = false;
    for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) {
      this.#handler.onFrames(bytes, 0, bytes.length);
      if (this.isRunning) return;
    }
    this.#handler.onPart();
    this.#handler.onDone();
  }
}
