/** Replication slots: the server's promise to keep the WAL that was not confirmed yet. */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { AppError } from '../model/errors.ts';
import { parseLsn, type Lsn } from '../model/lsn.ts';
import { pgRows } from './connection.ts';

/** A slot as `pg_replication_slots` tells it. */
export interface SlotState {
  readonly name: string;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly active: boolean;
  readonly activePid: number | null;
  /** Everything before it was confirmed; null for a slot that is being made. */
  readonly confirmedFlushLsn: Lsn | null;
  /** The oldest WAL that is kept for the slot. */
  readonly restartLsn: Lsn | null;
  /** `reserved`, `extended`, `unreserved` or `lost`; null when nothing is reserved. */
  readonly walStatus: string | null;
  /** WAL bytes that are kept for the slot. */
  readonly retainedBytes: bigint | null;
  /** WAL bytes that can still be written before the slot may be lost; null without a limit. */
  readonly safeWalSize: bigint | null;
  /** Why the slot was invalidated; null when it was not, or before PostgreSQL 17. */
  readonly invalidationReason: string | null;
}

/**
 * Makes a logical slot for pgoutput, which survives restarts.
 *
 * @returns The position from which its stream is complete.
 * @throws {AppError} `POSTGRES_FAILED`, also when it exists (SQLSTATE 42710).
 */
