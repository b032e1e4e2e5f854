/**
 * A start that changes nothing: the code of a start (prepare.ts) on two servers that only answer. What it would have
 * executed and written is what a plan tells, so that both cannot differ.
 */
import { pino } from 'pino';
import { type Checkpoint, CheckpointStore } from '../destination/checkpoint.ts';
import { Fence } from '../destination/fence.ts';
import { openRehearsal, type PlannedStatement } from '../destination/rehearsed-client.ts';
import { type TableState, TableStateStore } from '../destination/table-state.ts';
import type { SourceRehearsal } from '../source/rehearsal.ts';
import type { Copy } from './copy.ts';
import type { PipelineOptions } from './options.ts';
import { prepareOn, type Prepared } from './prepare.ts';

/** What a start would do. */
export interface Rehearsed {
  /** As a start would find it made. */
  readonly prepared: Omit<Prepared, typeof Symbol.asyncDispose>;
  /** For ClickHouse. */
  readonly statements: readonly PlannedStatement[];
  /** States of tables on the server, and as they would be. */
  readonly before: ReadonlyMap<string, TableState>;
  readonly after: ReadonlyMap<string, TableState>;
}

/** Rehearses a start. @throws {AppError} what the start would throw. */
export async function rehearse(source: SourceRehearsal, copy: Copy, options: PipelineOptions): Promise<Rehearsed> {
  await using clickhouse = await openRehearsal(copy.clickhouse, copy.names, {
    url: options.clickhouseUrl,
    signal: options.signal,
  });
  const { names, pipeline } = copy;
  const fence = new RehearsedFence(clickhouse, names, pipeline);
  // What a running pipeline has just written is no sign of a copy that is ahead of its checkpoint.
  fence.isHeld = source.isStreamed;
  const tables = new RehearsedStates(clickhouse, names, pipeline, fence);
  const checkpoint = new RehearsedCheckpoint(clickhouse, names, pipeline);
  const before = await tables.readTables();
  const quiet = { ...options, log: pino({ level: 'silent' }), isRehearsal: true };
  const rehearsed: Copy = { clickhouse, names, pipeline, fence, checkpoint, tables };
  const prepared = await prepareOn(source.client, rehearsed, quiet, new Map());
  return { prepared, statements: clickhouse.statements, before, after: await tables.readTables() };
}

/** Takes no place from anybody. */
class RehearsedFence extends Fence {
  isHeld = false;

  override get epoch(): bigint {
    return this.isHeld ? 1n : 0n;
  }

  override async raise(): Promise<void> {
    return Promise.resolve();
  }

  override async assertHeld(): Promise<void> {
    return Promise.resolve();
  }
}

/** Keeps in memory what is written. */
class RehearsedStates extends TableStateStore {
  #states: Map<string, TableState> | null = null;

  override async readTables(): Promise<Map<string, TableState>> {
    this.#states ??= await super.readTables();
    return new Map(this.#states);
  }

  override async writeTables({ written, forgotten }: Parameters<TableStateStore['writeTables']>[0]): Promise<void> {
    await this.readTables();
    for (const { table } of forgotten) this.#states?.delete(table);
    for (const state of written) this.#states?.set(state.table, state);
  }

  override async writeTable(state: TableState): Promise<void> {
    await this.writeTables({ written: [state], forgotten: [], renamed: [] });
  }
}

/** Keeps in memory what is written. */
class RehearsedCheckpoint extends CheckpointStore {
  #written: Checkpoint | null = null;

  override async read(): Promise<Checkpoint | null> {
    return this.#written ?? (await super.read());
  }

  override async write(state: Checkpoint): Promise<void> {
    this.#written = state;
    return Promise.resolve();
  }
}
