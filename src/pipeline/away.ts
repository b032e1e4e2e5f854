/**
 * What happens between two sessions while ClickHouse is away for long: the stream goes on, into the journal
 * (source/journal.ts), so that the source can free its WAL. Off unless the operator gives it bytes.
 *
 *   session fails ─► (ClickHouse away for `journalAfterMs`) ─► drain ─► ClickHouse answers ─► next session: journal, stream
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAbort, AppError } from '../model/errors.ts';
import { connectPostgres } from '../source/connection.ts';
import { drain } from '../source/drain.ts';
import { type Journal, openJournal } from '../source/journal.ts';
import { identifySource } from '../source/identity.ts';
import { inspectSlot } from '../source/slot.ts';
import type { Copy } from './copy.ts';
import type { PipelineOptions } from './options.ts';

/** Between two questions whether ClickHouse is back, ms. */
const POLL_MS = 1_000;
/** A drain lasts so long at least: a server that answers and refuses to write would be asked too often. */
const LEAST_MS = 5_000;

/** Attempts to begin a session after which ClickHouse counts as away. */
const ATTEMPTS = 3;

/** Errors that say ClickHouse takes nothing. */
export function isAway(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'CLICKHOUSE_UNREACHABLE' || error.code === 'CLICKHOUSE_FAILED');
}

/** What a session ends with that has waited long enough for ClickHouse. */
export function awayForLong(reason: unknown): AppError {
  const message = reason instanceof Error ? reason.message : String(reason);
  return new AppError('CLICKHOUSE_UNREACHABLE', message, { cause: reason, details: { isLong: true } });
}

/** Whether it is time for the journal. */
export function isAwayForLong(error: unknown, attempt: number): boolean {
  return isAway(error) && (attempt >= ATTEMPTS || (error instanceof AppError && error.details['isLong'] === true));
}

/**
 * Drains the slot into the journal until ClickHouse answers.
 *
 * @returns False when it could not: the journal is off or full, or there is no slot to drain yet.
 * @throws {AppError} `JOURNAL_FAILED`, and those of the source.
 */
export async function drainWhileAway(copy: Copy, options: PipelineOptions): Promise<boolean> {
  if (options.journalMaxBytes === 0) return false;
  const journal = await openForDrain(options);
  if (journal === null || journal.byteLength >= options.journalMaxBytes) return false;
  const { log, signal, postgresUrl: url, slot, publication, journalMaxBytes: maxBytes } = options;
  log.warn({ journalBytes: journal.byteLength }, 'ClickHouse is away: changes go to the journal');
  const back = new AbortController();
  const waiting = waitUntilBack(copy, AbortSignal.any([signal, back.signal])).finally(() => back.abort());
  try {
    const end = await drain({ url, slot, publication, journal, maxBytes, signal: back.signal });
    if (end === 'full')
      log.error({ journalBytes: journal.byteLength }, 'the journal is full: the source keeps its WAL');
    else log.info({ journalBytes: journal.byteLength }, 'ClickHouse is back: the journal is applied');
    return end === 'stopped';
  } finally {
    back.abort();
    await waiting;
  }
}

/**
 * The journal, if there is one: also when it is switched off now, as what it holds is nowhere else.
 *
 * @throws {AppError} `JOURNAL_FAILED`.
 */
export async function findJournal(options: PipelineOptions, sourceId: string): Promise<Journal | null> {
  const directory = directoryOf(options);
  if (options.journalMaxBytes === 0 && !existsSync(directory)) return null;
  const isReadOnly = options.isRehearsal === true;
  if (isReadOnly && !existsSync(directory)) return null;
  const journal = await openJournal(directory, { sourceId, slot: options.slot }, { isReadOnly });
  return journal.from === null ? null : journal;
}

function directoryOf({ journalDir, dataDir, slot }: PipelineOptions): string {
  return join(journalDir ?? join(dataDir, 'journal'), slot);
}

/** The journal, begun at the slot's position when it is empty; null when there is no slot that could be drained. */
async function openForDrain(options: PipelineOptions): Promise<Journal | null> {
  const client = await connectPostgres(options.postgresUrl);
  try {
    const slot = await inspectSlot(client, options.slot);
    if (slot === null || slot.confirmedFlushLsn === null || slot.walStatus === 'lost') return null;
    const { sourceId } = await identifySource(client, options.postgresUrl);
    const owner = { sourceId, slot: options.slot };
    const journal = await openJournal(directoryOf(options), owner);
    await journal.begin(owner, slot.confirmedFlushLsn);
    return journal;
  } finally {
    await client.end();
  }
}

async function waitUntilBack({ clickhouse }: Copy, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  try {
    while (true) {
      await sleep(POLL_MS, undefined, { signal });
      if (performance.now() - startedAt < LEAST_MS) continue;
      const isBack = await clickhouse.rows('SELECT 1', { signal }).then(() => true, notYet);
      if (isBack) return;
    }
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
}

function notYet(error: unknown): boolean {
  if (isAway(error)) return false;
  throw error;
}
