/**
 * Keeps the order of commits while a spooled transaction is replayed: whatever was read from the socket behind its
 * commit waits here, undecoded, and the socket is held (so it is at most one read).
 */
import type { ChangeSink, TransactionStart } from './changes.ts';
import type { Lsn } from '../model/lsn.ts';
import type { SpooledTransaction } from './spooled-transaction.ts';

/** What a replay means for the stream. */
export interface ReplayHandler {
  readonly sink: ChangeSink;
  /** A part has been delivered: a good moment to decide about flushing and pausing. */
  onPart(): void;
  /** Decodes frames that waited; may begin the next replay, and then hands back the rest by {@link Replay.wait}. */
  onFrames(bytes: Buffer, start: number, end: number): void;
  /** Nothing waits any more: the socket may flow. */
  onDone(): void;
  onError(error: unknown): void;
}

/** Replays one transaction at a time. */
export class Replay {
  /** True from a Stream Commit until its transaction has been delivered. */
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

  /** Begins; the file is closed at the end. */
  begin(spooled: SpooledTransaction, transaction: TransactionStart, endLsn: Lsn): void {
    this.isRunning = true;
    this.#running = this.#run(spooled, transaction, endLsn);
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

  async #run(spooled: SpooledTransaction, transaction: TransactionStart, endLsn: Lsn): Promise<void> {
    const options = {
      sink: this.#handler.sink,
      goOn: () => this.#goOn(),
      onPart: () => this.#handler.onPart(),
    };
    try {
      const isWhole = await spooled.replay(transaction, endLsn, options);
      if (isWhole) this.#goOnBehind();
    } catch (error) {
      this.#handler.onError(error);
    } finally {
      spooled.file.close();
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
