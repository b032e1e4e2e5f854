/**
 * The load: brings every table into the copy, in chunks, while its changes stream.
 *
 *   waiting ─(older transactions ended)─► loading ─(last chunk in)─► catching_up ─(stream passed it)─► live
 *
 * Each chunk is read in its own short transaction, at its own time. Why that is exact:
 * - the slot exists first, and nothing is read before every transaction that ran at that time has ended;
 * - rows of chunks carry version 0: any change of the stream wins, deletes leave tombstones;
 * - a TRUNCATE discards what was read before it, also what is in flight: the load starts over;
 * - a row whose unchanged TOAST values came before the row itself is read again by key;
 * - a table is called live once the stream has passed the WAL position taken after its last chunk.
 *
 * Tables are loaded side by side, each by itself: what is said above is said of one table, whatever the others do. They
 * share the sessions that they are read with (load-sessions.ts), the position after a last chunk, which may be asked
 * later than need be and for several at once (shared-answer.ts), and the inserts of their states (grouped-rows.ts).
 */
import { once } from 'node:events';
import type { UnfitPolicy } from '../codec/column.ts';
import { type Patience, untilDone } from '../destination/landing.ts';
import { loadKey, type TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { parallel } from '../model/parallel.ts';
import { mayPass } from '../model/passing.ts';
import { isKeyless, type SourceTable, tableLabel } from '../model/table.ts';
import type { Log } from '../telemetry/log.ts';
import { currentLsn, describeOlder, type OlderTransaction, waitForOlderTransactions } from '../source/slot.ts';
import type { Copy } from './copy.ts';
import { endGhosts } from './ghosts.ts';
import { failPoint } from './fail-points.ts';
import { keyText } from './key-text.ts';
import { loadChunks } from './load-chunks.ts';
import { loadWhole } from './load-whole.ts';
import { withLoadSession } from './load-connection.ts';
import { LoadSessions } from './load-sessions.ts';
import { SharedAnswer } from './shared-answer.ts';
import { type LoadProgress, LoadStates } from './load-states.ts';
import { withSeenLeaf } from './partitions.ts';
import { settleIncomplete } from './settle.ts';
import type { TableLayout } from './layout.ts';
import type { TableBatch } from './table-batch.ts';

/** What the loader needs. */
export interface LoaderOptions {
  readonly copy: Copy;
  readonly url: string;
  readonly layouts: readonly TableLayout[];
  readonly states: ReadonlyMap<string, TableState>;
  readonly connections: number;
  readonly chunkRows: number;
  readonly chunkBytes: number;
  readonly policiesOf: (layout: TableLayout) => readonly UnfitPolicy[];
  readonly patience: Patience;
  /** Resolves when ClickHouse has room for one more insert. */
  readonly room: () => Promise<void>;
  readonly log: Log;
  /** A table whose rows cannot be taken: its changes are left out from here on. */
  readonly onQuarantine: (layout: TableLayout) => void;
  /** A mirror built beside the one that is read is consistent: the next session lets it take its place. */
  readonly onBuilt: (layout: TableLayout) => void;
}

/**
 * Tables that are on their way at once. More than there are sessions: while the states of some are stored, others are
 * read.
 */
const TABLES_AT_ONCE = 16;
/** Ghosts of so many tables are ended at once. */
const GHOSTS_AT_ONCE = 4;

interface Attempt {
  readonly controller: AbortController;
  /** Resolves when nothing of the attempt runs any more. */
  readonly settled: Promise<void>;
  /** Resolves when the load may start over. */
  gate: Promise<void>;
  open: () => void;
}

/** Loads the tables that are not live yet. */
export class Loader {
  readonly #options: LoaderOptions;
  readonly #states: LoadStates;
  readonly #attempts = new Map<string, Attempt>();
  /** Tables with rows that wait for TOAST values. */
  readonly #incomplete = new Set<string>();
  readonly #endOfLog: SharedAnswer<Lsn>;
  /** Whom the load waits for before it may begin, in words; empty when for nobody. */
  waitingFor = '';

  constructor(options: LoaderOptions) {
    this.#options = options;
    const tables = options.layouts.map(({ table }) => table);
    this.#states = new LoadStates(tables, options.states, options);
    const { url, patience } = options;
    this.#endOfLog = new SharedAnswer(() =>
      untilDone(() => withLoadSession(url, patience.signal, currentLsn), patience),
    );
  }

  /** Where each table stands. */
  get progress(): LoadProgress[] {
    return this.#states.progress;
  }

  /** True when the table is equal to the source at every applied position. */
  isLive(label: string): boolean {
    return this.#states.find(label)?.phase === 'live';
  }

  /** True when no table is still on its way; quarantined ones do not count. */
  get isDone(): boolean {
    return this.#states.isDone;
  }

  /** Runs the load to its end; rejects when it cannot go on. */
  async run(): Promise<void> {
    await this.#recount();
    const pending = this.#options.layouts.filter(({ table }) => this.#states.isPending(table));
    if (pending.length === 0) return;
    if (pending.some(({ table }) => this.#states.of(table).phase === 'waiting')) await this.#waitForOlder();
    await this.#loadTables(pending);
  }

  /** The stream has passed `lsn`: tables whose last chunk lies before it are live now. */
  async onPosition(lsn: Lsn): Promise<void> {
    const complete: TableLayout[] = [];
    for (const layout of this.#options.layouts) {
      const state = this.#states.of(layout.table);
      if (state.phase !== 'catching_up' || state.loadEndLsn > lsn) continue;
      // The end of the session, which a built table asks for, would break the write off: loaded again for nothing.
      await this.#states.written(layout.table);
      if (this.#incomplete.has(state.table)) await this.#orQuarantine(layout, () => this.#finish(layout));
      else if (state.building) this.#options.onBuilt(layout);
      else complete.push(layout);
    }
    await this.#makeLive(complete);
  }

  /** Notes rows of a batch that wait for unchanged TOAST values, and completes them as soon as they can be. */
  async noteIncomplete({ layout, columns, marks }: TableBatch, rows: readonly { row: number }[]): Promise<void> {
    const { table } = layout;
    const label = tableLabel(table);
    const keys = table.key.map((i) => columns[i]).filter((column) => column !== undefined);
    const incomplete = rows.map(({ row }) => ({
      key: keys.map((column) => keyText(column, row)),
      version: marks.version(row),
    }));
    await this.#options.copy.tables.writeIncomplete(label, this.generation(table), incomplete, false);
    failPoint('incomplete-noted');
    this.#incomplete.add(label);
    if (this.#states.of(layout.table).phase === 'live') await this.#orQuarantine(layout, () => this.#settle(layout));
  }

  /** Stops reading a table and waits until nothing of it is in flight. Its load rests until {@link restart}. */
  async rest(table: SourceTable): Promise<void> {
    const attempt = this.#attempts.get(tableLabel(table));
    if (attempt === undefined) return;
    attempt.gate = new Promise((resolve) => {
      attempt.open = resolve;
    });
    attempt.controller.abort();
    await attempt.settled;
  }

  /** Lets a resting load start over. */
  restart(table: SourceTable): void {
    this.#attempts.get(tableLabel(table))?.open();
  }

  /** Marks a table as not followed any more. */
  async quarantine(layout: TableLayout, error: AppError): Promise<void> {
    const state = this.#states.of(layout.table);
    this.#attempts.get(state.table)?.controller.abort();
    await this.#states.write({ ...state, phase: 'quarantined', reason: error.message });
  }

  /** Notes a partition that the stream has named and that is not known: the next start records it, or what follows from it. */
  async noteLeaf(table: SourceTable, oid: number): Promise<void> {
    const state = this.#states.of(table);
    await this.#states.write({ ...state, leaves: withSeenLeaf(state.leaves, oid) });
  }

  /** Generation of a table's load. */
  generation(table: SourceTable): number {
    return this.#states.of(table).generation;
  }

  async #recount(): Promise<void> {
    const { copy, patience } = this.#options;
    const loads = await untilDone(() => copy.tables.readLoads(), patience);
    for (const { table: label, generation } of this.#states.progress) {
      const load = loads.get(loadKey(label, generation));
      if (load === undefined) continue;
      this.#states.count(label, load);
      if (load.isIncomplete) this.#incomplete.add(label);
    }
  }

  async #waitForOlder(): Promise<void> {
    const { signal } = this.#options.patience;
    const onWait = (older: readonly OlderTransaction[]): void => {
      this.waitingFor = `older transactions of PostgreSQL: ${describeOlder(older)}`;
    };
    try {
      await withLoadSession(this.#options.url, signal, (client) =>
        waitForOlderTransactions(client, { signal, onWait }),
      );
    } finally {
      this.waitingFor = '';
    }
  }

  /** Loads tables side by side. What ends the load of one, and is not the trouble of that table alone, ends all of them. */
  async #loadTables(layouts: readonly TableLayout[]): Promise<void> {
    const { url, connections, patience } = this.#options;
    const failed = new AbortController();
    const signal = AbortSignal.any([patience.signal, failed.signal]);
    await using sessions = new LoadSessions(url, { connections, signal });
    await parallel(layouts, TABLES_AT_ONCE, async (layout) => {
      try {
        await this.#loadTable(layout, sessions, signal);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    });
  }

  /** Loads one table, from the start again as often as a TRUNCATE or a rewrite demands it. */
  async #loadTable(layout: TableLayout, sessions: LoadSessions, signal: AbortSignal): Promise<void> {
    while (this.#states.isPending(layout.table)) {
      const controller = new AbortController();
      const work = this.#loadOnce(layout, sessions, AbortSignal.any([signal, controller.signal]));
      const settled = work.then(
        () => undefined,
        () => undefined,
      );
      const attempt: Attempt = { controller, settled, gate: Promise.resolve(), open: () => undefined };
      this.#attempts.set(tableLabel(layout.table), attempt);
      try {
        if ((await work) === 'loaded') return;
      } catch (error) {
        signal.throwIfAborted();
        if (!controller.signal.aborted) return await this.#onFailure(layout, error);
      } finally {
        if (!controller.signal.aborted) this.#attempts.delete(tableLabel(layout.table));
      }
      await Promise.race([attempt.gate, once(signal, 'abort')]);
      signal.throwIfAborted();
      if (this.#states.isPending(layout.table)) await this.#startOver(layout);
    }
  }

  async #loadOnce(layout: TableLayout, sessions: LoadSessions, signal: AbortSignal): Promise<'loaded' | 'rewritten'> {
    const load = isKeyless(layout.table) ? loadWhole : loadChunks;
    const outcome = await load(layout, this.#states, { ...this.#options, sessions, signal });
    if (outcome === 'rewritten') return outcome;
    failPoint('loaded');
    await this.#finish(layout);
    return outcome;
  }

  /** What is wrong with this table alone costs this table: a value that does not fit, a table that is gone or altered. */
  async #onFailure(layout: TableLayout, error: unknown): Promise<void> {
    if (!(error instanceof AppError)) throw error;
    const { code } = error;
    const isOfTable = code === 'VALUE_UNFIT' || code === 'TABLE_UNSUITABLE' || code === 'POSTGRES_FAILED';
    if (!isOfTable || mayPass(error)) throw error;
    this.#options.onQuarantine(layout);
    await this.quarantine(layout, error);
  }

  /** Rows that are read again may be as unfit as those of a load: that costs their table, and nothing else. */
  async #orQuarantine(layout: TableLayout, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.#onFailure(layout, error);
    }
  }

  async #startOver(layout: TableLayout): Promise<void> {
    const state = this.#states.of(layout.table);
    this.#states.resetCounts(state.table);
    this.#incomplete.delete(state.table);
    await this.#states.write({ ...state, phase: 'loading', generation: state.generation + 1, chunksTotal: 0 });
  }

  /** After the last chunk: open rows are completed, and the position is taken that the stream has to pass. */
  async #finish(layout: TableLayout): Promise<void> {
    await this.#settle(layout);
    const loadEndLsn = await this.#endOfLog.ask();
    await this.#states.write({ ...this.#states.of(layout.table), phase: 'catching_up', loadEndLsn });
  }

  /** These tables are consistent: their ghosts end, and they are live. */
  async #makeLive(layouts: readonly TableLayout[]): Promise<void> {
    const { copy, patience } = this.#options;
    await parallel(layouts, GHOSTS_AT_ONCE, async (layout) => {
      await endGhosts(copy, layout, { state: this.#states.of(layout.table), patience });
    });
    await Promise.all(layouts.map(({ table }) => this.#states.write({ ...this.#states.of(table), phase: 'live' })));
  }

  /** Completes rows that wait for TOAST values; all that wait are known here, also those that an earlier process noted. */
  async #settle(layout: TableLayout): Promise<void> {
    if (!this.#incomplete.delete(tableLabel(layout.table))) return;
    const { copy, url, patience, policiesOf } = this.#options;
    const generation = this.generation(layout.table);
    await untilDone(
      () => settleIncomplete(copy, layout, { url, generation, policies: policiesOf(layout), patience }),
      patience,
    );
  }
}
