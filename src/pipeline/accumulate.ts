/**
 * Gathers the stream into batches: the decoder calls it per change, the pipeline cuts when it wants to write.
 *
 *   source/stream → source/pgoutput → [Accumulator] → Batch, TruncateWork → pipeline/apply
 *
 * Batches end at commits; only a transaction larger than `maxBytes` is cut inside. A retry within this
 * process sends the same batch; one after a crash may cut elsewhere, as recovery does not depend on it.
 */
import { CONTROL_PREFIX, type ControlMessage, decodeControl, parseSnapshot } from '../model/control.ts';
import { AppError, isAbort } from '../model/errors.ts';
import { formatLsn, type Lsn } from '../model/lsn.ts';
import { isKeyless, onDeleteOf, tableLabel } from '../model/table.ts';
import type {
  ChangeSink,
  DeleteTuple,
  LogicalMessage,
  RelationMessage,
  TransactionStart,
  UpdateTuples,
  WalPosition,
} from '../source/changes.ts';
import { Barrier } from './barrier.ts';
import { Batch, type TableBatchPool, type Work } from './batch.ts';
import { isBuiltBeside, type TableLayout } from './layout.ts';
import type { KnownLeaves } from './partitions.ts';
import type { PastReading, Readings } from './past-reading.ts';
import type { BatchMode, TableBatch } from './table-batch.ts';
import { VersionOrder } from './version-order.ts';

/** Cut batches that may wait while one is being applied; then the stream pauses. */
const MAX_QUEUED = 2;
/** While a request holds the loop, so many times the bytes of a batch may wait: behind them lies what it waits for. */
const HELD_BATCHES = 4;
/** How often the bytes of the open batch are counted: every so many changes. */
const SIZE_CHECK_CHANGES = 512;

/** What the accumulator needs from its owner. */
export interface AccumulatorOptions {
  /** Tables to follow, by relation oid. */
  readonly layouts: ReadonlyMap<number, TableLayout>;
  readonly pool: TableBatchPool;
  /** Transactions committed before this position are in the copy already. */
  readonly startLsn: Lsn;
  /** End of the last of them. */
  readonly commitLsn: Lsn;
  readonly mode: BatchMode;
  /** Each commit is told with its batch. */
  readonly keepsCommits: boolean;
  /** Above this a batch counts as full, and a transaction is cut. */
  readonly maxBytes: number;
  /** A table whose change cannot be taken: it is left out from here on, the others go on. */
  readonly quarantine: (layout: TableLayout, error: AppError) => void;
  /** What is known of partitions. */
  readonly leaves: KnownLeaves;
  /** The stream names a partition, by oid, that is not known: behind this nothing is taken. */
  readonly onStrangeLeaf: (root: TableLayout, oid: number) => void;
  /** Told of what the source deletes of a table whose copy keeps everything. */
  readonly onKept: (layout: TableLayout, what: 'DELETE' | 'TRUNCATE') => void;
  /** How to read what the stream announces. */
  readonly readings: Readings;
  /**
   * A table whose changes cannot be read as its present columns: it is to be built anew behind them. Nothing is taken from here
   * on, so that the next session meets the same change if nobody remembers it.
   */
  readonly rebuild: (layout: TableLayout, why: string) => void;
  /** The tables are no more what this session was prepared for: called once, behind the last change that is taken. */
  readonly reconfigure: (why: string) => void;
}

/** The sink of the stream. */
export class Accumulator implements ChangeSink {
  /** How batches begun from now on treat rollups. */
  mode: BatchMode;
  /** Work that is cut and waits to be applied, in order. */
  readonly queue: Work[] = [];
  /** Position behind the last transaction seen. */
  seenLsn: Lsn;

  readonly #options: AccumulatorOptions;
  readonly #quarantined = new Set<number>();
  /** Relations announced and not yet read: that waits for the first change that is taken. */
  readonly #announced = new Map<number, RelationMessage>();
  readonly #past = new Map<number, PastReading>();
  readonly #versions: VersionOrder;
  readonly #ordinals = new Map<number, { next: number }>();
  #commitPosition: WalPosition = { hi: 0, lo: 0 };
  #batch: Batch;
  #transaction: TransactionStart | null = null;
  #skips = false;
  #sinceSizeCheck = 0;
  #lastRelation = -1;
  #lastTable: TableBatch | null = null;
  /** Messages to us in the open transaction. */
  #messages: ControlMessage[] = [];
  /** Nothing is taken any more: the next session begins before what is left out here. */
  #hasEnded = false;
  /** While it waits for its place, each transaction is a batch of its own. */
  #barrier: Barrier | null = null;

