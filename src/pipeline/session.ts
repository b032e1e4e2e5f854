/**
 * One connection's life: from an open stream to its end. This is the loop of ARCHITECTURE.md:
 *
 *   stream ─► accumulate ─► apply (plan, land, reconcile, store) ─► confirm
 *   load ────────────────────┘
 *
 * Whatever ends it, the next session begins at the checkpoint.
 */
import type { UnfitPolicy } from '../codec/column.ts';
import { type Patience, untilDone } from '../destination/landing.ts';
import { AppError, isAbort } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { tableLabel } from '../model/table.ts';
import type { ReplicationStream } from '../source/stream.ts';
import { Accumulator } from './accumulate.ts';
import { awayForLong, isAway } from './away.ts';
import type { Applier } from './apply.ts';
import { type Batch, isRequest, TableBatchPool, type Work } from './batch.ts';
import type { CatalogWatch } from './catalog-watch.ts';
import type { Controls } from './controls.ts';
import { failPoint } from './fail-points.ts';
import type { Loader } from './load.ts';
import { Ledger } from './ledger.ts';
import type { PipelineOptions, PipelineProgress } from './options.ts';
import { watchPartitions } from './partition-watch.ts';
import { KnownLeaves } from './partitions.ts';
import { openPace, type Pace } from './pace.ts';
import type { Prepared } from './prepare.ts';
import { RetryBoard } from './retry-board.ts';
import type { TableLayout } from './layout.ts';
import type { BatchMode } from './table-batch.ts';
import {
  openApplier,
  openControls,
  openLoader,
  openReadings,
  openSessionStream,
  openWatch,
  quarantinedTables,
} from './session-parts.ts';
import { rollupsAreDue, sessionProgress } from './session-progress.ts';
import { Wake } from './wake.ts';

/** How often an idle position is stored, ms. */
const IDLE_STORE_MS = 1_000;
/** How often the server is asked for its position while something waits for one, ms. */
const POSITION_POLL_MS = 100;
/** When it is stopped: how long the work in hand may take to its end, and the last store, ms. */
const LAST_WORK_MS = 4_000;
const LAST_STORE_MS = 2_000;

/** Streams and loads until it is stopped or fails. */
export class Session {
  /** Whether a position was confirmed to PostgreSQL. */
  hasConfirmed = false;
  readonly #prepared: Prepared;
  readonly #options: PipelineOptions;
  readonly #patience: Patience;
  readonly #wake = new Wake();
  readonly #retries: RetryBoard;
  readonly #pool: TableBatchPool;
  readonly #ledger: Ledger;
  readonly #loader: Loader;
  readonly #applier: Applier;
  readonly #accumulator: Accumulator;
  readonly #controls: Controls;
  readonly #pace: Pace;
  readonly #catalog: CatalogWatch;
  /** Positions up to here may have been applied by a session that died; null when nothing is in doubt. */
  #recoverUntil: Lsn | null;
  #stream: ReplicationStream | null = null;
  #idleLsn: Lsn = 0n;
  #batches = 0;
  #changes = 0;
  #lastStoreAt = 0;
  #failure: unknown = null;
  /** Why another session is asked for; null while it is not. */
  #reconfigure: string | null = null;
  /** What is cut and not applied is taken again by the next session. */
  #hasDiscarded = false;
  /** Aborted when the session is over: whatever still loads or waits ends with it. */
  readonly #end = new AbortController();
  /** Aborts some time after the stop: until then the work in hand may come to its end. */
  readonly #deadline = new AbortController();
  /** States of tables that are on their way: stored before a position behind their last change is. */
  #storing: Promise<unknown> = Promise.resolve();

