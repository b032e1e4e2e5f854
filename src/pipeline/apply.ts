/**
 * Applies work to ClickHouse, one piece after the other, so that whatever dies and when, nothing is lost
 * and nothing counts twice.
 *
 *   old states read → plan durable → pieces landed → (buckets reconciled) → applied durable → confirmed
 *
 * The plan says up to which commit position a batch may be in the copy, and which rollup buckets it takes
 * old states from. After a crash everything up to that position is applied to the mirrors alone (they fold
 * repeats by key and version) and the buckets are recomputed from them: see recovery in ARCHITECTURE.md.
 */
import type { ColumnBuffer } from '../codec/column.ts';
import { encodeBlock } from '../codec/native.ts';
import { type Checkpoint, CLEAN, isClean, mergeDirty } from '../destination/checkpoint.ts';
import { keepCommits } from '../destination/commits.ts';
import { insertPiece, LANDING_SETTINGS, type Patience, untilDone } from '../destination/landing.ts';
import { lookupRows } from '../destination/lookup.ts';
import { type PriceChange, priceEffect } from '../destination/prices.ts';
import { type DirtyBuckets, rebuild, reconcile, reloadPrices } from '../destination/rollups.ts';
import { chIdent } from '../model/quote.ts';
import { maxLsn, type Lsn } from '../model/lsn.ts';
import { isKeyless, onDeleteOf, tableLabel } from '../model/table.ts';
import type { Copy } from './copy.ts';
import type { Batch, TruncateWork } from './batch.ts';
import { bucketsOf, hourOf } from './dirty.ts';
import { failPoint, failPointOnTheWay } from './fail-points.ts';
import { historyColumns, type TableLayout, layoutNames } from './layout.ts';
import type { Key } from './row-key.ts';
import type { FetchedRows } from './gaps.ts';
import type { TableBatch } from './table-batch.ts';

/** For batches whose open values all come from their own earlier rows. */
const NOTHING_FETCHED: FetchedRows = { columns: [], rowOf: new Map() };

/**
 * How far a plan reaches ahead, in bytes of WAL: a crash makes that much at most be applied with a reconcile at its
 * end, and in return most batches need no plan of their own before they land.
 */
const PLAN_BYTES = 16n * 1024n * 1024n;
/** How long the stored position may lag while work never ends, ms. */
const STORE_INTERVAL_MS = 500;

/** What the applier tells its owner, and asks it. */
export interface ApplierEvents {
  /** Rows of a loading table that wait for unchanged TOAST values. */
  readonly onIncomplete: (batch: TableBatch, rows: readonly { row: number; key: Key }[]) => Promise<void>;
  /** Old states that the mirror did not have although it should: it differs from the source. */
  readonly onAbsent: (batch: TableBatch, rows: number) => void;
  /** Called before a mirror is emptied: chunks in flight must have come to rest when it resolves. */
  readonly beforeTruncate: (work: TruncateWork) => Promise<void>;
  readonly afterTruncate: (work: TruncateWork) => Promise<void>;
  /** Rows of lower versions are not confirmed by a resync yet: they do not count as old states. */
  readonly baseVersionOf: (layout: TableLayout) => Lsn;
}

/** The writer of the copy. Not re-entrant: one `apply` at a time. */
export class Applier {
  /** The state as last decided; its `appliedLsn` may be ahead of {@link durableLsn}. */
  state: Checkpoint;
  /** Whether work was begun and has not come to its end. */
  isInHand = false;
  /** Position up to which the applied state is stored: what may be confirmed. */
  durableLsn: Lsn;

  readonly #copy: Copy;
  readonly #events: ApplierEvents;
  readonly #patience: Patience;
  /** Commit position of the last transaction of which anything has landed. */
  #landedLsn: Lsn;
  /** Whether that transaction has landed in part only. */
  #isOpen = false;
  /** Batches so far: names each in its token. */
  #batches = 0;
  #storedAtMs = 0;

