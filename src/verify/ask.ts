/** Asks the running pipeline for something, through the source's log, and waits for its answer (model/control.ts). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { type Answer, type ControlStore, REQUEST_TTL_S } from '../destination/control.ts';
import { CONTROL_PREFIX, type ControlMessage, encodeControl } from '../model/control.ts';
import { AppError } from '../model/errors.ts';
import { pgRows } from '../source/connection.ts';

/** What is asked with. */
export interface AskOptions {
  /** A session on the source itself, never on a standby: messages are written there. */
  readonly control: Client;
  readonly store: ControlStore;
  /** How long to wait for the pipeline, which may lag. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 20;

/**
 * Sends one message and waits for the answer to it, which may be a refusal.
 *
 * @throws {AppError} `VERIFY_REFUSED` when the pipeline does not answer.
 */
export async function request(message: ControlMessage, options: AskOptions): Promise<Answer> {
  const { control, store } = options;
  await store.writeRequest(message.id, true);
  try {
    await send(control, message);
    return await awaitAnswer(options, message.id);
  } finally {
    await store.writeRequest(message.id, false);
  }
}

/** Writes a message into the source's log. */
export async function send(control: Client, message: ControlMessage): Promise<void> {
  await pgRows(control, 'SELECT pg_logical_emit_message(true, $1, $2)', [CONTROL_PREFIX, encodeControl(message)]);
}

/** Polls for the answer; the request is kept open meanwhile. @throws {AppError} `VERIFY_REFUSED`. */
export async function awaitAnswer(
  { store, waitMs, signal }: Pick<AskOptions, 'store' | 'waitMs' | 'signal'>,
  id: string,
): Promise<Answer> {
  const startedAt = performance.now();
  let renewedAt = startedAt;
  for (;;) {
    const answer = await store.readAnswer(id);
    if (answer !== null) return answer;
    const now = performance.now();
    if (now - startedAt > waitMs) {
      throw new AppError('VERIFY_REFUSED', `the pipeline has not answered within ${Math.round(waitMs / 1000)} s`);
    }
    if (now - renewedAt > (REQUEST_TTL_S * 1000) / 3) {
      await store.writeRequest(id, true);
      renewedAt = now;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}