  constructor(options: AccumulatorOptions) {
    this.#options = options;
    this.mode = options.mode;
    this.seenLsn = options.startLsn;
    this.#versions = new VersionOrder(options.commitLsn);
    this.#batch = new Batch(this.mode);
  }

  /** True between Begin and Commit. */
  get inTransaction(): boolean {
    return this.#transaction !== null;
  }

  /** Changes not yet cut. */
  get openChanges(): number {
    return this.#batch.changes;
  }
  /** Bytes of rows held, cut or not. */
  get byteLength(): number {
    return this.queue.reduce(
      (bytes, work) => bytes + (work.kind === 'batch' ? work.byteLength : 0),
      this.#batch.byteLength,
    );
  }
  /** Most bytes that have waited at the end of a read. */
  peakBytes = 0;

  /**
   * Called when a read has been decoded: a batch that is full is cut, however few its changes are, so that what waits is
   * bounded by bytes alone.
   */
  endRead(): void {
    if (this.#batch.byteLength > this.#options.maxBytes) this.cut();
    this.peakBytes = Math.max(this.peakBytes, this.byteLength);
  }

  /** True when enough waits to be applied: then nothing more is read. */
  get isFull(): boolean {
    if (!this.queue.some(({ kind }) => kind === 'barrier')) return this.queue.length >= MAX_QUEUED;
    return this.byteLength > HELD_BATCHES * this.#options.maxBytes;
  }

  /** True when something waits to be cut or applied. */
  get hasWork(): boolean {
    return this.queue.length > 0 || !this.#batch.isEmpty;
  }
  /** True when the open batch holds whole transactions that may be applied now. */
  get isReady(): boolean {
    return !this.#batch.isEmpty && !this.inTransaction;
  }

  /** Ends the open batch and puts it into the queue. Inside a transaction this makes a piece. */
  cut(): void {
    this.#batch.isOpen = this.inTransaction;
    if (!this.#batch.isEmpty) this.queue.push(this.#batch);
    this.#batch = new Batch(this.mode);
    this.#lastRelation = -1;
    if (this.#transaction !== null && !this.#hasEnded) this.#enter(this.#transaction);
  }

  /** Leaves a table out from here on. */
  exclude(oid: number): void {
    this.#quarantined.add(oid);
    this.#lastRelation = -1;
  }

  /**
   * Takes nothing from here on, and asks for another session. What was taken of the present transaction is cut as a
   * piece: the next session applies that transaction again, from its beginning.
   */
  end(why: string): void {
    if (this.#hasEnded) return;
    this.#barrier?.giveUp('the tables are read anew');
    this.#barrier = null;
    this.cut();
    this.#hasEnded = true;
    this.#skips = true;
    this.#options.reconfigure(why);
  }

  /** Gives up all that was taken and not applied, and asks for another session: that one takes it again. */
  discard(why: string): void {
    this.end(why);
    // Requests come again too: their messages lie in transactions that do.
    this.queue.length = 0;
  }

  begin(transaction: TransactionStart): void {
    this.#transaction = transaction;
    this.#lastRelation = -1;
    this.#ordinals.clear();
    this.#skips = this.#hasEnded || transaction.commitLsn < this.#options.startLsn;
    if (this.#skips) return;
    this.#versions.begin(transaction.commitLsn);
    const { commitLsn } = transaction;
    this.#commitPosition = { hi: Number(commitLsn >> 32n), lo: Number(commitLsn & 0xffff_ffffn) };
    this.#enter(transaction);
  }

  commit(_commitLsn: Lsn, endLsn: Lsn): void {
    const transaction = this.#transaction;
    if (transaction === null) throw new AppError('PROTOCOL', 'Commit without Begin');
    this.#transaction = null;
    this.seenLsn = endLsn;
    if (this.#skips) return;
    this.#versions.commit(endLsn);
    this.#batch.endLsn = endLsn;
    this.#batch.commitTimeUs = transaction.commitTimeUs;
    if (this.#options.keepsCommits) this.#batch.commits.push({ endLsn, timeUs: transaction.commitTimeUs });
    if (this.#barrier?.isWaiting === true) this.cut();
    for (const message of this.#messages.splice(0)) this.#obey(message);
  }

  message({ transactional, prefix, content }: LogicalMessage): void {
    if (this.#skips || !transactional || this.#transaction === null || prefix !== CONTROL_PREFIX) return;
    const message = decodeControl(content);
    if (message !== null) this.#messages.push(message);
  }

  relation(relation: RelationMessage): void {
    const root = this.#options.leaves.strangerOf(relation.oid);
    if (root !== null && !this.#hasEnded) {
      this.#options.onStrangeLeaf(root, relation.oid);
      this.end(`${tableLabel(root.table)} has a partition that was not there before`);
    }
    // Also within what is skipped: PostgreSQL announces a table once, until it changes.
    if (this.#options.layouts.has(relation.oid)) this.#announced.set(relation.oid, relation);
    this.#lastRelation = -1;
  }

  insert(oid: number, position: WalPosition, bytes: Buffer, newTuple: number): void {
    const table = this.#tableOf(oid);
    if (table === null) return;
    this.#guard(table, position, () =>
      table.insert(this.#version(table, position), bytes, newTuple, this.#commitTimeUs),
    );
  }

  update(oid: number, position: WalPosition, bytes: Buffer, tuples: UpdateTuples): void {
    const table = this.#tableOf(oid);
    if (table === null) return;
    this.#guard(table, position, () => table.update(this.#version(table, position), bytes, tuples, this.#commitTimeUs));
  }

  delete(oid: number, position: WalPosition, bytes: Buffer, tuple: DeleteTuple): void {
    const table = this.#tableOf(oid);
    if (table === null) return;
    if (onDeleteOf(table.layout.table) === 'keep') return this.#options.onKept(table.layout, 'DELETE');
    this.#guard(table, position, () => table.delete(this.#version(table, position), bytes, tuple, this.#commitTimeUs));
  }

  truncate(oids: readonly number[], position: WalPosition): void {
    if (this.#skips || this.#transaction === null) return;
    const layouts = oids.map((oid) => (this.#quarantined.has(oid) ? undefined : this.#options.layouts.get(oid)));
    const followed = layouts.filter((layout) => layout !== undefined).filter((layout) => !this.#isSeenByLoad(layout));
    const tables = followed.filter(({ table }) => onDeleteOf(table) !== 'keep');
    for (const layout of followed) if (!tables.includes(layout)) this.#options.onKept(layout, 'TRUNCATE');
    if (tables.length === 0) return;
    this.cut();
    const version = this.#versions.next(position);
    const lsn = (BigInt(version.hi) << 32n) | BigInt(version.lo);
    const { commitLsn, commitTimeUs, xid } = this.#transaction;
    const ordinals = new Map([...this.#ordinals].map(([oid, { next }]) => [oid, next]));
    this.queue.push({ kind: 'truncate', tables, ordinals, lsn, commitLsn, commitTimeUs, xid });
  }

  #enter({ commitLsn, xid }: TransactionStart): void {
    this.#batch.lastCommitLsn = commitLsn;
    this.#batch.xid = xid;
  }

  /** Does what a message says, at the end of its transaction. */
  #obey(message: ControlMessage): void {
    const barrier = this.#barrier;
    if (message.kind === 'hold') {
      barrier?.giveUp('another request came');
      this.cut();
      this.#barrier = new Barrier(message.id, message.maxMs);
      this.queue.push(this.#barrier);
    } else if (message.kind === 'repair') {
      this.cut();
      this.queue.push({ kind: 'repair', id: message.id });
    } else if (message.kind === 'rebuild') {
      this.cut();
      this.queue.push({ kind: 'rebuild', id: message.id, month: message.month });
    } else if (message.kind === 'reconfigure') {
      this.end('it was asked for');
    } else if (barrier?.id === message.id) {
      this.#barrier = null;
      if (message.kind === 'snapshot') barrier.place(this.queue, parseSnapshot(message.snapshot));
      else barrier.giveUp('it was taken back');
    }
  }

  get #commitTimeUs(): bigint {
    return this.#transaction?.commitTimeUs ?? 0n;
  }

  #tableOf(oid: number): TableBatch | null {
    if (this.#skips) return null;
    if (oid === this.#lastRelation) return this.#lastTable;
    const layout = this.#options.layouts.get(oid);
    if (layout === undefined || this.#quarantined.has(oid) || this.#isSeenByLoad(layout)) return null;
    const relation = this.#announced.get(oid);
    if (relation !== undefined && !this.#read(layout, relation)) return null;
    let table = this.#batch.tables.get(oid);
    if (table === undefined) {
      table = this.#options.pool.take(layout, this.#batch.mode);
      this.#batch.tables.set(oid, table);
    }
    if (isKeyless(layout.table)) table.ordinals = this.#ordinalsOf(oid);
    table.reading = this.#past.get(oid) ?? null;
    this.#lastRelation = oid;
    this.#lastTable = table;
    return table;
  }

  /** Finds out how the changes of a relation are read; false when they are not taken. */
  #read(layout: TableLayout, relation: RelationMessage): boolean {
    if (this.#transaction === null) return false;
    const reading = this.#options.readings.of(layout, relation, this.#transaction);
    if (reading.kind === 'newer') this.end(`${tableLabel(layout.table)} has other columns`);
    if (reading.kind === 'unknown') this.#onUnreadable(layout, reading.why);
    if (reading.kind === 'newer' || reading.kind === 'unknown') return false;
    this.#announced.delete(relation.oid);
    this.#past.delete(relation.oid);
    if (reading.kind === 'past') this.#past.set(relation.oid, reading.reading);
    if (!reading.isProved) this.#batch.unproved.add(relation.oid);
    return true;
  }

  /** Where it cannot be built anew beside its mirror, the changes would come again: such a table waits for somebody. */
  #onUnreadable(layout: TableLayout, why: string): void {
    const told = `${tableLabel(layout.table)} has changed its shape: ${why}`;
    if (!isBuiltBeside(layout)) return this.#giveUp(layout, new AppError('TABLE_QUARANTINED', told));
    this.exclude(layout.table.oid);
    this.#options.rebuild(layout, why);
    this.end(told);
  }

  /** Counts the changes of a table without a key in the open transaction, across its pieces. */
  #ordinalsOf(oid: number): { next: number } {
    const found = this.#ordinals.get(oid) ?? { next: 0 };
    this.#ordinals.set(oid, found);
    return found;
  }

  /** Changes of tables without a key are known by their commit and their number in it. */
  #version(table: TableBatch, position: WalPosition): WalPosition {
    if (isKeyless(table.layout.table)) return this.#commitPosition;
    return this.#versions.next(position, table.layout.history);
  }

  /** True for changes that the table's load begins behind. */
  #isSeenByLoad({ fromLsn }: TableLayout): boolean {
    return this.#transaction !== null && this.#transaction.commitLsn < fromLsn;
  }

  /** Takes one change; a value that does not fit costs this table, not the stream. */
  #guard(table: TableBatch, position: WalPosition, change: () => void): void {
    try {
      change();
    } catch (error) {
      if (isAbort(error) || !(error instanceof AppError) || error.code !== 'VALUE_UNFIT') throw error;
      // The source said that there is none: it allows it by now.
      if (error.details['isUnexpectedNull'] === true)
        return this.end(`${tableLabel(table.layout.table)} has a new NULL`);
      const at = formatLsn((BigInt(position.hi) << 32n) | BigInt(position.lo));
      this.#giveUp(table.layout, new AppError('TABLE_QUARANTINED', `${error.message} (at ${at})`, { cause: error }));
      return;
    }
    this.#batch.changes++;
    if (++this.#sinceSizeCheck < SIZE_CHECK_CHANGES) return;
    this.#sinceSizeCheck = 0;
    if (this.#batch.byteLength > this.#options.maxBytes) this.cut();
  }

  #giveUp(layout: TableLayout, error: AppError): void {
    this.exclude(layout.table.oid);
    this.#options.quarantine(layout, error);
  }
}