  constructor(copy: Copy, state: Checkpoint, options: { events: ApplierEvents; patience: Patience }) {
    this.#copy = copy;
    this.state = state;
    this.durableLsn = state.appliedLsn;
    this.#landedLsn = state.appliedLsn;
    this.#events = options.events;
    this.#patience = options.patience;
  }

  /**
   * Applies one piece of work.
   *
   * @param hasMore Whether other work waits when this is done: then storing the position may wait a little.
   */
  async apply(work: Batch | TruncateWork, hasMore: () => boolean): Promise<void> {
    this.isInHand = true;
    if (work.kind === 'truncate') await this.#truncate(work);
    else await this.#applyBatch(work);
    this.isInHand = false;
    if (!hasMore() || performance.now() - this.#storedAtMs > STORE_INTERVAL_MS) await this.store();
  }

  /**
   * Announces a new writer: its epoch is in every token from here on. The fence was raised before the state was read
   * (prepare.ts), so nothing of an earlier writer lands after this.
   */
  async takeOver(recovering: boolean, sourceTimeline: number): Promise<void> {
    await this.#write({ ...this.state, epoch: this.#copy.fence.epoch, recovering, sourceTimeline });
    failPoint('taken-over');
  }

  /** The last store before it ends in order: the next start has nothing in doubt. */
  async settle(patience: Patience): Promise<void> {
    if (this.#isOpen || this.isInHand || this.state.recovering) await this.store(patience);
    else await this.#write({ ...this.state, plannedLsn: 0n, dirty: CLEAN }, patience);
  }

  /** Stores the state if it has moved since it was stored last. */
  async store(patience = this.#patience): Promise<void> {
    if (this.durableLsn === this.state.appliedLsn) return;
    await this.#write(this.state, patience);
    failPoint('stored');
  }

  /** Moves the position over WAL that holds nothing for us. Not stored by itself: see {@link store}. */
  skipTo(lsn: Lsn): void {
    if (lsn > this.state.appliedLsn) this.state = { ...this.state, appliedLsn: lsn };
  }

  /** Computes all rollups from the mirrors: at the end of a load, when every table of theirs is consistent. */
  async buildRollups(): Promise<void> {
    await this.#retry(() => reloadPrices(this.#copy.clickhouse, this.#copy.names));
    await this.#reconcile({ ...CLEAN, all: true });
    failPoint('rollups-built');
    await this.#write({ ...this.state, rollupsLive: true, dirty: CLEAN, plannedLsn: this.#landedLsn + PLAN_BYTES });
    failPoint('rollups-stored');
  }

  /**
   * Computes a rollup that is live anew from the mirrors. It needs no plan: a crash in the middle leaves buckets as
   * they were or right, and the next writer ends the statement before it writes (fence.ts).
   *
   * @param month See model/control.ts.
   * @returns Buckets corrected.
   */
  async rebuildRollups(month: string | null): Promise<number> {
    const { clickhouse, names, fence } = this.#copy;
    await this.#retry(() => reloadPrices(clickhouse, names));
    const options = { signal: this.#patience.signal, tag: fence.tag('reconcile') };
    return await this.#retry(() => rebuild(clickhouse, names, month, options));
  }

  /** Reconciles what a crash left in doubt, once the stream has passed it. */
  async recover(): Promise<void> {
    await this.#retry(() => reloadPrices(this.#copy.clickhouse, this.#copy.names));
    await this.#reconcile(this.state.dirty);
    failPoint('recovered');
    await this.#write({ ...this.state, dirty: CLEAN, recovering: false, plannedLsn: this.#landedLsn + PLAN_BYTES });
    failPoint('recovery-stored');
  }

  /**
   * Writes rows that were read again from the source, and computes what they touch anew. Like any batch it is planned
   * first: a crash in the middle is found, and reconciled.
   *
   * @param batch Of mode `tracked`.
   * @param dirty Buckets of the states that the mirrors had instead, and whatever else is to be computed again.
   */
  async repair(batch: Batch, dirty: DirtyBuckets): Promise<void> {
    this.#batches++;
    this.isInHand = true;
    const touched = mergeDirty(bucketsOf(batch, 'all'), dirty);
    const plannedLsn = maxLsn(this.state.plannedLsn, this.#landedLsn + PLAN_BYTES);
    if (!isClean(touched))
      await this.#write({ ...this.state, plannedLsn, dirty: mergeDirty(this.state.dirty, touched) });
    const hasPrices = [...batch.tables.values()].some(({ layout }) => layout.role.kind === 'prices');
    await this.#land(batch, hasPrices);
    failPoint('landed');
    await this.#reconcile(touched);
    if (!isClean(touched)) await this.#write({ ...this.state, dirty: CLEAN });
    this.isInHand = false;
  }

  async #applyBatch(batch: Batch): Promise<void> {
    this.#batches++;
    for (const table of batch.tables.values()) await this.#resolve(table);
    const prices = await this.#priceEffect(batch);
    const touched = batch.mode === 'load' ? CLEAN : bucketsOf(batch, batch.mode === 'tracked' ? 'all' : 'old');
    failPoint('resolved');
    await this.#retry(() => keepCommits(this.#copy, batch.commits, this.#patience.signal));
    await this.#plan(batch, mergeDirty(touched, { ...CLEAN, repriced: prices.repriced }));
    const certain = await this.#land(batch, prices.reload);
    failPoint('landed');
    if (batch.mode === 'deltas' && (!certain || prices.repriced.length > 0)) {
      const doubted = certain ? CLEAN : bucketsOf(batch, 'all');
      await this.#reconcile(mergeDirty(doubted, { ...CLEAN, repriced: prices.repriced }));
      failPoint('reconciled');
    }
    this.#landedLsn = maxLsn(this.#landedLsn, batch.lastCommitLsn);
    this.#isOpen = batch.isOpen;
    if (batch.endLsn !== null) this.#advance(batch, batch.endLsn);
  }

  /**
   * Makes sure that a crash during the batch will be noticed, and what it would leave in doubt is known. A plan
   * reaches ahead of the batch, so that batches which only add rows need none of their own; and those that no
   * rollup counts need none at all.
   */
  async #plan(batch: Batch, dirty: DirtyBuckets): Promise<void> {
    const isCounted = [...batch.tables.values()].some(({ layout, rows }) => layout.role.kind !== 'plain' && rows > 0);
    if (!isCounted || !this.state.rollupsLive) return;
    const isCovered = batch.lastCommitLsn < this.state.plannedLsn;
    if (isCovered && isClean(dirty)) return;
    const plannedLsn = isCovered ? this.state.plannedLsn : batch.lastCommitLsn + PLAN_BYTES;
    await this.#write({ ...this.state, plannedLsn, dirty: mergeDirty(this.state.dirty, dirty) });
    failPoint('planned');
  }

  /** After a landed batch: its whole transactions are applied. What it made dirty is right again, unless it is a piece or a crash's. */
  #advance(batch: Batch, endLsn: Lsn): void {
    const { state } = this;
    this.state = {
      ...state,
      appliedLsn: maxLsn(state.appliedLsn, endLsn),
      commitLsn: endLsn,
      appliedCommitTimeUs: batch.commitTimeUs,
      dirty: batch.isOpen || state.recovering ? state.dirty : CLEAN,
    };
  }

  /** Fetches the old states that the batch wants, and completes its rows with them. */
  async #resolve(table: TableBatch): Promise<void> {
    if (!table.isOpen) return;
    const fetched = table.wanted.size === 0 ? NOTHING_FETCHED : await this.#retry(() => this.#fetch(table));
    const { incomplete, absent } = table.resolve(fetched);
    if (table.mode === 'deltas' && absent > 0) this.#events.onAbsent(table, absent);
    if (incomplete.length > 0) await this.#events.onIncomplete(table, incomplete);
  }

