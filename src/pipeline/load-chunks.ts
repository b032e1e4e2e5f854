/**
 * One attempt at loading one table: its chunks planned, read side by side on several connections, and each recorded
 * once it has landed. What was recorded is not read again by the next attempt.
 */
import type pg from 'pg';
import type { UnfitPolicy } from '../codec/column.ts';
import { type Patience, untilDone } from '../destination/landing.ts';
import type { ChunkState } from '../destination/table-state.ts';
import type { Relation, SourceTable } from '../model/table.ts';
import { type Chunk, type ChunkPlan, planChunks, readRelations } from '../source/chunks.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { type ChunkOnItsWay, ChunkReader } from './load-chunk.ts';
import type { LoadConnection } from './load-connection.ts';
import type { LoadSessions } from './load-sessions.ts';
import type { LoadStates } from './load-states.ts';
import type { TableLayout } from './layout.ts';

/** How chunks are loaded. */
export interface ChunkLoadOptions {
  readonly copy: Copy;
  readonly url: string;
  /** What all tables are read with. */
  readonly sessions: LoadSessions;
  readonly connections: number;
  readonly chunkRows: number;
  readonly chunkBytes: number;
  readonly policiesOf: (layout: TableLayout) => readonly UnfitPolicy[];
  readonly patience: Patience;
  /** Resolves when ClickHouse has room for one more insert. */
  readonly room: () => Promise<void>;
}

/**
 * Loads all chunks of a table that are not done.
 *
 * @param options `signal` ends this attempt; `patience` is that of the whole load.
 * @returns `rewritten` when the table has another file than the chunks were planned on: then nothing more is read.
 * @throws the abort of `signal`, and what cannot pass. When it settles, nothing of the attempt is in flight.
 */
export async function loadChunks(
  layout: TableLayout,
  states: LoadStates,
  options: ChunkLoadOptions & { signal: AbortSignal },
): Promise<'loaded' | 'rewritten'> {
  return await new ChunkLoad(layout, states, options).run(options.signal);
}

interface PlannedChunks {
  readonly chunks: readonly ChunkState[];
  /** By oid: the table, or its partitions. */
  readonly relations: ReadonlyMap<number, Relation>;
}

class ChunkLoad {
  readonly #layout: TableLayout;
  readonly #states: LoadStates;
  readonly #options: ChunkLoadOptions;

