/**
 * One position for both sides, without stopping the pipeline: it is asked to hold, a snapshot of the source is taken,
 * and the pipeline clones its tables when it has applied just what that snapshot sees.
 *
 *   request ─► hold ─► snapshot taken ─► snapshot told ─► answer: cloned at an LSN, or refused (then again)
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ControlStore } from '../destination/control.ts';
import { AppError } from '../model/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../model/lsn.ts';
import { pgRows } from '../source/connection.ts';
import { type AskOptions, awaitAnswer, request, send } from './ask.ts';
import type { Clones } from './clones.ts';
import type { SourceReader } from './source-reader.ts';

/** Where source and clones can be compared. */
export interface Position {
  readonly lsn: Lsn;
  /** µs since 1970; 0 when nothing was streamed yet. */
  readonly commitTimeUs: bigint;
  /** How long the pipeline applied nothing, at the longest of all attempts. */
  readonly heldMs: number;
  /** Requests it took. */
  readonly attempts: number;
  /** `schema.table` of what was cloned. */
  readonly tables: ReadonlySet<string>;
}

/** What a position is asked with. */
export interface PositionOptions extends AskOptions {
  readonly reader: SourceReader;
  /** The reader reads a standby: it must have replayed the request before its snapshot is taken. */
  readonly isStandby: boolean;
  readonly clones: Clones;
}

/** The pipeline goes on if the snapshot takes longer than that. */
const HOLD_MAX_MS = 2_000;
const MAX_ATTEMPTS = 10;
/** Between attempts: commits that overlapped have become visible by then. */
const PAUSE_MS = 100;

/**
 * Takes a position. The reader's snapshot and the clones are there until they are dropped.
 *
 * @throws {AppError} `VERIFY_REFUSED` when the pipeline refuses again and again, or does not answer.
 */
export async function takePosition(options: PositionOptions): Promise<Position> {
  let heldMs = 0;
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(options);
    heldMs = Math.max(heldMs, answer.heldMs);
    if (answer.kind === 'cloned') {
      const { lsn, commitTimeUs, tables } = answer;
      return { lsn, commitTimeUs, heldMs, attempts: attempt, tables: new Set(tables) };
    }
    await options.reader.dropSnapshot();
    if (attempt === MAX_ATTEMPTS)
      throw new AppError('VERIFY_REFUSED', `the pipeline gave no position: ${answer.reason}`);
    await sleep(PAUSE_MS, undefined, { signal: options.signal });
  }
}

async function ask(options: PositionOptions): Promise<Answer> {
  const { control, store, reader, clones } = options;
  const id = randomUUID();
  await clones.prepare();
  await catchUp(options);
  await store.writeRequest(id, true);
  try {
    await send(control, { kind: 'hold', id, maxMs: HOLD_MAX_MS });
    await catchUp(options);
    const snapshot = await reader.takeSnapshot();
    await send(control, { kind: 'snapshot', id, snapshot });
    return await awaitAnswer(options, id);
  } catch (error) {
    // It goes on by itself when this does not come through.
    await Promise.allSettled([send(control, { kind: 'release', id })]);
    throw error;
  } finally {
    await store.writeRequest(id, false);
  }
}

/**
 * Lets the pipeline read rows again and compute buckets anew.
 *
 * @returns Rows written.
 * @throws {AppError} `VERIFY_REFUSED`.
 */
export async function requestRepair(
  options: AskOptions,
  repairs: Parameters<ControlStore['writeRepairs']>[1],
): Promise<number> {
  const id = randomUUID();
  await options.store.writeRepairs(id, repairs);
  const answer = await request({ kind: 'repair', id }, options);
  if (answer.kind !== 'repaired') throw new AppError('VERIFY_REFUSED', `nothing was repaired: ${answer.reason}`);
  return answer.rows;
}

/** Waits until a standby has replayed what is in the source's log by now. */
async function catchUp({ control, reader, isStandby, waitMs, signal }: PositionOptions): Promise<void> {
  if (!isStandby) return;
  const [at] = await pgRows(control, 'SELECT pg_current_wal_insert_lsn() AS lsn');
  const wanted = parseLsn(at?.['lsn'] ?? '');
  const deadline = performance.now() + waitMs;
  for (;;) {
    const [row] = await pgRows(reader.keeper, 'SELECT pg_last_wal_replay_lsn() AS lsn');
    if (row?.['lsn'] === null || row?.['lsn'] === undefined)
      throw new AppError('CONFIG_INVALID', 'the server of --replica-url is no standby');
    if (parseLsn(row['lsn']) >= wanted) return;
    if (performance.now() > deadline)
      throw new AppError('VERIFY_REFUSED', `the standby has not replayed ${formatLsn(wanted)} within ${waitMs} ms`);
    await sleep(5, undefined, { signal });
  }
}
