/**
 * What the copy knows already before it is prepared: which tables are quarantined, whether the ad schema is in
 * use, and which mirrors have other columns than their tables have by now. A table that was changed while nobody
 * streamed is quarantined, as it would be in the stream; the others go on.
 */
import type { Checkpoint } from '../destination/checkpoint.ts';
import { type TableRequest, TableRequestStore } from '../destination/table-requests.ts';
import type { MirrorShape } from '../destination/mirrors.ts';
import { newTableState, type TableState } from '../destination/table-state.ts';
import { adFault, isAdName } from '../model/roles.ts';
import { isKeyless, type SourceTable, tableLabel } from '../model/table.ts';
import type { Copy } from './copy.ts';
import type { TableLayout } from './layout.ts';

/** What was there before this start. */
export interface KnownTables {
  readonly states: ReadonlyMap<string, TableState>;
  /** The checkpoint, or null before the first start. */
  readonly checkpoint: Checkpoint | null;
  /** What was asked of single tables, and is not answered yet. */
  readonly requests: readonly TableRequest[];
  /** The rollups exist: the ad schema stays in use, also when one of its tables has changed since. */
  readonly adSchema: boolean;
}

/** Reads what is known; nothing before the first start. */
export async function readKnownTables(copy: Copy): Promise<KnownTables> {
  const { clickhouse, names } = copy;
  const rows = await clickhouse.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE (database = {internal:String} AND name IN ('tables', 'checkpoint', 'table_requests'))
       OR (database = {database:String} AND name = 'campaign_hourly')`,
    { params: { internal: names.internal, database: names.database } },
  );
  const has = (name: string): boolean => rows.some((row) => row.name === name);
  const states = has('tables') ? await copy.tables.readTables() : new Map<string, TableState>();
  const checkpoint = has('checkpoint') ? await copy.checkpoint.read() : null;
  const requests = has('table_requests')
    ? await new TableRequestStore(clickhouse, names, copy.pipeline).readOpen()
    : [];
  return { states, checkpoint, requests, adSchema: has('campaign_hourly') };
}

/** Tables that are copied whatever the configuration says. */
export function addedTables({ states, requests }: Pick<KnownTables, 'states' | 'requests'>): ReadonlySet<string> {
  const added = [...states.values()].filter(({ chosen }) => chosen === 'added').map(({ table }) => table);
  return new Set([...added, ...requests.filter(({ action }) => action === 'add').flatMap(({ tables }) => tables)]);
}

/** Why a table's rows do not fit its mirror any more; null when they do, or when there is none yet. */
export function shapeFault(
  mirror: MirrorShape | undefined,
  { table, codecs }: TableLayout,
  adSchema: boolean,
): string | null {
  const adProblem = adSchema && isAdName(table) ? adFault(table) : null;
  if (adProblem !== null) return adProblem;
  if (mirror === undefined) return null;
  const found = mirror.columns;
  const added = table.columns.filter(({ name }) => !found.some((column) => column.name === name));
  const gone = found.filter(({ name }) => !table.columns.some((column) => column.name === name));
  if (added.length + gone.length > 0) return changedColumns(added, gone);
  const typed = table.columns.find(({ name }, i) =>
    found.some((c) => c.name === name && c.type !== codecs[i]?.clickhouseType),
  );
  if (typed !== undefined) return `column “${typed.name}” has another type`;
  return mirror.sortingKey === wantedKey(table) ? null : 'other columns identify its rows';
}

/** The sorting key of a table's mirror: plain names, as {@link MirrorShape} has them. */
export function wantedKey(table: SourceTable): string {
  if (isKeyless(table)) return '_version, _ordinal';
  return table.key.map((i) => (table.columns[i]?.name ?? '').replaceAll(/[`\\]/g, '')).join(', ');
}

/** The state of a table whose changes cannot be followed any more. */
export function quarantinedState(table: SourceTable, state: TableState | undefined, fault: string): TableState {
  const reason = `${tableLabel(table)} has changed its shape: ${fault}`;
  return { ...(state ?? newTableState(table)), phase: 'quarantined', reason };
}

/** Which columns came and went, in words. */
function changedColumns(added: readonly { name: string }[], gone: readonly { name: string }[]): string {
  const list = (columns: readonly { name: string }[]): string => columns.map(({ name }) => `“${name}”`).join(', ');
  const parts = [added.length > 0 ? `new: ${list(added)}` : '', gone.length > 0 ? `gone: ${list(gone)}` : ''];
  return parts.filter((part) => part !== '').join('; ');
}
