/**
 * What the next start would make or change, told from a rehearsal of it (rehearse.ts): per table in words and with its
 * statements, then what belongs to no single table.
 */
import { copiedTables } from '../config/table-rules.ts';
import { currentView, tableNames } from '../destination/ddl.ts';
import { objectOf } from '../destination/planned-objects.ts';
import type { PlannedStatement } from '../destination/rehearsed-client.ts';
import { isFollowed, type TableState } from '../destination/table-state.ts';
import type { Finding } from '../model/finding.ts';
import { isKeyless, onDeleteOf, tableLabel } from '../model/table.ts';
import { tableFindings } from '../source/preflight-tables.ts';
import { rehearseSource, type SourceRehearsal } from '../source/rehearsal.ts';
import { type ColumnChange, columnChanges, readMirrorColumns } from './column-changes.ts';
import type { Copy } from './copy.ts';
import { addedTables, readKnownTables } from './known-tables.ts';
import { isInPlace, type TableLayout } from './layout.ts';
import type { PipelineOptions } from './options.ts';
import { rehearse, type Rehearsed } from './rehearse.ts';

/** What would happen to one table. */
export interface PlannedTable {
  /** `schema.table` of the source. */
  readonly table: string;
  /** For programs. */
  readonly fate: TableFate;
  /** In words. */
  readonly what: string;
  /** Where its columns differ from those of its copy. */
  readonly columns: readonly ColumnChange[];
  /** For ClickHouse, in order. */
  readonly statements: readonly string[];
  /** For ClickHouse, by a later session: when the table that is built beside its rows has caught up. */
  readonly later: readonly string[];
}

/**
 * - `loaded`: made and read
 * - `altered`: its mirror is altered, no row is read
 * - `rebuilt`: read anew beside its rows, whose place it takes; `reloaded`: in their place
 * - `renamed`, `quarantined`, `paused`, `excluded`, `dropped`: as the phases of a table
 * - `followed`: nothing but what is needed to go on
 */
export type TableFate =
  | 'loaded'
  | 'altered'
  | 'rebuilt'
  | 'reloaded'
  | 'renamed'
  | 'quarantined'
  | 'paused'
  | 'excluded'
  | 'dropped'
  | 'followed';

/** What a start would do. */
export interface StartPlan {
  /** Something would be done. */
  readonly changes: boolean;
  readonly tables: readonly PlannedTable[];
  /** Statements for PostgreSQL. */
  readonly postgres: readonly string[];
  /** The replication slot is made: from then on the source keeps WAL. */
  readonly makesSlot: boolean;
  /** All statements for ClickHouse, in order: those of the tables too. */
  readonly clickhouse: readonly string[];
  /** Those of no single table: databases, state, history, rollups, key figures, by the migration file that has them. */
  readonly others: readonly PlannedStatement[];
  /** What somebody should do in the source, such as a replica identity that is needed. Nothing that a start would do. */
  readonly findings: readonly Finding[];
}

/** Looks at both servers. Changes nothing. @throws {AppError} what a start would throw. */
export async function planStart(copy: Copy, options: PipelineOptions): Promise<StartPlan> {
  await using source = await rehearseSource(options.postgresUrl, options);
  return await planOn(source, copy, options);
}

/** The same in a session that is there already. */
export async function planOn(source: SourceRehearsal, copy: Copy, options: PipelineOptions): Promise<StartPlan> {
  const rehearsed = await rehearse(source, copy, options);
  const mirrors = await readMirrorColumns(copy.clickhouse, copy.names);
  const { statements } = rehearsed;
  const owners = ownersOf(rehearsed);
  const byTable = new Map<string, string[]>();
  const others: PlannedStatement[] = [];
  for (const statement of statements) {
    const owner = statement.script === null ? owners(objectOf(statement.sql)?.name ?? '') : undefined;
    if (owner === undefined) others.push(statement);
    else byTable.set(owner, [...(byTable.get(owner) ?? []), statement.sql]);
  }
  const tables = [...new Set([...rehearsed.after.keys(), ...rehearsed.before.keys()])].toSorted().flatMap((label) => {
    const own = byTable.get(label) ?? [];
    return plannedTable(copy, rehearsed, { label, statements: own, mirrors }) ?? [];
  });
  const patterns = { ...copiedTables(options), also: addedTables(await readKnownTables(copy)) };
  return {
    changes: statements.length + source.statements.length + tables.length > 0 || source.makesSlot,
    tables,
    postgres: source.statements,
    makesSlot: source.makesSlot,
    clickhouse: statements.map(({ sql }) => sql),
    others,
    findings: await tableFindings(source.client, patterns),
  };
}

