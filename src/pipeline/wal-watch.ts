/**
 * Watches how much WAL the source keeps for the slot, from the start of the pipeline to its end: also while
 * ClickHouse is down and between two sessions, which is when it grows. Has a connection of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { AppError, isAbort } from '../model/errors.ts';
import { connectPostgres, endConnection } from '../source/connection.ts';
import { dropSlot, inspectSlot } from '../source/slot.ts';
import type { PipelineOptions } from './options.ts';
import { isWellAgain, isWorse, nextOutlook, type WalOutlook, walSample } from './wal-budget.ts';

/** Between two looks at the slot, ms. */
const POLL_MS = 2_000;
/** How long a walsender that has lost its reader may take to let go of the slot, ms. */
const BUSY_MS = 20_000;
const BUSY_POLL_MS = 200;

/** Looks at the slot every two seconds, and warns. */
export class WalWatch implements AsyncDisposable {
  /** Aborted once the budget is used up and the operator chose that the slot is dropped then. */
  readonly exceeded: AbortSignal;
  /** What was found last; null before the first look, and while there is no slot. */
  outlook: WalOutlook | null = null;

  readonly #options: PipelineOptions;
  readonly #exceeded = new AbortController();
  readonly #end = new AbortController();
  readonly #watching: Promise<void>;
  #client: pg.Client | null = null;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.exceeded = this.#exceeded.signal;
    this.#watching = this.#watch();
  }

  /**
   * Drops the slot, so that the source can free its WAL. The stream must have been closed.
   *
   * @returns What the pipeline ends with: `WAL_BUDGET`.
   * @throws {AppError} when the slot could not be dropped: `SLOT_BUSY` if another process streams from it.
   */
  async dropSlot(): Promise<AppError> {
    await this[Symbol.asyncDispose]();
    const { postgresUrl, slot, walBudget, log } = this.#options;
    const { signal } = this.#options;
    const client = await connectPostgres(postgresUrl, { signal });
    try {
      await dropWhenIdle(client, slot);
    } finally {
      await endConnection(client);
    }
    const facts = { slot, retainedBytes: this.outlook?.retainedBytes, budgetBytes: walBudget };
    log.error(facts, 'the WAL budget is used up: the slot was dropped so that the source can free its log');
    return new AppError(
      'WAL_BUDGET',
      `the source kept ${facts.retainedBytes} bytes of WAL for slot “${slot}”, more than the budget of ${walBudget}: the slot was dropped, as walBudgetAction says`,
      { details: facts },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    // Its session is dropped with that: a query that hangs in a server that is gone must not hold us.
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) => this.#startOver(error));
      await sleep(POLL_MS, undefined, { signal }).catch((error: unknown) => {
        if (!isAbort(error)) throw error;
      });
    }
    await this.#client?.end();
  }

  async #look(): Promise<void> {
    const { postgresUrl, slot, walBudget } = this.#options;
    this.#client ??= await connectPostgres(postgresUrl, {
      applicationName: 'millrace wal',
      signal: this.#end.signal,
    });
    const state = await inspectSlot(this.#client, slot);
    const sample = state === null ? null : walSample(state, performance.now());
    const previous = this.outlook;
    this.outlook = sample === null ? null : nextOutlook(previous, sample, walBudget);
    if (this.outlook !== null) this.#tell(previous, this.outlook);
  }

  /** The next look takes a new connection: whatever is wrong, the pipeline itself says so louder. */
  #startOver(error: unknown): void {
    if (!this.#end.signal.aborted)
      this.#options.log.debug({ err: error }, 'the WAL that the source keeps could not be read');
    if (this.#client !== null) void endConnection(this.#client);
    this.#client = null;
  }

  #tell(previous: WalOutlook | null, next: WalOutlook): void {
    const { log, slot, walBudgetAction, walBudget } = this.#options;
    const facts = { slot, ...walFacts(next) };
    if (isWorse(previous, next)) log.warn(facts, 'the source keeps much WAL for the copy');
    else if (isWellAgain(previous, next)) log.info(facts, 'the source keeps little WAL for the copy again');
    if (walBudgetAction === 'drop' && next.retainedBytes > walBudget) this.#exceeded.abort();
  }
}

/** An outlook as the log tells it. */
function walFacts(outlook: WalOutlook): Record<string, number | string | null> {
  const whole = (value: number | null): number | null => (value === null ? null : Math.round(value));
  return {
    retainedBytes: outlook.retainedBytes,
    budgetBytes: outlook.budgetBytes,
    percent: Math.round(outlook.share * 100),
    growthBytesPerSecond: whole(outlook.growthBytesPerSecond),
    secondsUntilBudget: whole(outlook.secondsUntilBudget),
    secondsUntilLost: whole(outlook.secondsUntilLost),
  };
}

/** Our own walsender may still hold the slot for a moment after its connection was closed. */
async function dropWhenIdle(client: pg.Client, slot: string): Promise<void> {
  const deadline = performance.now() + BUSY_MS;
  while (true) {
    try {
      await dropSlot(client, slot);
      return;
    } catch (error) {
      const isBusy = error instanceof AppError && error.code === 'SLOT_BUSY';
      if (!isBusy || performance.now() > deadline) throw error;
      await sleep(BUSY_POLL_MS);
    }
  }
}
