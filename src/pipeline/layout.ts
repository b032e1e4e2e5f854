/** What is fixed about a table while it is streamed: its shape, how each column travels, and where its rows go. */
import type { Codec, ColumnBuffer, UnfitPolicy } from '../codec/column.ts';
import { RowIntake, rowPlan } from '../codec/row-intake.ts';
import { type Names, type TableNames, tableNames } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { adColumns, type Role } from '../model/roles.ts';
import { onDeleteOf, type SourceTable, tableLabel } from '../model/table.ts';

/** Everything fixed about a table while it is streamed. */
export interface TableLayout {
  readonly table: SourceTable;
  readonly codecs: readonly Codec[];
  readonly role: Role;
  /** Every version is kept, with its commit time. */
  readonly history: boolean;
  /** Rows go to a mirror beside the one that is read, until it is live. */
  readonly building: boolean;
  /** Changes committed before this position are left out: the load sees them. */
  readonly fromLsn: Lsn;
  /** Print of its columns when the session looked at it (source/shapes.ts): rows read by name must still have them. */
  readonly print?: string | undefined;
}

/** Names of a table's objects in the copy; `mirror` is the one that is written to. */
export function layoutNames(names: Names, { table, building }: TableLayout): TableNames {
  return tableNames(names, table.target, building);
}

/** True for tables that are loaded again in place, as their rows feed history and rollup: never beside and exchanged. */
export function isInPlace({ role, history }: Pick<TableLayout, 'role' | 'history'>): boolean {
  return role.kind !== 'plain' || history;
}

/**
 * True for tables that are built anew beside the mirror that is read. Others are loaded again in place: their rows feed history and
 * rollup, or are nowhere else, as the source has deleted them.
 */
export function isBuiltBeside({ table, role, history }: Pick<TableLayout, 'table' | 'role' | 'history'>): boolean {
  return !isInPlace({ role, history }) && onDeleteOf(table) === 'mirror';
}

/** Columns of the source that a table's history has: of events those that key figures are made from, of others all. */
export function historyColumns({ table, role }: Pick<TableLayout, 'table' | 'role'>): string[] {
  return role.kind === 'events' ? [...adColumns(table)] : table.columns.map(({ name }) => name);
}

/** Opens a column for each of a table's. @param policies One per column: what they do with values that do not fit. */
export function openColumns(layout: TableLayout, policies: readonly UnfitPolicy[]): ColumnBuffer[] {
  return layout.codecs.map((codec, i) => codec.open(policyAt(policies, i)));
}

/** Opens what rows of the table are read through, into columns of {@link openColumns}. */
export function openIntake({ table }: TableLayout, columns: readonly ColumnBuffer[]): RowIntake {
  return new RowIntake(rowPlan(tableLabel(table), table.columns, table.rule?.transform ?? null), columns);
}

/** What column `i` does with values that do not fit. */
export function policyAt(policies: readonly UnfitPolicy[], i: number): UnfitPolicy {
  const policy = policies[i];
  if (policy === undefined) throw new AppError('INTERNAL', `column ${i} has no policy`);
  return policy;
}

/** How column `i` travels. */
export function codecAt(layout: TableLayout, i: number): Codec {
  const codec = layout.codecs[i];
  if (codec === undefined) throw new AppError('INTERNAL', `column ${i} has no codec`);
  return codec;
}

/**
 * Whether the stream may bring values in binary form: it brings those of all tables in one form. (Of a type that has no
 * binary form the server sends text all the same.)
 */
export function readsBinary(layouts: readonly TableLayout[]): boolean {
  return layouts.every(({ codecs }) => codecs.every(({ binary }) => binary));
}
