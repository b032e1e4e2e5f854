/** What is being tried again at this moment, so that a wait shows its reason. */
import type { Operation, Patience } from '../destination/landing.ts';
import { AppError } from '../model/errors.ts';
import type { Retrying } from '../model/retrying.ts';
import type { Log } from '../telemetry/log.ts';

interface Failure {
  readonly error: unknown;
  /** When it failed first. */
  readonly sinceMs: number;
  readonly attempt: number;
  readonly nextAtMs: number;
}

/** The failure as it is told; `nextMs` until the next attempt. */
export function describeRetry(what: string, failure: { error: unknown; attempt: number; nextMs: number }): Retrying {
  const { error, attempt } = failure;
  return {
    what,
    code: error instanceof AppError ? error.code : 'INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    attempt,
    nextSeconds: Math.max(0, failure.nextMs / 1000),
  };
}

/** Operations that have failed and have not succeeded since. */
export class RetryBoard {
  readonly #failures = new Map<Operation, Failure>();
  readonly #log: Log;
  readonly #onChange: () => void;

  /** @param onChange Called when {@link worst} has got worse. */
  constructor(log: Log, onChange: () => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  /** A patience until the signal, whose failures are logged and noted here. */
  patience(signal: AbortSignal): Patience {
    return {
      signal,
      onRetry: (error, attempt, delayMs, operation) => this.#failed(operation, { error, attempt, delayMs }),
      onEnd: (operation) => void this.#failures.delete(operation),
    };
  }

  /** The one that has been tried most often; null when nothing is tried again. */
  get worst(): Retrying | null {
    let worst: [Operation, Failure] | null = null;
    for (const entry of this.#failures) if (worst === null || entry[1].attempt > worst[1].attempt) worst = entry;
    if (worst === null) return null;
    const [{ what }, { error, attempt, nextAtMs }] = worst;
    return describeRetry(what, { error, attempt, nextMs: nextAtMs - performance.now() });
  }

  /** An error that something has been failing with for so long; null when nothing has. */
  failingSince(isMeant: (error: unknown) => boolean, leastMs: number): unknown {
    const limit = performance.now() - leastMs;
    const found = [...this.#failures.values()].find(({ error, sinceMs }) => sinceMs <= limit && isMeant(error));
    return found?.error ?? null;
  }

  #failed(operation: Operation, failure: { error: unknown; attempt: number; delayMs: number }): void {
    const { error, attempt, delayMs } = failure;
    const level = attempt < 3 ? 'info' : attempt < 6 ? 'warn' : 'error';
    this.#log[level]({ what: operation.what, err: error, attempt, delayMs }, 'waiting to try again');
    const nowMs = performance.now();
    const sinceMs = this.#failures.get(operation)?.sinceMs ?? nowMs;
    this.#failures.set(operation, { error, sinceMs, attempt, nextAtMs: nowMs + delayMs });
    this.#onChange();
  }
}