/** Tells `schema.table` by the name of an object in ClickHouse. */
function ownersOf({ before, after }: Rehearsed): (name: string) => string | undefined {
  const states = [...before.values(), ...after.values()];
  const byName = new Map<string, string>();
  for (const { target, table } of states)
    for (const suffix of ['', '_in', '_mv', '_current', '_next', '_next_clone'])
      byName.set(`${target}${suffix}`, table);
  const byOid = new Map(states.map(({ oid, table }) => [oid, table]));
  // Mirrors on their way to other columns (alter-mirror.ts).
  return (name) => byName.get(name) ?? byOid.get(Number(/^altered_(\d+)_/.exec(name)?.[1]));
}

interface Found {
  readonly label: string;
  readonly statements: readonly string[];
  readonly mirrors: Awaited<ReturnType<typeof readMirrorColumns>>;
}

/** null: nothing happens to it. */
function plannedTable(copy: Copy, rehearsed: Rehearsed, found: Found): PlannedTable | null {
  const { label: table, statements } = found;
  const state = rehearsed.after.get(table);
  if (state === undefined) {
    const taken = [...rehearsed.after.values()].some(
      ({ oid }) => oid !== 0 && oid === rehearsed.before.get(table)?.oid,
    );
    if (taken) return null;
    return { table, fate: 'dropped', what: 'is forgotten', columns: [], statements, later: [] };
  }
  const before = [...rehearsed.before.values()].find(({ oid }) => oid !== 0 && oid === state.oid);
  const known = before ?? rehearsed.before.get(table);
  const layout = rehearsed.prepared.layouts.find((candidate) => tableLabel(candidate.table) === table);
  const told = fateOf(state, known, { layout, statements });
  if (told === null) return null;
  const mirror = known === undefined ? undefined : found.mirrors.get(known.target);
  const differing = layout === undefined || mirror === undefined ? [] : columnChanges(mirror, layout);
  const isViewMade = [...statements, ...(told.fate === 'rebuilt' ? laterOf(copy, layout) : [])].some((sql) =>
    / VIEW [^(]*_current`? AS /.test(sql),
  );
  const columns = isViewMade ? [...differing, ...computedColumns(layout)] : differing;
  return { table, ...told, columns, statements, later: told.fate === 'rebuilt' ? laterOf(copy, layout) : [] };
}

function computedColumns(layout: TableLayout | undefined): ColumnChange[] {
  return (layout?.table.computed ?? []).map(({ name, computed }) => ({
    column: name,
    what: `is computed in the view: ${computed}`,
  }));
}

function fateOf(
  state: TableState,
  before: TableState | undefined,
  { layout, statements }: { layout: TableLayout | undefined; statements: readonly string[] },
): Pick<PlannedTable, 'fate' | 'what'> | null {
  const { phase, reason } = state;
  if (!isFollowed(phase)) {
    if (before?.phase === phase && before.table === state.table) return null;
    // Spelled out, as these are no fates: they are followed.
    const fate = phase as 'quarantined' | 'paused' | 'excluded' | 'dropped';
    return { fate, what: fate === 'quarantined' ? `is left out: ${reason}` : `is ${fate}: ${reason}` };
  }
  if (before === undefined) {
    const isOfAds = layout !== undefined && isInPlace(layout);
    return { fate: 'loaded', what: isOfAds ? 'is loaded, into the tables of the ad schema' : 'is loaded' };
  }
  if (state.generation !== before.generation || state.build !== before.build) {
    if (!state.building) return { fate: 'reloaded', what: `is loaded again in place: ${reason}` };
    return { fate: 'rebuilt', what: `is built anew beside its rows, and takes their place: ${reason}` };
  }
  if (state.table !== before.table) return { fate: 'renamed', what: `was called ${before.table}: its copy is renamed` };
  if (statements.some((sql) => / (ADD|DROP|RENAME|MODIFY) COLUMN /.test(sql)))
    return { fate: 'altered', what: 'has other columns: its mirror is altered, no row is read again' };
  if (statements.length > 0 && statements.every((sql) => sql.startsWith('CREATE OR REPLACE VIEW ')))
    return { fate: 'altered', what: 'has other computed columns: its view is made anew, no row is read again' };
  return statements.length === 0 ? null : { fate: 'followed', what: 'is followed: what it is written through is made' };
}

/** What the exchange takes: as rebuild.ts does it. */
function laterOf({ names }: Copy, layout: TableLayout | undefined): string[] {
  if (layout === undefined || onDeleteOf(layout.table) !== 'mirror' || isKeyless(layout.table)) return [];
  const { mirror, current } = tableNames(names, layout.table.target);
  const next = tableNames(names, layout.table.target, true).mirror;
  return [
    `EXCHANGE TABLES ${mirror} AND ${next}`,
    `CREATE OR REPLACE VIEW ${currentView(current, mirror, layout.table)}`,
    `DROP TABLE IF EXISTS ${next} SYNC`,
  ];
}
