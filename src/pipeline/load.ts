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
 */
import { once } from 'node:events';
import type pg from 'pg';
import type { UnfitPolicy } from '../codec/column.ts';
import { type Patience, untilDone } from '../destination/landing.ts';
import { type ChunkState, newTableState, type TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { mayPass } from '../model/passing.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import type { Log } from '../telemetry/log.ts';
import { type ChunkPlan, planChunks } from '../source/chunks.ts';
import { connectPostgres } from '../source/connection.ts';
import { currentLsn, describeOlder, waitForOlderTransactions } from '../source/slot.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { type ChunkOnItsWay, ChunkReader } from './load-chunk.ts';
import { LoadConnection } from './load-connection.ts';
import { settleIncomplete } from './settle.ts';
import type { TableLayout } from './table-batch.ts';

/** How far one table's load is, for people. */
export interface LoadProgress extends TableState {
  readonly rowsLoaded: number;
  readonly chunksDone: number;
}

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
}

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
  readonly #states = new Map<string, TableState>();
  readonly #rowsLoaded = new Map<string, number>();
  readonly #chunksDone = new Map<string, number>();
  readonly #attempts = new Map<string, Attempt>();
  readonly #incomplete = new Set<string>();
  /** Whom the load waits for before it may begin, in words; empty when for nobody. */
  waitingFor = '';

  constructor(options: LoaderOptions) {
    this.#options = options;
    for (const state of options.states.values())
      if (state.phase === 'quarantined') this.#states.set(state.table, state);
    for (const { table } of options.layouts) {
      const label = tableLabel(table);
      this.#states.set(label, options.states.get(label) ?? newTableState(table));
    }
  }

  /** Where each table stands. */
  get progress(): LoadProgress[] {
    return [...this.#states.values()].map((state) => ({
      ...state,
      rowsLoaded: this.#rowsLoaded.get(state.table) ?? 0,
      chunksDone: this.#chunksDone.get(state.table) ?? 0,
    }));
  }

  /** True when the table is equal to the source at every applied position. */
  isLive(label: string): boolean {
    return this.#states.get(label)?.phase === 'live';
  }

  /** True when no table is still on its way; quarantined ones do not count. */
  get isDone(): boolean {
    return [...this.#states.values()].every(({ phase }) => phase === 'live' || phase === 'quarantined');
  }

  /** Runs the load to its end; rejects when it cannot go on. */
  async run(): Promise<void> {
    await this.#recount();
    const pending = this.#options.layouts.filter(({ table }) => this.#isPending(table));
    if (pending.length === 0) return;
    if (pending.some(({ table }) => this.#state(table).phase === 'waiting')) await this.#waitForOlder();
    for (const layout of pending) await this.#loadTable(layout);
  }

  /** The stream has passed `lsn`: tables whose last chunk lies before it are live now. */
  async onPosition(lsn: Lsn): Promise<void> {
    for (const layout of this.#options.layouts) {
      const state = this.#state(layout.table);
      if (state.phase !== 'catching_up' || state.loadEndLsn > lsn) continue;
      if (this.#incomplete.delete(state.table)) await this.#finish(layout);
      else await this.#write({ ...state, phase: 'live' });
    }
  }

  /** Rows of a table wait for unchanged TOAST values (already noted in the copy). */
  async onIncomplete(layout: TableLayout): Promise<void> {
    const label = tableLabel(layout.table);
    if (this.#state(layout.table).phase === 'live') await this.#settle(layout);
    else this.#incomplete.add(label);
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
    const state = this.#state(layout.table);
    this.#attempts.get(state.table)?.controller.abort();
    await this.#write({ ...state, phase: 'quarantined', reason: error.message });
  }

  /** Generation of a table's load. */
  generation(table: SourceTable): number {
    return this.#state(table).generation;
  }

  #isPending(table: SourceTable): boolean {
    const { phase } = this.#state(table);
    return phase === 'waiting' || phase === 'loading';
  }

  async #recount(): Promise<void> {
    for (const [label, state] of this.#states) {
      const { tables } = this.#options.copy;
      const chunks = (await tables.readChunks(label, state.generation)).filter((chunk) => chunk.done);
      this.#chunksDone.set(label, chunks.length);
      this.#rowsLoaded.set(
        label,
        chunks.reduce((rows, chunk) => rows + chunk.rows, 0),
      );
      if ((await tables.readIncomplete(label, state.generation)).length > 0) this.#incomplete.add(label);
    }
  }

  async #waitForOlder(): Promise<void> {
    const { signal } = this.#options.patience;
    const client = await connectPostgres(this.#options.url, { applicationName: 'millrace load' });
    try {
      await waitForOlderTransactions(client, {
        signal,
        onWait: (older) => {
          this.waitingFor = describeOlder(older);
        },
      });
    } finally {
      this.waitingFor = '';
      await client.end();
    }
  }

  /** Loads one table, from the start again as often as a TRUNCATE or a rewrite demands it. */
  async #loadTable(layout: TableLayout): Promise<void> {
    const { signal } = this.#options.patience;
    while (this.#isPending(layout.table)) {
      const controller = new AbortController();
      const work = this.#loadOnce(layout, AbortSignal.any([signal, controller.signal]));
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
      if (this.#isPending(layout.table)) await this.#startOver(layout);
    }
  }

  /** What is wrong with this table alone costs this table: a value that does not fit, a table that is gone or altered. */
  async #onFailure(layout: TableLayout, error: unknown): Promise<void> {
    if (!(error instanceof AppError)) throw error;
    const isOfTable = error.code === 'VALUE_UNFIT' || (error.code === 'POSTGRES_FAILED' && !mayPass(error));
    if (!isOfTable) throw error;
    this.#options.onQuarantine(layout);
    await this.quarantine(layout, error);
  }

  async #startOver(layout: TableLayout): Promise<void> {
    const state = this.#state(layout.table);
    this.#rowsLoaded.set(state.table, 0);
    this.#chunksDone.set(state.table, 0);
    this.#incomplete.delete(state.table);
    await this.#write({ ...state, phase: 'loading', generation: state.generation + 1, chunksTotal: 0 });
  }

  async #loadOnce(layout: TableLayout, signal: AbortSignal): Promise<'loaded' | 'rewritten'> {
    const chunks = await this.#chunksOf(layout);
    const open = chunks.filter((chunk) => !chunk.done);
    const abort = new AbortController();
    const patience = { ...this.#options.patience, signal: AbortSignal.any([signal, abort.signal]) };
    let failure: unknown = null;
    const readers = Array.from({ length: Math.min(this.#options.connections, open.length) }, async () => {
      try {
        return await this.#readChunks(layout, open, patience);
      } catch (error) {
        failure ??= error;
        abort.abort();
        return 'failed';
      }
    });
    // All have ended before the first error is told: nothing of this attempt is in flight afterwards.
    const outcomes = await Promise.all(readers);
    if (failure !== null) throw failure;
    if (outcomes.includes('rewritten')) return 'rewritten';
    failPoint('loaded');
    await this.#finish(layout);
    return 'loaded';
  }

  /** The chunks of the present generation: those planned before, or a new plan. */
  async #chunksOf(layout: TableLayout): Promise<ChunkState[]> {
    const { copy, url, chunkRows, patience } = this.#options;
    const state = this.#state(layout.table);
    const label = state.table;
    if (state.phase === 'loading' && state.chunksTotal > 0)
      return await copy.tables.readChunks(label, state.generation);
    return await untilDone(async () => {
      const client = await connectPostgres(url, { applicationName: 'millrace load' });
      try {
        const plan = await this.#plan(client, layout.table, chunkRows);
        const chunks = plan.chunks.map((chunk, i) => ({ ...chunk, chunk: i, rows: 0, done: false }));
        await copy.tables.writeChunks(label, state.generation, chunks, patience.signal);
        const planned = { phase: 'loading' as const, filenode: BigInt(plan.filenode), chunksTotal: chunks.length };
        await this.#write({ ...state, ...planned, rowsEstimated: plan.estimatedRows ?? 0 });
        return chunks;
      } finally {
        await client.end();
      }
    }, patience);
  }

  /** Chunks of about `rows` rows, as many for each connection: a last one read alone leaves the others idle. */
  async #plan(client: pg.Client, table: SourceTable, rows: number): Promise<ChunkPlan> {
    const plan = await planChunks(client, table, { targetRows: rows });
    const { connections } = this.#options;
    const each = Math.ceil(plan.chunks.length / connections);
    if (plan.estimatedRows === null || plan.chunks.length === each * connections || plan.chunks.length < 2) return plan;
    return await planChunks(client, table, { targetRows: Math.ceil(plan.estimatedRows / (each * connections)) });
  }

  /**
   * One reader: takes open chunks until none is left, reading one while the one before lands. A lost connection
   * costs the chunk, not the load.
   */
  async #readChunks(layout: TableLayout, open: ChunkState[], patience: Patience): Promise<'loaded' | 'rewritten'> {
    const reader = new ChunkReader(this.#options.copy, layout, {
      maxBytes: this.#options.chunkBytes,
      policies: this.#options.policiesOf(layout),
    });
    const connection = new LoadConnection(this.#options.url);
    let landing: Promise<void> = Promise.resolve();
    try {
      for (let chunk = open.shift(); chunk !== undefined; chunk = open.shift()) {
        const present: ChunkState = chunk;
        const outcome = await untilDone(
          () => this.#readChunk(reader, { connection, layout, chunk: present, patience }),
          patience,
        );
        await landing;
        if (outcome === 'rewritten') return 'rewritten';
        landing = this.#record(layout, { ...present, rows: outcome.rows }, outcome.landed);
        // A rejection is met before the next chunk is recorded, or at the end.
        landing.catch(() => undefined);
      }
      await landing;
      return 'loaded';
    } finally {
      await Promise.allSettled([landing, connection.close()]);
    }
  }

  async #readChunk(
    reader: ChunkReader,
    job: { connection: LoadConnection; layout: TableLayout; chunk: ChunkState; patience: Patience },
  ): Promise<ChunkOnItsWay | 'rewritten'> {
    const { filenode, table: label } = this.#state(job.layout.table);
    let read = 0;
    const onRows = (rows: number): void => {
      read += rows;
      this.#rowsLoaded.set(label, (this.#rowsLoaded.get(label) ?? 0) + rows);
    };
    try {
      const client = await job.connection.open();
      const options = { patience: job.patience, inserting: this.#options.patience, room: this.#options.room, onRows };
      return await reader.read(client, { ...job.chunk, filenode }, options);
    } catch (error) {
      this.#rowsLoaded.set(label, Math.max(0, (this.#rowsLoaded.get(label) ?? 0) - read));
      await job.connection.close();
      throw error;
    }
  }

  /** Once a chunk has landed, it is not read again. */
  async #record(layout: TableLayout, chunk: ChunkState, landed: Promise<unknown>): Promise<void> {
    const { table: label, generation } = this.#state(layout.table);
    await landed;
    failPoint('chunk-landed');
    const { copy, patience } = this.#options;
    await untilDone(
      () => copy.tables.writeChunks(label, generation, [{ ...chunk, done: true }], patience.signal),
      patience,
    );
    this.#chunksDone.set(label, (this.#chunksDone.get(label) ?? 0) + 1);
  }

  /** After the last chunk: open rows are completed, and the position is taken that the stream has to pass. */
  async #finish(layout: TableLayout): Promise<void> {
    await this.#settle(layout);
    await untilDone(async () => {
      const client = await connectPostgres(this.#options.url, { applicationName: 'millrace load' });
      try {
        await this.#write({ ...this.#state(layout.table), phase: 'catching_up', loadEndLsn: await currentLsn(client) });
      } finally {
        await client.end();
      }
    }, this.#options.patience);
  }

  async #settle(layout: TableLayout): Promise<void> {
    this.#incomplete.delete(tableLabel(layout.table));
    const { copy, url, patience, policiesOf } = this.#options;
    const generation = this.generation(layout.table);
    await untilDone(
      () => settleIncomplete(copy, layout, { url, generation, policies: policiesOf(layout), patience }),
      patience,
    );
  }

  #state(table: SourceTable): TableState {
    return this.#states.get(tableLabel(table)) ?? newTableState(table);
  }

  /** Quarantine is final: a load that was under way does not lift it. */
  async #write(state: TableState): Promise<void> {
    const isFinal = this.#states.get(state.table)?.phase === 'quarantined' && state.phase !== 'quarantined';
    if (isFinal) return;
    this.#options.log.debug({ table: state.table, phase: state.phase, generation: state.generation }, 'table state');
    this.#states.set(state.table, state);
    await untilDone(
      () => this.#options.copy.tables.writeTable(this.#states.get(state.table) ?? state, this.#options.patience.signal),
      this.#options.patience,
    );
  }
}
