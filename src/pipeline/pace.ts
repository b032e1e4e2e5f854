/** What pacing decides upon, as measured while the session runs: when to flush the open batch, and when to write at all. */
import { setTimeout as sleep } from 'node:timers/promises';
import { mostActiveParts, NO_PARTS, type Parts } from '../destination/parts.ts';
import type { PipelineOptions } from './options.ts';
import { flushDelayMs, isFull, partsIntervalMs } from './pacing.ts';
import type { Prepared } from './prepare.ts';

/** How often parts are counted, ms; sooner after so many inserts, and while there are too many. */
const PARTS_INTERVAL_MS = 1_000;
const PARTS_INSERTS = 50;
const FULL_INTERVAL_MS = 200;

/** What is measured, and how. */
export interface PaceOptions {
  readonly minIntervalMs: number;
  /** The fullest partition of our tables. */
  readonly countParts: () => Promise<Parts>;
  /** Inserts sent so far, by whomever of this process. */
  readonly inserts: () => number;
  /** Parts could not be counted. */
  readonly onError: (error: unknown) => void;
  /** Writing has stopped until ClickHouse has merged, or goes on. */
  readonly onFull: (isFull: boolean, parts: Parts) => void;
}

/** Measures of one session. */
export class Pace {
  readonly #options: PaceOptions;
  #lastFlushAt = 0;
  #lastApplyMs = 0;
  #lastChanges = 0;
  #lastPartsAt = 0;
  #isCounting = false;
  #wasFull = false;
  #counted = NO_PARTS;
  /** Inserts when the last count began: each may have added a part to the fullest partition since. */
  #insertsAtCount: number;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#insertsAtCount = options.inserts();
  }

  /** Most active parts of a partition of ours, when they were last counted. */
  get parts(): Parts {
    return this.#counted;
  }

  /** Nothing more may be written until ClickHouse has merged. Looks again by and by, so ask often. */
  get isFull(): boolean {
    this.#look();
    return isFull(this.#mostParts);
  }

  /** Whom writing waits for, in words; empty when for nobody. */
  get waitingFor(): string {
    const { table, parts } = this.#counted;
    return this.isFull ? `merges of ClickHouse: ${table} has ${parts} parts` : '';
  }

  /** ms to wait before the open batch is cut; 0 or less: now. */
  delayMs(openChanges: number): number {
    return flushDelayMs({
      sinceLastFlushMs: performance.now() - this.#lastFlushAt,
      lastApplyMs: this.#lastApplyMs,
      lastChanges: this.#lastChanges,
      openChanges,
      activeParts: this.#mostParts,
      minIntervalMs: this.#options.minIntervalMs,
    });
  }

  /** ms to wait before a batch that is cut already is applied; 0 or less: now. */
  get cutDelayMs(): number {
    return partsIntervalMs(this.#mostParts) - (performance.now() - this.#lastFlushAt);
  }

  /** Runs the application of work, and takes its time. @param changes Row changes in it. */
  async measure(changes: number | null, apply: () => Promise<void>): Promise<void> {
    this.#lastFlushAt = performance.now();
    await apply();
    this.#lastApplyMs = performance.now() - this.#lastFlushAt;
    if (changes !== null) this.#lastChanges = changes;
    this.#look();
  }

  /** Waits until there is room for one more insert. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.isFull) await sleep(FULL_INTERVAL_MS, undefined, { signal });
  }

  /** At most so many parts has any partition by now. */
  get #mostParts(): number {
    return this.#counted.parts + this.#options.inserts() - this.#insertsAtCount;
  }

  /** Counts again when it is time. Never waited for. */
  #look(): void {
    const now = performance.now();
    const inserts = this.#options.inserts();
    const intervalMs = isFull(this.#mostParts) ? FULL_INTERVAL_MS : PARTS_INTERVAL_MS;
    const isDue = now - this.#lastPartsAt >= intervalMs || inserts - this.#insertsAtCount >= PARTS_INSERTS;
    if (this.#isCounting || !isDue) return;
    this.#isCounting = true;
    this.#lastPartsAt = now;
    void this.#options
      .countParts()
      .then((parts) => this.#onCounted(parts), this.#options.onError)
      .finally(() => {
        // After a failure too: a server that does not let us count must not make us wait for ever.
        this.#insertsAtCount = inserts;
        this.#isCounting = false;
      });
  }

  #onCounted(parts: Parts): void {
    this.#counted = parts;
    if (isFull(parts.parts) === this.#wasFull) return;
    this.#wasFull = !this.#wasFull;
    this.#options.onFull(this.#wasFull, parts);
  }
}

/** The pace of a session: counts the parts of every table that it writes. */
export function openPace({ copy, layouts }: Prepared, options: PipelineOptions): Pace {
  const targets = layouts.map(({ table }) => table.target);
  const tables = [...targets, ...targets.map((target) => `${target}_history`), 'campaign_hourly'];
  return new Pace({
    minIntervalMs: options.minFlushIntervalMs,
    countParts: () => mostActiveParts(copy.clickhouse, copy.names, tables),
    inserts: () => copy.clickhouse.inserts,
    onError: (error) => options.log.debug({ err: error }, 'parts could not be counted'),
    onFull: (isFull, parts) => {
      if (isFull) options.log.warn(parts, 'ClickHouse does not keep up with merging: writing waits for it');
      else options.log.info(parts, 'ClickHouse has merged, writing goes on');
    },
  });
}