export async function createSlot(client: pg.Client | pg.Pool, name: string): Promise<Lsn> {
  const [row] = await pgRows(client, "SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
  return parseLsn(row!['lsn']!);
}

/** Looks a slot up; null when there is none of that name. */
export async function inspectSlot(client: pg.Client | pg.Pool, name: string): Promise<SlotState | null> {
  const [row] = await pgRows(
    client,
    `SELECT slot.plugin, slot.database, slot.active, slot.active_pid, slot.confirmed_flush_lsn, slot.restart_lsn,
            slot.wal_status, slot.safe_wal_size, to_jsonb(slot) ->> 'invalidation_reason' AS invalidation_reason,
            greatest(0, pg_wal_lsn_diff(here.lsn, slot.restart_lsn)) AS retained_bytes
     FROM pg_replication_slots AS slot,
          (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS lsn) AS here
     WHERE slot.slot_name = $1`,
    [name],
  );
  return row === undefined ? null : readSlot(name, row);
}

function readSlot(name: string, row: Record<string, string | null>): SlotState {
  return {
    name,
    plugin: row['plugin'] ?? null,
    database: row['database'] ?? null,
    active: row['active'] === 't',
    activePid: orNull(row['active_pid'], Number),
    confirmedFlushLsn: orNull(row['confirmed_flush_lsn'], parseLsn),
    restartLsn: orNull(row['restart_lsn'], parseLsn),
    walStatus: row['wal_status'] ?? null,
    retainedBytes: orNull(row['retained_bytes'], BigInt),
    safeWalSize: orNull(row['safe_wal_size'], BigInt),
    invalidationReason: row['invalidation_reason'] ?? null,
  };
}

/** Reads a value that may be NULL. */
function orNull<Value>(text: string | null | undefined, read: (text: string) => Value): Value | null {
  return text === null || text === undefined ? null : read(text);
}

/**
 * Drops a slot. Ends no other session.
 *
 * @returns False when there was none.
 * @throws {AppError} `SLOT_BUSY` while a stream reads from it.
 */
export async function dropSlot(client: pg.Client | pg.Pool, name: string): Promise<boolean> {
  try {
    const rows = await pgRows(
      client,
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    );
    return rows.length > 0;
  } catch (error) {
    const isBusy = error instanceof AppError && error.details['sqlState'] === '55006';
    throw isBusy ? new AppError('SLOT_BUSY', `replication slot “${name}” is in use`, { cause: error }) : error;
  }
}

/** Bytes of the header of a WAL page, and of the first page of a segment (xlog_internal.h: SizeOfXLogShortPHD, -LongPHD). */
const PAGE_HEADER_BYTES = 24n;
const SEGMENT_HEADER_BYTES = 40n;

/** The end of the WAL: what was committed before this call lies below it, and a stream that has caught up reaches it. */
export async function currentLsn(client: pg.Client | pg.Pool): Promise<Lsn> {
  const [row] = await pgRows(
    client,
    `SELECT pg_current_wal_insert_lsn() AS lsn, current_setting('wal_block_size') AS page,
            (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size') AS segment`,
  );
  return withoutHeader(parseLsn(row!['lsn']!), { page: BigInt(row!['page']!), segment: BigInt(row!['segment']!) });
}

/**
 * Where WAL ends at a page boundary, the server tells the place of the next record, behind the header of a page
 * that is not written yet: no stream ever reaches that on an idle server.
 */
export function withoutHeader(lsn: Lsn, size: { page: bigint; segment: bigint }): Lsn {
  if (lsn % size.segment === SEGMENT_HEADER_BYTES) return lsn - SEGMENT_HEADER_BYTES;
  return lsn % size.page === PAGE_HEADER_BYTES ? lsn - PAGE_HEADER_BYTES : lsn;
}

/** A session whose transaction is waited for. */
export interface OlderTransaction {
  /** Null for a prepared transaction, which has no session. */
  readonly pid: number | null;
  readonly ageSeconds: number;
  readonly applicationName: string;
  /** `active`, `idle in transaction`, `prepared` … */
  readonly state: string;
}

/** Whom we wait for, in words: `pid 4711 (12 s, psql)`. */
export function describeOlder(older: readonly OlderTransaction[]): string {
  const who = older.map(({ pid, ageSeconds, applicationName }) => {
    return `${pid === null ? 'prepared' : `pid ${pid}`} (${ageSeconds} s, ${applicationName})`;
  });
  return who.join(', ');
}

const POLL_MS = 100;

/**
 * Waits until every transaction that is running now has ended. Called between the making of the slot and the
 * first chunk of a copy: a transaction whose commit record lies below the slot's start may not be
 * visible yet (synchronous replication), and would otherwise be in neither.
 *
 * @param options `onWait` hears of those waited for, at each poll while there are some.
 * @throws {AppError} of the queries; the signal's reason when aborted.
 */
export async function waitForOlderTransactions(
  client: pg.Client,
  options: { signal?: AbortSignal; onWait?: (waitedFor: readonly OlderTransaction[]) => void } = {},
): Promise<void> {
  // A new xid is taken: a snapshot's xmax alone would leave out who runs with an xid above all that have ended.
  const [row] = await pgRows(client, 'SELECT pg_current_xact_id() AS xid');
  const xid = row!['xid']!;
  for (;;) {
    options.signal?.throwIfAborted();
    const [state] = await pgRows(client, 'SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 AS passed', [xid]);
    if (state!['passed'] === 't') return;
    options.onWait?.(await olderTransactions(client, xid));
    await delay(POLL_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** Those that hold a transaction id below `xid` (64 bits; sessions show the low 32, so it is compared by age). */
async function olderTransactions(client: pg.Client, xid: string): Promise<OlderTransaction[]> {
  const limit = (BigInt(xid) & 0xffff_ffffn).toString();
  const rows = await pgRows(
    client,
    `SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::int AS age
     FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND age(backend_xid) > age($1::text::xid)
     UNION ALL
     SELECT NULL, gid, 'prepared', extract(epoch FROM clock_timestamp() - prepared)::int
     FROM pg_prepared_xacts WHERE age(transaction) > age($1::text::xid)`,
    [limit],
  );
  return rows.map((row) => ({
    pid: orNull(row['pid'], Number),
    ageSeconds: Number(row['age'] ?? 0),
    applicationName: row['application_name'] ?? '',
    state: row['state'] ?? '',
  }));
}
