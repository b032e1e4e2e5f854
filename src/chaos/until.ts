/** Waiting for what may fail for a while. */
import { setTimeout as sleep } from 'node:timers/promises';

/** What is waited for. */
export interface UntilOptions {
  /** In the words of the failure: “timed out waiting for …”. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Between two attempts, ms; default 20. */
  readonly pollMs?: number;
  readonly signal?: AbortSignal;
  /** Whether an error passes; all do when absent. Others are thrown at once. */
  readonly passes?: (error: unknown) => boolean;
}

/** Tries until it succeeds; its last error is the cause of the failure. */
export async function until<T>(action: () => Promise<T>, options: UntilOptions): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  while (true) {
    options.signal?.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      if (options.passes?.(error) === false) throw error;
      if (performance.now() > deadline) throw new Error(`timed out waiting for ${options.what}`, { cause: error });
      await sleep(options.pollMs ?? 20);
    }
  }
}
