/**
 * The checkpoint: where the copy stands and what is in doubt, kept in ClickHouse beside the data.
 *
 *   plan written → pieces landed → applied written → position confirmed to PostgreSQL
 *
 * One row holds everything (see sql/clickhouse/V1__internal.sql), so a crash leaves either the old
 * state or the new one. Nobody but the holder of the replication slot writes it.
 */
import { formatMicros } from '../model/instant.ts';
import type { Lsn } from '../model/lsn.ts';
import type { ClickHouse } from './client.ts';
import { chIdent } from '../model/quote.ts';
import type { DirtyBuckets } from './rollups.ts';
import type { Names } from './ddl.ts';
import { writeTag } from './fence.ts';

/** What the newest row of the checkpoint says. */
export interface Checkpoint {
  readonly epoch: bigint;
  readonly seq: bigint;
  /** Everything committed before this position is in the copy. */
  readonly appliedLsn: Lsn;
  /** End of the last transaction applied; {@link appliedLsn} may lie behind it, over WAL that holds nothing for us. */
  readonly commitLsn: Lsn;
  /** µs since 1970 of the last applied transaction's commit; 0 when there was none. */
  readonly appliedCommitTimeUs: bigint;
  /** Up to this commit position changes may be in the copy already, in whole or in part; 0: nothing in doubt. */
  readonly plannedLsn: Lsn;
  /** What a crash left in doubt is being applied. */
  readonly recovering: boolean;
  /** What to reconcile if the batch stays in doubt. */
  readonly dirty: DirtyBuckets;
  readonly rollupsLive: boolean;
  /** Identity of the source database. */
  readonly sourceId: string;
  /** Timeline of the source when it was written; 0: not known. */
  readonly sourceTimeline: number;
}

/** Nothing to reconcile. */
export const CLEAN: DirtyBuckets = { all: false, impressions: [], clicks: [], repriced: [] };

/** Above so many buckets the plan says “all”: the row stays small, and one pass is cheaper by then. */
const MAX_PLANNED_BUCKETS = 200_000;

interface CheckpointRow {
  epoch: string;
  seq: string;
  applied_lsn: string;
  commit_lsn: string;
  applied_commit_time_us: string;
  planned_lsn: string;
  recovering: boolean;
  dirty: string;
  rollups_live: boolean;
  source_id: string;
  /** Absent before V10__resync.sql. */
  source_timeline?: number;
}

/** Reads and writes the checkpoint of one pipeline. */
export class CheckpointStore {
  readonly #clickhouse: ClickHouse;
  readonly #names: Names;
  readonly #table: string;
  readonly #pipeline: string;

  constructor(clickhouse: ClickHouse, names: Names, pipeline: string) {
    this.#clickhouse = clickhouse;
    this.#names = names;
    this.#table = `${chIdent(names.internal)}.checkpoint`;
    this.#pipeline = pipeline;
  }

  /** The newest state, or null before the first start. Also of a copy whose tables are to be brought up to date first. */
  async read(): Promise<Checkpoint | null> {
    const rows = await this.#clickhouse.rows<CheckpointRow>(
      `SELECT *, toUnixTimestamp64Micro(applied_commit_time) AS applied_commit_time_us
       FROM ${this.#table} WHERE pipeline = {pipeline:String} ORDER BY seq DESC LIMIT 1`,
      { params: { pipeline: this.#pipeline } },
    );
    const row = rows[0];
    if (row === undefined) return null;
    return {
      epoch: BigInt(row.epoch),
      seq: BigInt(row.seq),
      appliedLsn: BigInt(row.applied_lsn),
      commitLsn: BigInt(row.commit_lsn),
      appliedCommitTimeUs: BigInt(row.applied_commit_time_us),
      plannedLsn: BigInt(row.planned_lsn),
      recovering: row.recovering,
      dirty: JSON.parse(row.dirty) as DirtyBuckets,
      rollupsLive: row.rollups_live,
      sourceId: row.source_id,
      sourceTimeline: row.source_timeline ?? 0,
    };
  }

  /**
   * Writes a state, as the writer of its epoch. Idempotent: the same `seq` again changes nothing. Durable when it returns.
   *
   * @throws {AppError} `FENCED` when the epoch is not the one in force.
   */
  async write(state: Checkpoint, signal?: AbortSignal): Promise<void> {
    const row = {
      pipeline: this.#pipeline,
      epoch: String(state.epoch),
      seq: String(state.seq),
      applied_lsn: String(state.appliedLsn),
      commit_lsn: String(state.commitLsn),
      applied_commit_time: formatMicros(state.appliedCommitTimeUs),
      planned_lsn: String(state.plannedLsn),
      recovering: state.recovering,
      dirty: JSON.stringify(compact(state.dirty)),
      rollups_live: state.rollupsLive,
      source_id: state.sourceId,
      source_timeline: state.sourceTimeline,
    };
    const log_comment = writeTag(this.#names, { pipeline: this.#pipeline, epoch: state.epoch }, 'checkpoint');
    const body = Buffer.from(`${JSON.stringify(row)}\n`);
    await this.#clickhouse.insert(
      `INSERT INTO ${this.#table} (${Object.keys(row).join(', ')}) FORMAT JSONEachRow`,
      [body],
      { signal, settings: { input_format_skip_unknown_fields: 0, log_comment } },
    );
  }
}

/** True when there is nothing to reconcile. */
export function isClean(dirty: DirtyBuckets): boolean {
  return !dirty.all && dirty.impressions.length + dirty.clicks.length + dirty.repriced.length === 0;
}

/** Both sets of buckets together; duplicates are allowed, the reconcile folds them. */
export function mergeDirty(a: DirtyBuckets, b: DirtyBuckets): DirtyBuckets {
  if (isClean(a)) return b;
  if (isClean(b)) return a;
  return compact({
    all: a.all || b.all,
    impressions: [...a.impressions, ...b.impressions],
    clicks: [...a.clicks, ...b.clicks],
    repriced: [...a.repriced, ...b.repriced],
  });
}

function compact(dirty: DirtyBuckets): DirtyBuckets {
  const many = dirty.impressions.length + dirty.clicks.length + dirty.repriced.length > MAX_PLANNED_BUCKETS;
  return dirty.all || many ? { ...CLEAN, all: true } : dirty;
}