  async #fetch(table: TableBatch): Promise<FetchedRows> {
    const { table: source, codecs } = table.layout;
    const columns: (ColumnBuffer | undefined)[] = [];
    const into = new Map<string, ColumnBuffer>();
    for (const i of new Set([...source.key, ...table.wantedColumns])) {
      const column = codecs[i]?.open({ action: 'fail', report: () => undefined });
      columns[i] = column;
      if (column !== undefined) into.set(source.columns[i]?.name ?? '', column);
    }
    const rows = await lookupRows(this.#copy.clickhouse, {
      mirror: layoutNames(this.#copy.names, table.layout).mirror,
      keyNames: source.key.map((i) => source.columns[i]?.name ?? ''),
      keys: table.keyRows,
      into,
      sinceVersion: this.#events.baseVersionOf(table.layout),
      signal: this.#patience.signal,
    });
    const rowOf = new Map<Key, number>();
    for (let row = 0; row < rows; row++) rowOf.set(table.keyIn(columns, row), row);
    return { columns, rowOf };
  }

  async #priceEffect(batch: Batch): Promise<{ reload: boolean; repriced: DirtyBuckets['repriced'] }> {
    if (batch.mode === 'load') return { reload: false, repriced: [] };
    const changes: PriceChange[] = [];
    for (const { layout, columns, marks, rows } of batch.tables.values()) {
      if (layout.role.kind !== 'prices') continue;
      for (let row = 0; row < rows; row++) {
        if (!marks.isRaw(row) || marks.isDeleted(row)) continue;
        const campaignId = columns[layout.role.idColumn]?.value(row) as number;
        const bid = columns[layout.role.bidColumn]?.value(row) as bigint;
        changes.push({ campaignId, bid, hour: hourOf(marks.committedAtUs(row)) });
      }
    }
    return await this.#retry(() => priceEffect(this.#copy.clickhouse, this.#copy.names, changes));
  }

  /** Lands the tables that prices depend on first, then the others side by side. Returns whether all was certain. */
  async #land(batch: Batch, reload: boolean): Promise<boolean> {
    const tables = [...batch.tables.values()].filter((table) => table.rows > 0);
    const events = tables.filter((table) => table.layout.role.kind === 'events');
    const others = tables.filter((table) => table.layout.role.kind !== 'events');
    const first = await Promise.all(others.map((table) => this.#landTable(table)));
    if (reload) {
      await this.#retry(() => reloadPrices(this.#copy.clickhouse, this.#copy.names));
      failPoint('prices-reloaded');
    }
    failPoint('partly-landed');
    const second = await Promise.all(events.map((table) => this.#landTable(table)));
    return [...first, ...second].every(Boolean);
  }

  async #landTable(table: TableBatch): Promise<boolean> {
    const source = table.layout.table;
    const block = table.encode();
    const parts = encodeBlock(block, table.rows);
    const columns = block.map(({ name }) => chIdent(name)).join(', ');
    const token = `${this.#copy.pipeline}:${this.state.epoch}:${this.#batches}:${tableLabel(source)}`;
    failPointOnTheWay('sent');
    const certain = await insertPiece(this.#copy.clickhouse, {
      sql: `INSERT INTO ${layoutNames(this.#copy.names, table.layout).landing} (${columns}) FORMAT Native`,
      parts,
      settings: { ...LANDING_SETTINGS, ...this.#copy.fence.settings('batch'), insert_deduplication_token: token },
      ...this.#patience,
    });
    failPoint('table-landed');
    return certain;
  }

  async #truncate(work: TruncateWork): Promise<void> {
    const { rollupsLive } = this.state;
    const plannedLsn = maxLsn(this.state.plannedLsn, work.commitLsn + PLAN_BYTES);
    await this.#write({ ...this.state, plannedLsn, dirty: { ...CLEAN, all: rollupsLive } });
    failPoint('truncate-planned');
    this.#landedLsn = maxLsn(this.#landedLsn, work.commitLsn);
    this.#isOpen = true;
    await this.#events.beforeTruncate(work);
    for (const layout of work.tables) {
      if (layout.history) {
        await this.#retry(() => this.#endHistory(layout, work));
        failPoint('history-ended');
      }
      const isSoft = onDeleteOf(layout.table) === 'soft';
      await this.#retry(() => (isSoft ? this.#endAll(layout, work) : this.#empty(layout, work)));
    }
    failPoint('truncated');
    if (rollupsLive) await this.#reconcile({ ...CLEAN, all: true });
    failPoint('truncate-reconciled');
    await this.#events.afterTruncate(work);
  }

  /**
   * Empties a mirror: as fast as TRUNCATE, but while another writer is in force it deletes nothing. A constraint
   * looks at inserts alone, so the condition asks the fence itself, where and when the rows are deleted.
   */
  async #empty(layout: TableLayout, { commitLsn, ordinals }: TruncateWork): Promise<void> {
    const { clickhouse, names, fence } = this.#copy;
    // Without a key a loaded row is not streamed again: those of a load that began behind this TRUNCATE stay.
    const place = `(${commitLsn}, ${ordinals.get(layout.table.oid) ?? 0})`;
    const before = isKeyless(layout.table) ? ` AND (_version, _ordinal) < ${place}` : '';
    const { mirror } = layoutNames(names, layout);
    await clickhouse.command(`ALTER TABLE ${mirror} DELETE WHERE ${fence.condition}${before}`, {
      signal: this.#patience.signal,
      settings: { ...fence.settings('truncate'), mutations_sync: 1 },
    });
  }

  /** Every row of the mirror that has not ended does so at the TRUNCATE, and stays. May be repeated. */
  async #endAll(layout: TableLayout, work: TruncateWork): Promise<void> {
    const { clickhouse, names, fence } = this.#copy;
    const { mirror } = layoutNames(names, layout);
    await clickhouse.command(
      `INSERT INTO ${mirror} SELECT * REPLACE({lsn:UInt64} AS _version, fromUnixTimestamp64Micro({us:Int64}, 'UTC') AS _deleted_at)
       FROM (SELECT * FROM ${mirror} FINAL WHERE _deleted = 0 AND _deleted_at IS NULL AND _version <= {lsn:UInt64})`,
      {
        params: { lsn: String(work.lsn), us: String(work.commitTimeUs) },
        settings: fence.settings('truncate'),
        signal: this.#patience.signal,
      },
    );
  }

  /**
   * Every live row of the mirror ends in the history at the TRUNCATE. May be repeated. The rows are chosen in a query
   * of their own: beside REPLACE a condition would mean the replaced values.
   */
  async #endHistory(layout: TableLayout, work: TruncateWork): Promise<void> {
    const { target } = layout.table;
    const columns = historyColumns(layout).map(chIdent).join(', ');
    const database = chIdent(this.#copy.names.database);
    const history = `${database}.${chIdent(`${target}_history`)}`;
    await this.#copy.clickhouse.command(
      `INSERT INTO ${history} (${columns}, _version, _deleted, _committed_at)
       SELECT ${columns}, {lsn:UInt64}, 1, fromUnixTimestamp64Micro({us:Int64}, 'UTC')
       FROM ${database}.${chIdent(target)} FINAL WHERE _deleted = 0 AND _version <= {lsn:UInt64}`,
      {
        params: { lsn: String(work.lsn), us: String(work.commitTimeUs) },
        settings: this.#copy.fence.settings('history'),
        signal: this.#patience.signal,
      },
    );
  }

  async #reconcile(dirty: DirtyBuckets): Promise<void> {
    if (isClean(dirty)) return;
    const { clickhouse, names, fence } = this.#copy;
    const options = { signal: this.#patience.signal, tag: fence.tag('reconcile') };
    failPointOnTheWay('reconcile-sent');
    await this.#retry(() => reconcile(clickhouse, names, dirty, options));
  }

  async #write(state: Checkpoint, patience = this.#patience): Promise<void> {
    const next = { ...state, seq: this.state.seq + 1n };
    this.state = next;
    const write = (): Promise<void> => this.#copy.checkpoint.write(next, patience.signal);
    await untilDone(write, { ...patience, what: 'store the checkpoint' });
    this.durableLsn = next.appliedLsn;
    this.#storedAtMs = performance.now();
  }

  #retry<T>(action: () => Promise<T>): Promise<T> {
    return untilDone(action, this.#patience);
  }
}