  constructor(layout: TableLayout, states: LoadStates, options: ChunkLoadOptions) {
    this.#layout = layout;
    this.#states = states;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<'loaded' | 'rewritten'> {
    const abort = new AbortController();
    const patience = { ...this.#options.patience, signal: AbortSignal.any([signal, abort.signal]) };
    const { chunks, relations } = await this.#chunks(patience);
    const job = { open: chunks.filter((chunk) => !chunk.done), relations };
    let failure: unknown = null;
    const readers = Array.from({ length: Math.min(this.#options.connections, job.open.length) }, async () => {
      try {
        return await this.#options.sessions.use(patience.signal, (connection) =>
          this.#readChunks(job, connection, patience),
        );
      } catch (error) {
        failure ??= error;
        abort.abort();
        return 'failed';
      }
    });
    // All have ended before the first error is told: nothing of this attempt is in flight afterwards.
    const outcomes = await Promise.all(readers);
    if (failure !== null) throw failure;
    return outcomes.includes('rewritten') ? 'rewritten' : 'loaded';
  }

  /** The chunks of the present generation, and where they lie: those planned before, or a new plan. */
  async #chunks(reading: Patience): Promise<PlannedChunks> {
    const { copy, chunkRows, patience } = this.#options;
    let state = this.#states.of(this.#layout.table);
    if (state.phase === 'loading' && state.chunksTotal > 0) {
      const found = await untilDone(() => copy.tables.readChunks(state.table, state.generation), patience);
      // Behind them may lie chunks of an earlier plan that had more of them, and died before the state said so.
      const { filenode, chunksTotal } = state;
      if (found.length >= chunksTotal) {
        const chunks = found.slice(0, chunksTotal).map((chunk) => this.#withFile(chunk, filenode));
        return { chunks, relations: await this.#relations(chunks, reading) };
      }
      // A plan that is not all there says nothing about what is loaded.
      state = { ...state, generation: state.generation + 1 };
    }
    const plan = await this.#ask(reading, (client) => this.#plan(client, this.#layout.table, chunkRows));
    const chunks = plan.chunks.map(({ relation, filenode, fromBlock, toBlock }, i) => {
      return { chunk: i, relation: relation.oid, filenode: BigInt(filenode), fromBlock, toBlock, rows: 0, done: false };
    });
    await untilDone(() => copy.tables.writeChunks(state.table, state.generation, chunks, patience.signal), patience);
    failPoint('chunks-planned');
    const planned = { phase: 'loading' as const, filenode: BigInt(plan.filenode), chunksTotal: chunks.length };
    await this.#states.write({ ...state, ...planned, rowsEstimated: plan.estimatedRows ?? 0 });
    return { chunks, relations: new Map(plan.files.map((file) => [file.oid, file])) };
  }

  /** Asks the source something, when a session is free. */
  async #ask<T>(reading: Patience, question: (client: pg.Client) => Promise<T>): Promise<T> {
    const { sessions } = this.#options;
    return await untilDone(
      () => sessions.use(reading.signal, async (connection) => await question(await connection.open())),
      reading,
    );
  }

  /** A chunk of a plan that was written before chunks told their files. */
  #withFile(chunk: ChunkState, filenode: bigint): ChunkState {
    return chunk.relation === 0 ? { ...chunk, relation: this.#layout.table.oid, filenode } : chunk;
  }

  /** Where the chunks lie by now: tables and partitions may have other names, or be gone. */
  async #relations(chunks: readonly ChunkState[], reading: Patience): Promise<ReadonlyMap<number, Relation>> {
    const oids = [...new Set(chunks.map(({ relation }) => relation))];
    return await this.#ask(reading, (client) => readRelations(client, oids));
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
  async #readChunks(
    { open, relations }: { open: ChunkState[]; relations: ReadonlyMap<number, Relation> },
    connection: LoadConnection,
    patience: Patience,
  ): Promise<'loaded' | 'rewritten'> {
    const reader = new ChunkReader(this.#options.copy, this.#layout, {
      maxBytes: this.#options.chunkBytes,
      policies: this.#options.policiesOf(this.#layout),
      base: this.#states.of(this.#layout.table),
    });
    let landing: Promise<void> = Promise.resolve();
    try {
      for (let chunk = open.shift(); chunk !== undefined; chunk = open.shift()) {
        const present: ChunkState = chunk;
        const relation = relations.get(present.relation);
        if (relation === undefined) return 'rewritten';
        const place: Chunk = { ...present, relation, filenode: String(present.filenode) };
        const outcome = await untilDone(
          () => this.#readChunk(reader, { connection, chunk: place, patience }),
          patience,
        );
        await landing;
        if (outcome === 'rewritten') return 'rewritten';
        landing = this.#record({ ...present, rows: outcome.rows }, outcome.landed);
        // A rejection is met before the next chunk is recorded, or at the end.
        landing.catch(() => undefined);
      }
      await landing;
      return 'loaded';
    } finally {
      await Promise.allSettled([landing]);
    }
  }

  async #readChunk(
    reader: ChunkReader,
    job: { connection: LoadConnection; chunk: Chunk; patience: Patience },
  ): Promise<ChunkOnItsWay | 'rewritten'> {
    const { patience: inserting, room } = this.#options;
    const { table: label } = this.#states.of(this.#layout.table);
    let read = 0;
    const onRows = (rows: number): void => {
      read += rows;
      this.#states.count(label, { rows });
    };
    try {
      const client = await job.connection.open();
      const options = { patience: job.patience, inserting, room, onRows };
      return await reader.read(client, job.chunk, options);
    } catch (error) {
      this.#states.count(label, { rows: -read });
      await job.connection.close();
      throw error;
    }
  }

  /** Once a chunk has landed, it is not read again. */
  async #record(chunk: ChunkState, landed: Promise<unknown>): Promise<void> {
    const { table: label, generation } = this.#states.of(this.#layout.table);
    await landed;
    failPoint('chunk-landed');
    const { copy, patience } = this.#options;
    await untilDone(
      () => copy.tables.writeChunks(label, generation, [{ ...chunk, done: true }], patience.signal),
      patience,
    );
    failPoint('chunk-recorded');
    this.#states.count(label, { chunks: 1 });
  }
}
