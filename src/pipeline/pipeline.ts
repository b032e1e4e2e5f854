/**
 * The pipeline: sessions, one after the other, until it is told to stop.
 *
 *   prepare ─► session (load, stream, apply) ─► (connection lost) ─► prepare ─► session …
 *                                            └► (ClickHouse away for long) ─► journal ─┘   away.ts
 *   beside them all the time: wal-watch (is the source safe?), heartbeat (what is going on?)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ERRORS, isAbort, AppError } from '../model/errors.ts';
import { mayPass } from '../model/passing.ts';
import { drainWhileAway, isAwayForLong } from './away.ts';
import type { Copy } from './copy.ts';
import { Heartbeat } from './heartbeat.ts';
import { NOTHING_YET, type PipelineOptions, type PipelineProgress } from './options.ts';
import { openCopy, prepare } from './prepare.ts';
import { describeRetry } from './retry-board.ts';
import { Session } from './session.ts';
import { WalWatch } from './wal-watch.ts';

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;
/** A session that lasted so long, or has confirmed a position, counts as a success: the next wait is short again. */
const STABLE_MS = 30_000;
/** After the stop, the work in hand has 4 s and the last store 2 s (session.ts); then every statement ends, ms. */
const LAST_STATEMENT_MS = 6_500;
/** Attempts on a slot that is busy at the start: 3 s. */
const BUSY_ATTEMPTS = 5;

/**
 * Runs until `options.signal` aborts.
 *
 * Lost connections are waited out, with a rising delay; everything that needs the operator is thrown.
 *
 * @throws {AppError} see `prepare` and the error table: those whose remedy is not `retry`.
 */
export async function runPipeline(options: PipelineOptions): Promise<void> {
  const statements = new AbortController();
  const copy = openCopy(options, statements.signal);
  await using _ = copy.clickhouse;
  let latest = NOTHING_YET;
  const onProgress = (progress: PipelineProgress): void => {
    latest = progress;
    options.onProgress?.(progress);
  };
  await using wal = new WalWatch(options);
  await using __ = new Heartbeat({ copy, log: options.log, progress: () => latest, outlook: () => wal.outlook });
  const signal = AbortSignal.any([options.signal, wal.exceeded]);
  const [outcome] = await Promise.allSettled([runSessions(copy, { ...options, signal, onProgress }, statements)]);
  // Whatever else went wrong at the same moment: the source comes first.
  if (wal.exceeded.aborted && !options.signal.aborted) throw await wal.dropSlot();
  if (outcome.status === 'rejected') throw outcome.reason;
}

/** @param statements Ends every statement to ClickHouse: none outlives the stop for long, whatever it waits for. */
async function runSessions(copy: Copy, options: PipelineOptions, statements: AbortController): Promise<void> {
  const { signal, log } = options;
  let hasStreamed = false;
  const unreadable = new Map<number, string>();
  for (let attempt = 1; !signal.aborted; attempt++) {
    const startedAt = performance.now();
    let session: Session | null = null;
    try {
      const opened = await untilStopped(signal, statements, 0, () => openSession(copy, options, unreadable));
      session = opened;
      hasStreamed = true;
      const outcome = await untilStopped(signal, statements, LAST_STATEMENT_MS, () => opened.run());
      if (outcome === 'stopped') return;
      attempt = 0;
    } catch (error) {
      if (signal.aborted && (isAbort(error) || (error instanceof AppError && mayPass(error)))) return;
      if (!isRetryable(error, attempt, hasStreamed)) throw error;
      if (session?.hasConfirmed === true || performance.now() - startedAt > STABLE_MS) attempt = 1;
      const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
      log.warn({ err: error, attempt, delayMs }, 'the session ended, starting another');
      const retrying = describeRetry('a session', { error, attempt, nextMs: delayMs });
      options.onProgress?.({ ...NOTHING_YET, phase: 'reconnecting', retrying });
      if (isAwayForLong(error, attempt) && (await drainWhileAway(copy, options))) continue;
      await sleep(delayMs, undefined, { signal }).catch((reason: unknown) => {
        if (!isAbort(reason)) throw reason;
      });
    }
  }
}

/** Runs something; from some time after the stop on, no statement to ClickHouse goes on. */
async function untilStopped<T>(
  signal: AbortSignal,
  statements: AbortController,
  delayMs: number,
  action: () => Promise<T>,
): Promise<T> {
  const onStop = (): void => void setTimeout(() => statements.abort(), delayMs).unref();
  if (signal.aborted) onStop();
  else signal.addEventListener('abort', onStop, { once: true });
  try {
    return await action();
  } finally {
    signal.removeEventListener('abort', onStop);
  }
}

/** A session whose stream is open: from then on the slot keeps others out. */
async function openSession(copy: Copy, options: PipelineOptions, unreadable: Map<number, string>): Promise<Session> {
  await using prepared = await prepare(copy, options, unreadable);
  // Stored with the states of the tables.
  unreadable.clear();
  const session = new Session(prepared, options, unreadable);
  await session.open();
  return session;
}

/**
 * Whether another session may succeed. A slot that is busy may be held by our own walsender that has not yet
 * noticed that we are gone; but at the start it belongs to somebody else if that lasts. What a server refuses at the
 * start is told at once, as somebody is there to read it; once changes have streamed, it is waited out if it may pass.
 */
function isRetryable(error: unknown, attempt: number, hasStreamed: boolean): boolean {
  if (!(error instanceof AppError)) return false;
  if (error.code === 'SLOT_BUSY') return hasStreamed || attempt < BUSY_ATTEMPTS;
  if (error.code === 'TABLE_ALTERED') return true;
  return mayPass(error) && (hasStreamed || ERRORS[error.code].remedy === 'retry');
}
