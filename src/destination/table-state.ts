/**
 * The state of each table's load, kept in ClickHouse: phase, chunks, positions. What a restart finds here
 * decides what is read again (chunks not done) and what is not.
 */
import { formatMicros, parseMicros } from '../model/instant.ts';
import { type Lsn, NO_LSN } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import { ruleDigest } from '../model/rule-digest.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import type { ClickHouse, Settings } from './client.ts';
import type { Names } from './ddl.ts';
import type { Fence } from './fence.ts';
import { GroupedRows, type StoredRow } from './grouped-rows.ts';
import { AppError } from '../model/errors.ts';

/**
 * - `waiting`: transactions older than the slot still run, or its turn has not come
 * - `loading`: chunks are being read
 * - `catching_up`: all chunks are in; consistent once the stream passes `loadEndLsn`
 * - `live`: equal to the source at every applied position
 * - `quarantined`: its changes are not followed, see `reason`
 * - `paused`, `excluded`: nor are they, because somebody said so
 * - `dropped`: the source has it no more; the mirror is kept
 */
export type TablePhase =
  | 'waiting'
  | 'loading'
  | 'catching_up'
  | 'live'
  | 'quarantined'
  | 'paused'
  | 'excluded'
  | 'dropped';

/** Phase of a row that says that there is no state under this name any more: rows are never deleted. */
const FORGOTTEN = 'forgotten';

/** False in the phases in which changes of a table are left out until somebody acts. */
export function isFollowed(phase: TablePhase): boolean {
  return phase === 'waiting' || phase === 'loading' || phase === 'catching_up' || phase === 'live';
}

/** Where one table stands. */
export interface TableState {
  /** `schema.table` in the source. */
  readonly table: string;
  /** Name of its mirror. */
  readonly target: string;
  /** `pg_class.oid`; 0: written before oids were. */
  readonly oid: number;
  /** What is known of the partitions of a partitioned table, see pipeline/partitions.ts; empty: nothing. */
  readonly leaves: string;
  /** JSON: file and columns of the table when its mirror was last brought into line; empty: not known. */
  readonly shape: string;
  /** By which rules of the configuration its rows are copied (model/rule-digest.ts); empty: none. */
  readonly rule: string;
  /** Whether somebody has added or removed it by hand, whatever the configuration says. */
  readonly chosen: '' | 'added' | 'removed';
  /** Identity of the publication, and of the table in it, when it was last brought into line; empty: not known. */
  readonly published: string;
  readonly phase: TablePhase;
  /** Rises when the load starts over. */
  readonly generation: number;
  /** Whether rows go to a mirror beside the one that is read, until it is live and takes its place. */
  readonly building: boolean;
  /** Names the mirror that is built: the source's WAL position when it was asked for; 0: the first one. */
  readonly build: Lsn;
  /** Changes committed before this position are left out: the load sees them. */
  readonly fromLsn: Lsn;
  /** Version of the rows that are loaded: 0 at first, the start of the slot at a resync. */
  readonly baseVersion: Lsn;
  /** Their commit time in the history, µs since 1970. */
  readonly baseTimeUs: bigint;
  /** `pg_relation_filenode` the chunks were planned for. */
  readonly filenode: bigint;
  readonly chunksTotal: number;
  readonly rowsEstimated: number;
  /** 0 until the last chunk is in. */
  readonly loadEndLsn: Lsn;
  /** Why it is quarantined; empty otherwise. */
  readonly reason: string;
}

/** The state of a table of which nothing is in the copy yet. */
export function newTableState(
  table: Pick<SourceTable, 'oid' | 'schema' | 'name' | 'target'> & Parameters<typeof ruleDigest>[0],
): TableState {
  return {
    table: tableLabel(table),
    target: table.target,
    oid: table.oid,
    shape: '',
    leaves: '',
    rule: ruleDigest(table),
    chosen: '',
    published: '',
    phase: 'waiting',
    generation: 1,
    building: false,
    build: NO_LSN,
    fromLsn: NO_LSN,
    baseVersion: NO_LSN,
    baseTimeUs: 0n,
    filenode: 0n,
    chunksTotal: 0,
    rowsEstimated: 0,
    loadEndLsn: NO_LSN,
    reason: '',
  };
}

/** One chunk of a load: a range of heap blocks of a table or partition. */
export interface ChunkState {
  readonly chunk: number;
  /** `pg_class.oid`, and its file; both 0 in plans written before partitions were: those of the table's state. */
  readonly relation: number;
  readonly filenode: bigint;
  readonly fromBlock: number;
  readonly toBlock: number;
  readonly rows: number;
  readonly done: boolean;
}

/** A row that waits for its unchanged TOAST values. */
export interface IncompleteRow {
  /** Key parts in key order, as text. */
  readonly key: readonly string[];
  readonly version: Lsn;
}

/** What of a load is in the copy. */
export interface LoadedSoFar {
  readonly rows: number;
  readonly chunks: number;
  /** Some row waits for its unchanged TOAST values. */
  readonly isIncomplete: boolean;
}

