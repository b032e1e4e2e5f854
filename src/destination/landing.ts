/**
 * Sends blocks to landing tables and mirrors, and does not give up: a piece whose insert failed or whose
 * outcome is unknown is sent again, the same bytes under the same token, until it is in.
 *
 * The caller learns whether the first attempt was certain. After an uncertain one the rollups it touches
 * must be reconciled, as the token alone is not crash-safe: on non-replicated tables ClickHouse writes its
 * deduplication log before it renames the part, so that a kill between the two loses the rows of a retry.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../model/errors.ts';
import { mayPass } from '../model/passing.ts';
import type { ClickHouse, Settings } from './client.ts';

/**
 * One block in, one block in each view: the token is per block, so the split must not vary.
 * `input_format_skip_unknown_fields = 0`: Native matches columns by name and would drop others in silence.
 */
export const LANDING_SETTINGS: Settings = {
  async_insert: 0,
  deduplicate_insert: 'enable',
  deduplicate_blocks_in_dependent_materialized_views: 1,
  input_format_skip_unknown_fields: 0,
  input_format_defaults_for_omitted_fields: 0,
  max_insert_block_size: 1_048_449,
  min_insert_block_size_rows: 1_048_449,
  min_insert_block_size_bytes: 268_402_944,
  max_insert_threads: 1,
};

/** Loads go straight into the mirror, in key order, without folding what is unique already. */
export const LOAD_SETTINGS: Settings = {
  async_insert: 0,
  deduplicate_insert: 'disable',
  optimize_on_insert: 0,
  input_format_skip_unknown_fields: 0,
  max_insert_threads: 1,
};

const FIRST_DELAY_MS = 50;
const MAX_DELAY_MS = 5_000;

/** How long to try, and whom to tell. */
export interface Patience {
  readonly signal: AbortSignal;
  /** Told of every failed attempt. */
  readonly onRetry: (error: unknown, attempt: number, delayMs: number, operation: Operation) => void;
  /** Told of the end, good or bad, of an operation of which an attempt had failed. */
  readonly onEnd?: ((operation: Operation) => void) | undefined;
}

/** Something that is tried until it succeeds: the same object for all its attempts. */
export interface Operation {
  /** In words, for people: `insert into ads.clicks`. */
  readonly what: string;
}

/** One insert. */
export interface Piece extends Patience {
  /** `INSERT INTO … FORMAT Native`. */
  readonly sql: string;
  /** The encoded block; not changed until the promise settles. */
  readonly parts: readonly Uint8Array[];
  /** With the writer's mark, see fence.ts. */
  readonly settings: Settings;
}

/**
 * Inserts a piece, however often it takes.
 *
 * @returns True when the first attempt succeeded: then it is in exactly once. False: it is in the mirrors
 *   exactly (they fold by key and version), and the rollups it touches are to be reconciled.
 * @throws the abort of `signal`, and errors that would come again (see `mayPass`), `FENCED` among them.
 */
export async function insertPiece(clickhouse: ClickHouse, piece: Piece): Promise<boolean> {
  let attempts = 0;
  await untilDone(
    () => {
      attempts++;
      return clickhouse.insert(piece.sql, piece.parts, { settings: piece.settings, signal: piece.signal });
    },
    { ...piece, what: insertName(piece.sql) },
  );
  return attempts === 1;
}

/**
 * Runs something that may be repeated until it succeeds, waiting 50 ms to 5 s between attempts.
 *
 * @throws the abort of `signal`, and errors that would come again (see `mayPass`).
 */
export async function untilDone<T>(action: () => Promise<T>, options: Patience & { what?: string }): Promise<T> {
  const operation: Operation = { what: options.what ?? 'a statement' };
  let attempt = 1;
  try {
    for (; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        options.signal.throwIfAborted();
        if (!(error instanceof AppError) || !mayPass(error)) throw error;
        const delayMs = retryDelayMs(attempt);
        options.onRetry(error, attempt, delayMs, operation);
        await sleep(delayMs, undefined, { signal: options.signal });
      }
    }
  } finally {
    if (attempt > 1) options.onEnd?.(operation);
  }
}

/** ms to wait behind the n-th failed attempt: doubled each time, up to a ceiling. */
export function retryDelayMs(attempt: number): number {
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 10));
}

/** `insert into ads.clicks`, from the statement. */
function insertName(sql: string): string {
  const [, table = ''] = /^INSERT INTO (\S+)/.exec(sql) ?? [];
  return `insert into ${table.replaceAll('`', '')}`;
}
