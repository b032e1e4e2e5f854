/** What pacing decides upon, as measured while the session runs: when to flush the open batch. */
import { flushDelayMs } from './pacing.ts';

const PARTS_INTERVAL_MS = 1_000;

/** Measures of one session. */
export class Pace {
  readonly #minIntervalMs: number;
  readonly #countParts: () => Promise<number>;
  readonly #onError: (error: unknown) => void;
  #lastFlushAt = 0;
  #lastApplyMs = 0;
  #lastChanges = 0;
  #lastPartsAt = 0;
  #activeParts = 0;

  /** @param options `countParts`: most active parts of a table of ours, asked for once a second; `onError`: it failed. */
  constructor(options: {
    minIntervalMs: number;
    countParts: () => Promise<number>;
    onError: (error: unknown) => void;
  }) {
    this.#minIntervalMs = options.minIntervalMs;
    this.#countParts = options.countParts;
    this.#onError = options.onError;
  }

  /** Most active parts of a table of ours, when they were last counted. */
  get activeParts(): number {
    return this.#activeParts;
  }

  /** ms to wait before the open batch is cut; 0 or less: now. */
  delayMs(openChanges: number): number {
    return flushDelayMs({
      sinceLastFlushMs: performance.now() - this.#lastFlushAt,
      lastApplyMs: this.#lastApplyMs,
      lastChanges: this.#lastChanges,
      openChanges,
      activeParts: this.#activeParts,
      minIntervalMs: this.#minIntervalMs,
    });
  }

  /** Runs the application of work, and takes its time. @param changes Row changes in it. */
  async measure(changes: number | null, apply: () => Promise<void>): Promise<void> {
    this.#lastFlushAt = performance.now();
    await apply();
    this.#lastApplyMs = performance.now() - this.#lastFlushAt;
    if (changes !== null) this.#lastChanges = changes;
    this.#askParts();
  }

  #askParts(): void {
    const now = performance.now();
    if (now - this.#lastPartsAt < PARTS_INTERVAL_MS) return;
    this.#lastPartsAt = now;
    this.#countParts().then((parts) => {
      this.#activeParts = parts;
    }, this.#onError);
  }
}
