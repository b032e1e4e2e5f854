/**
 * A batch: the changes of one or more whole transactions, by table; or one piece of a transaction that is
 * larger than a batch may be. Batches are cut by the accumulator (accumulate.ts) and applied in order.
 */
import type { UnfitPolicy } from '../codec/column.ts';
import type { Commit } from '../destination/commits.ts';
import type { Lsn } from '../model/lsn.ts';
import type { Barrier } from './barrier.ts';
import type { TableLayout } from './layout.ts';
import { type BatchMode, TableBatch } from './table-batch.ts';

/** Changes to apply together. */
export class Batch {
  readonly kind = 'batch';
  readonly mode: BatchMode;
  readonly tables = new Map<number, TableBatch>();
  /** Tables (by oid) whose columns are to be looked at again before this is applied: see past-reading.ts. */
  readonly unproved = new Set<number>();
  /** Id of the last transaction in it, 32 bits. */
  xid = 0;
  /** Commit position of the last transaction in it, also when that one is not complete. */
  lastCommitLsn: Lsn = 0n;
  /** Position behind the last complete transaction in it; null when there is none. */
  endLsn: Lsn | null = null;
  /** Commit time of the last complete transaction, µs since 1970. */
  commitTimeUs = 0n;
  /** Those that end in it, where they are kept. */
  readonly commits: Commit[] = [];
  /** Row changes. */
  changes = 0;
  /** Whether it ends inside a transaction: then it does not move the position. */
  isOpen = false;

  constructor(mode: BatchMode) {
    this.mode = mode;
  }

  /** True when there is neither a row nor a position to carry over. */
  get isEmpty(): boolean {
    return this.changes === 0 && this.endLsn === null;
  }

  /** Bytes of rows held. */
  get byteLength(): number {
    let bytes = 0;
    for (const table of this.tables.values()) bytes += table.byteLength;
    return bytes;
  }
}

/** A TRUNCATE: everything before it is applied first, everything after it later. */
export interface TruncateWork {
  readonly kind: 'truncate';
  readonly xid: number;
  readonly tables: readonly TableLayout[];
  /** Changes of the same transaction before it, by oid, of tables without a key. */
  readonly ordinals: ReadonlyMap<number, number>;
  readonly lsn: Lsn;
  /** Commit position and time of its transaction. */
  readonly commitLsn: Lsn;
  readonly commitTimeUs: bigint;
}

/** Rows and buckets to compute again, on request (repair.ts). */
export interface RepairWork {
  readonly kind: 'repair';
  /** The request. */
  readonly id: string;
}

/** The rollup is to be computed anew, on request. */
export interface RebuildWork {
  readonly kind: 'rebuild';
  /** The request. */
  readonly id: string;
  /** Month of the events, see model/control.ts; null: all. */
  readonly month: string | null;
}

/** Requests whose turn comes in the queue. */
export type RequestWork = Barrier | RepairWork | RebuildWork;

/** What is taken from the queue, in order. */
export type Work = Batch | TruncateWork | RequestWork;

/** True for what is served on request; the rest is applied. */
export function isRequest(work: Work): work is RequestWork {
  return work.kind === 'barrier' || work.kind === 'repair' || work.kind === 'rebuild';
}

/** Table batches that are not in use, by relation: their memory serves the next batch. */
export class TableBatchPool {
  readonly #free = new Map<TableLayout, TableBatch[]>();
  readonly #policiesOf: (layout: TableLayout) => readonly UnfitPolicy[];

  constructor(policiesOf: (layout: TableLayout) => readonly UnfitPolicy[]) {
    this.#policiesOf = policiesOf;
  }

  /** An empty batch for the table. */
  take(layout: TableLayout, mode: BatchMode): TableBatch {
    const batch = this.#free.get(layout)?.pop() ?? new TableBatch(layout, this.#policiesOf(layout));
    batch.clear(mode);
    return batch;
  }

  /** Gives back what an applied batch held. */
  release(batch: Batch): void {
    for (const table of batch.tables.values()) {
      const free = this.#free.get(table.layout) ?? [];
      if (free.length < 2) free.push(table);
      this.#free.set(table.layout, free);
    }
    batch.tables.clear();
  }
}
