/** Waiting for a condition, instead of for a time. */
import { setTimeout as sleep } from 'node:timers/promises';

/** `TEST_PATIENCE`: by what limits of time are multiplied where machines are busy; those that a test gives itself are not. */
export const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1);

/** What is waited for. */
export interface WaitOptions {
  /** In the words of the failure: “timed out waiting for …”. */
  readonly what: string;
  /** Milliseconds; default 30 000. */
  readonly timeoutMs?: number;
}

/** A condition may ask ClickHouse, which takes what it waits for the processor: asked less often the longer it lasts. */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS, SHARE_OF_WAIT] = [20, 300, 0.15];

/** Polls until the condition gives something true, and returns that. An error of the condition ends the wait. */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<NonNullable<T>> {
  const begun = Date.now();
  const deadline = begun + (options.timeoutMs ?? 30_000) * PATIENCE;
  while (true) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${options.what}`);
    const pauseMs = Math.max(FIRST_PAUSE_MS, (Date.now() - begun) * SHARE_OF_WAIT);
    await sleep(Math.min(pauseMs, LONGEST_PAUSE_MS));
  }
}
