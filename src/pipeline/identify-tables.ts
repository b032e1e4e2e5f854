/**
 * Which table of the source each known table is by now: a table is its oid, whatever it is called.
 *
 *   state (oid, name) ─► same · renamed · dropped and made again under its name · dropped · left out by the configuration
 */
import type { TableState } from '../destination/table-state.ts';

/** A table that the source has and that is to be copied. */
export interface NamedTable {
  readonly oid: number;
  /** `schema.table`. */
  readonly label: string;
}

/** What became of a table. `recreated`: another table has its name. */
export type Fate = 'same' | 'renamed' | 'recreated' | 'new';

/** All tables, known and found. */
export interface IdentifiedTables<Table extends NamedTable> {
  readonly found: readonly { readonly table: Table; readonly state: TableState | null; readonly fate: Fate }[];
  /** Known ones that are not to be copied any more: where they are by now; null: the source has dropped them. */
  readonly lost: readonly { readonly state: TableState; readonly label: string | null }[];
}

/**
 * Tells which is which.
 *
 * @param tables Those to be copied.
 * @param labels Where known tables are in the source, by oid, to be copied or not.
 */
export function identifyTables<Table extends NamedTable>(
  tables: readonly Table[],
  states: ReadonlyMap<string, TableState>,
  labels: ReadonlyMap<number, string>,
): IdentifiedTables<Table> {
  const byOid = new Map([...states.values()].filter(({ oid }) => oid !== 0).map((state) => [state.oid, state]));
  const oids = new Set(tables.map(({ oid }) => oid));
  const claimed = new Set<TableState>();
  const found = tables.map((table) => {
    const own = byOid.get(table.oid);
    const named = states.get(table.label);
    // A name that is known belongs to its table, unless that one is copied under another.
    const former = named === undefined || (named.oid !== 0 && oids.has(named.oid)) ? undefined : named;
    const state = own ?? former ?? null;
    if (state !== null) claimed.add(state);
    return { table, state, fate: fateOf(table, state) };
  });
  const exists = new Set(labels.values());
  // A name that another table has taken is lost with its state.
  const taken = new Set(tables.map(({ label }) => label));
  const lost = [...states.values()]
    .filter((state) => !claimed.has(state) && !taken.has(state.table))
    .map((state) => {
      if (state.oid !== 0) return { state, label: labels.get(state.oid) ?? null };
      return { state, label: exists.has(state.table) ? state.table : null };
    });
  return { found, lost };
}

function fateOf(table: NamedTable, state: TableState | null): Fate {
  if (state === null) return 'new';
  if (state.oid !== 0 && state.oid !== table.oid) return 'recreated';
  return state.table === table.label ? 'same' : 'renamed';
}
