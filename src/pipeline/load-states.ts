/** Where each table's load stands: in memory for the loader, in the copy for the next start. */
import { type Patience, untilDone } from '../destination/landing.ts';
import { isFollowed, newTableState, type TableState } from '../destination/table-state.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import type { Log } from '../telemetry/log.ts';
import type { Copy } from './copy.ts';
import { failPoint, type FailPoint } from './fail-points.ts';

/** How far one table's load is, for people. */
export interface LoadProgress extends TableState {
  readonly rowsLoaded: number;
  readonly chunksDone: number;
}

const STORED_POINTS: Readonly<Partial<Record<TableState['phase'], FailPoint>>> = {
  loading: 'loading-stored',
  catching_up: 'catching-up-stored',
  live: 'live-stored',
  quarantined: 'quarantine-stored',
};

/** The states of all tables of one pipeline. */
export class LoadStates {
  readonly #copy: Copy;
  readonly #patience: Patience;
  readonly #log: Log;
  readonly #states = new Map<string, TableState>();
  readonly #rowsLoaded = new Map<string, number>();
  readonly #chunksDone = new Map<string, number>();
  /** The last write of each table's state; never rejects. */
  readonly #written = new Map<string, Promise<void>>();

  constructor(
    tables: readonly SourceTable[],
    found: ReadonlyMap<string, TableState>,
    options: { copy: Copy; patience: Patience; log: Log },
  ) {
    this.#copy = options.copy;
    this.#patience = options.patience;
    this.#log = options.log;
    for (const state of found.values()) if (!isFollowed(state.phase)) this.#states.set(state.table, state);
    for (const table of tables) {
      const label = tableLabel(table);
      this.#states.set(label, found.get(label) ?? newTableState(table));
    }
  }

  /** All tables, in the order of the source's catalogue. */
  get progress(): LoadProgress[] {
    return [...this.#states.values()].map((state) => ({
      ...state,
      rowsLoaded: this.#rowsLoaded.get(state.table) ?? 0,
      chunksDone: this.#chunksDone.get(state.table) ?? 0,
    }));
  }

  /** True when no table is still on its way; those that are not followed do not count. */
  get isDone(): boolean {
    return [...this.#states.values()].every(({ phase }) => phase === 'live' || !isFollowed(phase));
  }

  /** The state of a table, by `schema.table`; undefined when it is not one of ours. */
  find(label: string): TableState | undefined {
    return this.#states.get(label);
  }

  /** The state of a table. */
  of(table: SourceTable): TableState {
    return this.#states.get(tableLabel(table)) ?? newTableState(table);
  }

  /** True while its chunks are not all in. */
  isPending(table: SourceTable): boolean {
    const { phase } = this.of(table);
    return phase === 'waiting' || phase === 'loading';
  }

  /** Counts rows read (negative: given up again) and chunks done. */
  count(label: string, more: { rows?: number; chunks?: number }): void {
    this.#rowsLoaded.set(label, Math.max(0, (this.#rowsLoaded.get(label) ?? 0) + (more.rows ?? 0)));
    this.#chunksDone.set(label, (this.#chunksDone.get(label) ?? 0) + (more.chunks ?? 0));
  }

  /** Starts the counts over. */
  resetCounts(label: string): void {
    this.#rowsLoaded.set(label, 0);
    this.#chunksDone.set(label, 0);
  }

  /** Stores a state. Quarantine is final: a load that was under way does not lift it. */
  async write(state: TableState): Promise<void> {
    const isFinal = this.#states.get(state.table)?.phase === 'quarantined' && state.phase !== 'quarantined';
    if (isFinal) return;
    this.#log.debug({ table: state.table, phase: state.phase, generation: state.generation }, 'table state');
    this.#states.set(state.table, state);
    const work = this.#store(state);
    this.#written.set(
      state.table,
      work.catch(() => undefined),
    );
    await work;
  }

  /** Resolves when what {@link of} tells of a table is stored, or could not be: who wrote it is told then. */
  async written(table: SourceTable): Promise<void> {
    await this.#written.get(tableLabel(table));
  }

  async #store(state: TableState): Promise<void> {
    await untilDone(
      () => this.#copy.tables.writeTable(this.#states.get(state.table) ?? state, this.#patience.signal),
      this.#patience,
    );
    const point = STORED_POINTS[state.phase];
    if (point !== undefined) failPoint(point);
  }
}