/** Names one load of a table. */
export function loadKey(table: string, generation: number): string {
  return `${generation} ${table}`;
}

/** Reads and writes the states of one pipeline's tables. */
export class TableStateStore {
  readonly #clickhouse: ClickHouse;
  readonly #internal: string;
  readonly #pipeline: string;
  readonly #fence: Fence | null;
  readonly #grouped = new Map<string, GroupedRows>();
  #seq = 0n;

  /** @param fence The writer's; one that only reads has none. */
  constructor(clickhouse: ClickHouse, names: Names, pipeline: string, fence: Fence | null = null) {
    this.#clickhouse = clickhouse;
    this.#internal = chIdent(names.internal);
    this.#pipeline = pipeline;
    this.#fence = fence;
  }

  /** The newest state of each table, by `schema.table`. */
  async readTables(): Promise<Map<string, TableState>> {
    const rows = await this.#clickhouse.rows<Record<string, string | number | boolean>>(
      `SELECT * FROM ${this.#internal}.tables FINAL WHERE pipeline = {pipeline:String}`,
      { params: { pipeline: this.#pipeline } },
    );
    const states = new Map<string, TableState>();
    for (const row of rows) {
      const seq = BigInt(row['seq'] ?? 0);
      if (seq > this.#seq) this.#seq = seq;
      if (row['phase'] === FORGOTTEN) continue;
      states.set(String(row['table']), {
        table: String(row['table']),
        target: String(row['target']),
        oid: Number(row['oid'] ?? 0),
        shape: String(row['shape'] ?? ''),
        leaves: String(row['leaves'] ?? ''),
        rule: String(row['rule'] ?? ''),
        chosen: String(row['chosen'] ?? '') as TableState['chosen'],
        published: String(row['published'] ?? ''),
        building: row['building'] === true,
        build: BigInt(row['build'] ?? 0),
        fromLsn: BigInt(row['from_lsn'] ?? 0),
        phase: String(row['phase']) as TablePhase,
        generation: Number(row['generation']),
        baseVersion: BigInt(row['base_version'] ?? 0),
        baseTimeUs: parseMicros(String(row['base_time'])),
        filenode: BigInt(row['filenode'] ?? 0),
        chunksTotal: Number(row['chunks_total']),
        rowsEstimated: Number(row['rows_estimated']),
        loadEndLsn: BigInt(row['load_end_lsn'] ?? 0),
        reason: String(row['reason']),
      });
    }
    return states;
  }

  /**
   * Writes states, all or none of them, and forgets others. What is known of a load is known of its table's new name.
   *
   * @param changes.renamed Earlier states of written ones that had another name.
   */
  async writeTables(changes: {
    readonly written: readonly TableState[];
    readonly forgotten: readonly TableState[];
    readonly renamed: readonly { readonly from: TableState; readonly to: TableState }[];
  }): Promise<void> {
    for (const { from, to } of changes.renamed) {
      for (const table of ['chunks', 'incomplete']) {
        await this.#clickhouse.command(
          // In a query of its own: beside REPLACE a condition would mean the replaced name.
          `INSERT INTO ${this.#internal}.${table} SELECT * REPLACE({to:String} AS table)
           FROM (SELECT * FROM ${this.#internal}.${table} FINAL
                 WHERE pipeline = {pipeline:String} AND table = {from:String} AND generation = {generation:UInt32})`,
          {
            params: { pipeline: this.#pipeline, from: from.table, to: to.table, generation: from.generation },
            settings: this.#settings(table),
          },
        );
      }
    }
    const gone = changes.forgotten.map((state) => ({ ...this.#row(state), phase: FORGOTTEN, reason: '' }));
    await this.#insert('tables', [...changes.written.map((state) => this.#row(state)), ...gone]);
  }

  /** Writes a table's state; durable when it returns. */
  async writeTable(state: TableState, signal?: AbortSignal): Promise<void> {
    await this.#insert('tables', [this.#row(state)], signal);
  }

  #row(state: TableState): StoredRow {
    this.#seq += 1n;
    return {
      pipeline: this.#pipeline,
      table: state.table,
      target: state.target,
      oid: state.oid,
      shape: state.shape,
      leaves: state.leaves,
      rule: state.rule,
      chosen: state.chosen,
      published: state.published,
      seq: String(this.#seq),
      phase: state.phase,
      generation: state.generation,
      building: state.building ? 1 : 0,
      build: String(state.build),
      from_lsn: String(state.fromLsn),
      base_version: String(state.baseVersion),
      base_time: formatMicros(state.baseTimeUs),
      filenode: String(state.filenode),
      chunks_total: state.chunksTotal,
      rows_estimated: state.rowsEstimated,
      load_end_lsn: String(state.loadEndLsn),
      reason: state.reason,
    };
  }

  /** The chunks planned for one generation of a table, in order. */
  async readChunks(table: string, generation: number): Promise<ChunkState[]> {
    const rows = await this.#clickhouse.rows<Record<string, string | number>>(
      `SELECT chunk, relation, filenode, from_block, to_block, rows, done FROM ${this.#internal}.chunks FINAL
       WHERE pipeline = {pipeline:String} AND table = {table:String} AND generation = {generation:UInt32} ORDER BY chunk`,
      { params: { pipeline: this.#pipeline, table, generation } },
    );
    return rows.map((row) => ({
      chunk: Number(row['chunk']),
      relation: Number(row['relation']),
      filenode: BigInt(row['filenode'] ?? 0),
      fromBlock: Number(row['from_block']),
      toBlock: Number(row['to_block']),
      rows: Number(row['rows']),
      done: Number(row['done']) === 1,
    }));
  }

  /** How far all loads are, those of the past too: see {@link loadKey}. Two queries, however many tables there are. */
  async readLoads(): Promise<ReadonlyMap<string, LoadedSoFar>> {
    const params = { pipeline: this.#pipeline };
    const done = await this.#clickhouse.rows<{ table: string; generation: number; total: string; chunks: string }>(
      `SELECT table, generation, sum(rows) AS total, count() AS chunks FROM ${this.#internal}.chunks FINAL
       WHERE pipeline = {pipeline:String} AND done = 1 GROUP BY table, generation`,
      { params },
    );
    const open = await this.#clickhouse.rows<{ table: string; generation: number }>(
      `SELECT DISTINCT table, generation FROM (SELECT table, generation, key FROM ${this.#internal}.incomplete
       WHERE pipeline = {pipeline:String} GROUP BY table, generation, key HAVING max(version) > maxIf(version, settled = 1))`,
      { params },
    );
    const loads = new Map<string, LoadedSoFar>();
    for (const { table, generation, total, chunks } of done)
      loads.set(loadKey(table, generation), { rows: Number(total), chunks: Number(chunks), isIncomplete: false });
    for (const { table, generation } of open) {
      const key = loadKey(table, generation);
      loads.set(key, { rows: 0, chunks: 0, ...loads.get(key), isIncomplete: true });
    }
    return loads;
  }

  /** Records planned or finished chunks. */
  async writeChunks(
    table: string,
    generation: number,
    chunks: readonly ChunkState[],
    signal?: AbortSignal,
  ): Promise<void> {
    const rows = chunks.map((chunk) => ({
      pipeline: this.#pipeline,
      table,
      generation,
      chunk: chunk.chunk,
      relation: chunk.relation,
      filenode: String(chunk.filenode),
      from_block: chunk.fromBlock,
      to_block: chunk.toBlock,
      rows: chunk.rows,
      done: chunk.done ? 1 : 0,
    }));
    await this.#insert('chunks', rows, signal);
  }

  /** Rows of a table that still wait for TOAST values. */
  async readIncomplete(table: string, generation: number): Promise<IncompleteRow[]> {
    const rows = await this.#clickhouse.rows<{ key: string; newest: string }>(
      `SELECT key, max(version) AS newest FROM ${this.#internal}.incomplete
       WHERE pipeline = {pipeline:String} AND table = {table:String} AND generation = {generation:UInt32}
       GROUP BY key HAVING newest > maxIf(version, settled = 1)`,
      { params: { pipeline: this.#pipeline, table, generation } },
    );
    return rows.map((row) => ({ key: JSON.parse(row.key) as string[], version: BigInt(row.newest) }));
  }

  /** Notes rows that wait for TOAST values, or marks them settled. */
  async writeIncomplete(
    table: string,
    generation: number,
    incomplete: readonly IncompleteRow[],
    settled: boolean,
  ): Promise<void> {
    const rows = incomplete.map(({ key, version }) => ({
      pipeline: this.#pipeline,
      table,
      generation,
      key: JSON.stringify(key),
      version: String(version),
      settled: settled ? 1 : 0,
    }));
    await this.#insert('incomplete', rows);
  }

  /** A thousand tables are thousands of states and chunks: those that come while others are on their way go together. */
  async #insert(table: string, rows: readonly StoredRow[], signal?: AbortSignal): Promise<void> {
    if (rows.length === 0) return;
    let grouped = this.#grouped.get(table);
    if (grouped === undefined) {
      grouped = new GroupedRows((group, given) => this.#insertNow(table, group, given));
      this.#grouped.set(table, grouped);
    }
    await grouped.add(rows, signal);
  }

  async #insertNow(table: string, rows: readonly StoredRow[], signal: AbortSignal | undefined): Promise<void> {
    const body = Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'));
    await this.#clickhouse.insert(
      `INSERT INTO ${this.#internal}.${table} (${Object.keys(rows[0] ?? {}).join(', ')}) FORMAT JSONEachRow`,
      [body],
      { signal, settings: { input_format_skip_unknown_fields: 0, ...this.#settings(table) } },
    );
  }

  #settings(table: string): Settings {
    if (this.#fence === null) throw new AppError('INTERNAL', `a reader of the states is asked to write ${table}`);
    return this.#fence.settings('state');
  }
}