  /** @param unreadable Told of tables whose changes cannot be read: the next session builds them anew. */
  constructor(prepared: Prepared, options: PipelineOptions, unreadable: Map<number, string>) {
    this.#prepared = prepared;
    this.#options = options;
    const { copy, checkpoint } = prepared;
    const startDeadline = (): void => void setTimeout(() => this.#deadline.abort(), LAST_WORK_MS).unref();
    options.signal.addEventListener('abort', startDeadline, { once: true, signal: this.#end.signal });
    this.#retries = new RetryBoard(options.log, () => this.#onFailures());
    this.#patience = this.#retries.patience(AbortSignal.any([options.signal, this.#end.signal]));
    this.#pace = openPace(prepared, options);
    this.#ledger = new Ledger(copy, options.unfitPolicy);
    const policiesOf = (layout: TableLayout): UnfitPolicy[] => this.#ledger.policiesOf(layout);
    this.#pool = new TableBatchPool(policiesOf);
    this.#recoverUntil = prepared.start.recoverUntil;
    this.#loader = openLoader(prepared, options, {
      policiesOf,
      patience: this.#patience,
      room: () => this.#pace.room(this.#patience.signal),
      onQuarantine: (layout) => this.#accumulator.exclude(layout.table.oid),
      onBuilt: ({ table }) => this.#accumulator.end(`${tableLabel(table)} was built anew and takes its place`),
    });
    this.#applier = openApplier(prepared, {
      loader: this.#loader,
      log: options.log,
      patience: { ...this.#patience, signal: AbortSignal.any([this.#end.signal, this.#deadline.signal]) },
    });
    this.#accumulator = new Accumulator({
      layouts: new Map(prepared.layouts.map((layout) => [layout.table.oid, layout])),
      pool: this.#pool,
      startLsn: checkpoint.appliedLsn,
      commitLsn: checkpoint.commitLsn,
      mode: prepared.start.mode,
      keepsCommits: options.eventHistory === 'on',
      maxBytes: options.batchMaxBytes,
      quarantine: (layout, error) => this.#quarantine(layout, error),
      leaves: new KnownLeaves(prepared.layouts, prepared.states),
      onStrangeLeaf: ({ table }, oid) => this.#store(this.#loader.noteLeaf(table, oid)),
      onKept: (layout, what) => this.#ledger.countKept(layout, what),
      readings: openReadings(prepared),
      rebuild: ({ table }, why) => void unreadable.set(table.oid, why),
      reconfigure: (why) => this.#onReconfigure(why),
    });
    for (const { oid } of quarantinedTables(prepared)) this.#accumulator.exclude(oid);
    this.#controls = openControls(prepared, options, {
      applier: this.#applier,
      loader: this.#loader,
      pool: this.#pool,
      policiesOf,
      signal: this.#patience.signal,
      unready: () => (this.#recoverUntil !== null ? 'the copy recovers from a crash' : ''),
    });
    const onChange = (why: string): void => this.#accumulator.end(why);
    this.#catalog = openWatch(prepared, options, { signal: this.#patience.signal, onChange });
  }

  /** Opens the stream. Nothing was written to the copy before: the slot is the lock. */
  async open(): Promise<void> {
    const stream = await openSessionStream(this.#prepared, this.#options, {
      sink: this.#accumulator,
      onIdlePosition: (lsn) => this.#onIdlePosition(lsn),
      onReadEnd: () => this.#onReadEnd(),
    });
    this.#stream = stream;
    void stream.closed.then((reason) => this.#fail(reason));
  }

  /**
   * Runs until the signal aborts, or the tables are no more what it was prepared for: then it returns, with everything
   * before that stored, or something fails: then it throws. Called once, after {@link open}.
   */
  async run(): Promise<'stopped' | 'reconfigure'> {
    const stream = this.#stream;
    if (stream === null) throw new AppError('INTERNAL', 'the session is not open');
    let loading: Promise<unknown> = Promise.resolve();
    try {
      await this.#applier.takeOver(this.#recoverUntil !== null, this.#prepared.sourceTimeline);
      loading = Promise.all([this.#load(), this.#watch()]);
      await this.#loop(stream);
      return this.#reconfigure === null ? 'stopped' : 'reconfigure';
    } catch (error) {
      // Whoever asks whether a promoted standby has all that the copy has shall know it.
      if (!this.#end.signal.aborted) await this.#atLast((patience) => this.#applier.store(patience));
      throw this.#failure ?? error;
    } finally {
      // Before the load is waited for: it would go on to its end, and nothing would be streamed meanwhile.
      this.#end.abort();
      await stream.close();
      await loading;
      await this.#catalog.close();
    }
  }

  /** The last write of a session, which must not hold up its end. */
  async #atLast(write: (patience: Patience) => Promise<void>): Promise<void> {
    await write({ ...this.#patience, signal: AbortSignal.timeout(LAST_STORE_MS) }).catch((error: unknown) => {
      const message = 'the last position could not be stored: the next session repeats what is behind it';
      this.#options.log.warn({ err: error }, message);
    });
  }

  async #load(): Promise<void> {
    try {
      await this.#loader.run();
    } catch (error) {
      this.#fail(error);
    }
    this.#wake.notify();
  }

  /** What no change in the stream tells. */
  async #watch(): Promise<void> {
    const onChange = (why: string): void => this.#accumulator.end(why);
    const partitions = watchPartitions(this.#prepared, {
      url: this.#options.postgresUrl,
      patience: this.#patience,
      onChange,
    });
    await Promise.all([this.#catalog.run(), partitions]).catch((error: unknown) => this.#fail(error));
  }

  /** The loop. Everything that writes to the copy happens here, one thing after the other. */
  async #loop(stream: ReplicationStream): Promise<void> {
    const { signal, log } = this.#options;
    stream.requestKeepalive();
    try {
      while (!signal.aborted && !this.#mayGo) await this.#step(stream);
      await this.#storing;
    } catch (error) {
      // What the stop has ended is no failure, and the position is stored all the same.
      if (!signal.aborted || !isAbort(error)) throw error;
      if (this.#applier.isInHand)
        log.warn('the work in hand took too long and was given up: the next session repeats it');
    }
    failPoint('stopping');
    // Stopped in order: the next start has nothing to repeat.
    await this.#atLast((patience) => this.#applier.settle(patience));
    failPoint('settled');
    this.#confirm(stream);
  }

  /** True when another session was asked for, and all that this one has taken is applied. */
  get #mayGo(): boolean {
    return this.#reconfigure !== null && !this.#accumulator.hasWork;
  }

  async #step(stream: ReplicationStream): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const work = this.#nextWork();
    await this.#storing;
    await this.#ledger.store(this.#patience);
    if (work === null) await this.#idle(stream);
    else await this.#apply(work);
    await this.#transitions();
    this.#confirm(stream);
    if (stream.isPaused && !this.#accumulator.isFull) stream.resume();
    this.#report();
  }

  #confirm(stream: ReplicationStream): void {
    if (this.#applier.durableLsn <= stream.confirmed) return;
    stream.confirm(this.#applier.durableLsn);
    this.hasConfirmed = true;
    failPoint('confirmed');
  }

  /** The next work, if it is time for it. */
  #nextWork(): Work | null {
    const { queue } = this.#accumulator;
    if (queue.length === 0 && this.#accumulator.isReady && this.#pace.delayMs(this.#accumulator.openChanges) <= 0)
      this.#accumulator.cut();
    const mustWait = this.#isHeld || this.#pace.isFull || this.#pace.cutDelayMs > 0;
    return mustWait ? null : (queue.shift() ?? null);
  }

  /** True while the next work is a request that waits for its place. */
  get #isHeld(): boolean {
    const next = this.#accumulator.queue[0];
    return next?.kind === 'barrier' && next.holds();
  }

  async #apply(work: Work): Promise<void> {
    if (isRequest(work)) return await this.#controls.serve(work);
    if (this.#hasDiscarded || (work.kind === 'batch' && !(await this.#isProved(work)))) return;
    const hasMore = (): boolean => this.#accumulator.queue.length > 0 || this.#accumulator.isReady;
    await this.#pace.measure(work.kind === 'batch' ? work.changes : null, () => this.#applier.apply(work, hasMore));
    if (work.kind !== 'batch') return;
    this.#batches++;
    this.#changes += work.changes;
    this.#pool.release(work);
  }

  /** Whether the columns of a batch's tables are what they were taken for; else it is given up, and taken again. */
  async #isProved({ unproved }: Batch): Promise<boolean> {
    if (unproved.size === 0) return true;
    const isSame = await untilDone(() => this.#catalog.haveSameColumns(unproved), this.#patience);
    if (!isSame) this.#accumulator.discard('a table was altered while it was changed');
    this.#hasDiscarded = !isSame;
    return isSame;
  }

  /** Nothing to write now: moves over WAL that holds nothing for us, and waits. */
  async #idle(stream: ReplicationStream): Promise<void> {
    // Not once it has ended: what it left out lies before the positions that the server tells.
    const isQuiet = this.#reconfigure === null && !this.#accumulator.hasWork && !this.#accumulator.inTransaction;
    if (isQuiet) this.#applier.skipTo(this.#idleLsn);
    const now = performance.now();
    const isUnstored = this.#applier.state.appliedLsn > this.#applier.durableLsn;
    if (isUnstored && now - this.#lastStoreAt > IDLE_STORE_MS && !this.#pace.isFull) {
      this.#lastStoreAt = now;
      await this.#applier.store();
      return;
    }
    const awaitsPosition = !this.#loader.isDone || this.#recoverUntil !== null;
    if (isQuiet && awaitsPosition) stream.requestKeepalive();
    await this.#wake.wait(this.#waitMs(awaitsPosition), this.#options.signal);
  }

  #waitMs(awaitsPosition: boolean): number {
    if (this.#isHeld || this.#pace.isFull) return POSITION_POLL_MS;
    if (this.#accumulator.queue.length > 0) return Math.max(1, this.#pace.cutDelayMs);
    if (this.#accumulator.isReady) return Math.max(1, this.#pace.delayMs(this.#accumulator.openChanges));
    return awaitsPosition ? POSITION_POLL_MS : IDLE_STORE_MS;
  }

  /** What changes state once a position is passed. */
  async #transitions(): Promise<void> {
    const { journal } = this.#prepared;
    if (journal !== null && journal.from !== null && this.#applier.durableLsn >= journal.to) await journal.clear();
    const { appliedLsn } = this.#applier.state;
    await this.#loader.onPosition(appliedLsn);
    if (this.#recoverUntil !== null && appliedLsn >= this.#recoverUntil) {
      await this.#drain('deltas');
      this.#recoverUntil = null;
      await this.#applier.recover();
    }
    if (!this.#applier.state.rollupsLive && rollupsAreDue(this.#prepared, this.#loader)) {
      await this.#drain('deltas');
      await this.#applier.buildRollups();
      this.#options.log.info('rollups built, following by deltas');
    }
  }

  /** From here on batches are of another mode: those begun in the old one are applied first. */
  async #drain(mode: BatchMode): Promise<void> {
    this.#accumulator.mode = mode;
    this.#accumulator.cut();
    for (const work of this.#accumulator.queue.splice(0)) await this.#apply(work);
  }

  #onReadEnd(): void {
    this.#accumulator.endRead();
    if (this.#accumulator.isFull) this.#stream?.pause();
    this.#wake.notify();
  }

  #onIdlePosition(lsn: Lsn): void {
    this.#idleLsn = lsn;
    this.#wake.notify();
  }

  #quarantine(layout: TableLayout, error: AppError): void {
    this.#options.log.error({ table: tableLabel(layout.table), err: error }, 'table quarantined');
    this.#store(this.#loader.quarantine(layout, error));
  }

  /** A state of a table is on its way: stored before anything newer is applied, and before the session ends in order. */
  #store(storing: Promise<void>): void {
    const stored = storing.catch((cause: unknown) => this.#fail(cause));
    this.#storing = Promise.all([this.#storing, stored]);
  }

  #onReconfigure(why: string): void {
    this.#options.log.info({ why }, 'the tables are read anew');
    this.#reconfigure = why;
    this.#wake.notify();
  }

  /** Something in ClickHouse fails. After a while the source shall not wait for it, if there is a place to put its changes. */
  #onFailures(): void {
    this.#report();
    const { journalMaxBytes, journalAfterMs } = this.#options;
    const reason = journalMaxBytes > 0 ? this.#retries.failingSince(isAway, journalAfterMs) : null;
    if (reason === null) return;
    this.#fail(awayForLong(reason));
    this.#end.abort();
  }

  #fail(reason: unknown): void {
    if (reason === null || this.#patience.signal.aborted) return;
    this.#failure ??= reason;
    this.#wake.notify();
  }

  #report(): void {
    this.#options.onProgress?.(this.progress);
  }

  /** Where it stands. */
  get progress(): PipelineProgress {
    return sessionProgress(this.#prepared, {
      applier: this.#applier,
      loader: this.#loader,
      accumulator: this.#accumulator,
      pace: this.#pace,
      stream: this.#stream,
      retrying: this.#retries.worst,
      isRecovering: this.#recoverUntil !== null,
      isEnding: this.#reconfigure !== null,
      changes: this.#changes,
      batches: this.#batches,
    });
  }
}
