/**
 * Brings mirrors into line with the columns of their tables without reading a row again, where what the rows have then is
 * exactly what reading them would give (destination/alter.ts). Nothing is written to them meanwhile: in `prepare`.
 *
 *   mirror ─► clone (hard links) ─► clone altered ─► exchanged ─► view and landing made anew, the old one dropped
 *
 * So readers have the old columns or the new ones, never one without the other, and a process that dies leaves a clone
 * and nothing half altered. The mirror itself tells by its columns whether it is in line.
 */
import { FAIL_UNFIT } from '../codec/column-base.ts';
import { codecFor } from '../codec/codecs.ts';
import { sourceTypeOf } from '../codec/column-type.ts';
import { type Alteration, type MirrorColumn, planAlteration, type WantedColumn } from '../destination/alter.ts';
import { tableNames } from '../destination/ddl.ts';
import { literal } from '../destination/lookup.ts';
import { mirrorComment, type MirrorShape } from '../destination/mirrors.ts';
import type { TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import type { ShapeColumn, TableShape } from '../model/shape.ts';
import { isKeyless, type SourceColumn, tableLabel } from '../model/table.ts';
import { NO_LSN } from '../model/lsn.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { wantedKey } from './known-tables.ts';
import { codecAt, type TableLayout } from './layout.ts';
import { exchange, leadToMirror } from './rebuild.ts';

/** Writing a column of more rows anew would hold up all other tables: such a table is built anew beside instead. */
const MOST_REWRITTEN_ROWS = 50_000_000;

/**
 * Types between which PostgreSQL changes a column without writing its values anew, and which write the same text: text and
 * varchar; bit and varbit; timestamp and timestamptz (where the session is at UTC). Others do not: what was `xml` loses or
 * gains a declaration as text, `cidr` its mask as inet, `regproc` its arguments as regprocedure, `character` its blanks.
 */
const WRITTEN_ALIKE: readonly (readonly number[])[] = [
  [25, 1043],
  [1560, 1562],
  [1114, 1184],
];

/** Two looks at a table: the one its mirror is in line with, and the present one. */
export interface Looks {
  readonly last: TableShape | undefined;
  readonly now: TableShape;
}

/**
 * - `exact`: the rows that are there have the source's values then
 * - `reload`: all rows that the source has are read again; the others have NULL, or nothing, in columns that are new
 */
export type AlterMode = 'exact' | 'reload';

/**
 * Brings the mirror of a table into line with its columns, if that can be done without reading its rows again.
 *
 * @returns Why it cannot; null when the mirror is in line.
 */
export async function alterMirror(
  copy: Copy,
  layout: TableLayout,
  { mirror, state, looks, mode }: { mirror: MirrorShape; state: TableState; looks: Looks; mode: AlterMode },
): Promise<string | null> {
  const next = `${alteredPrefix(layout)}${copy.fence.epoch}`;
  const table = `${chIdent(copy.names.internal)}.${chIdent(next)}`;
  const plan = planMirror(table, layout, mirror, { looks, mode });
  if (plan.kind === 'in line') return null;
  const why = plan.kind === 'rebuild' ? plan.why : await whyNotNow(copy, layout, plan);
  if (why !== null || plan.kind === 'rebuild') return why;
  const { mirror: read, landing, landingView } = tableNames(copy.names, layout.table.target);
  const run = async (sql: string): Promise<void> =>
    void (await copy.clickhouse.command(sql, {
      settings: { ...copy.fence.settings('prepare'), mutations_sync: 2, alter_sync: 2 },
    }));
  const identity = mirrorComment({ oid: layout.table.oid, build: state.build });
  await run(`CREATE TABLE ${table} CLONE AS ${read}`);
  await run(`ALTER TABLE ${table} MODIFY COMMENT ${chLiteral(identity)}`);
  for (const statement of plan.statements) await run(statement);
  failPoint('mirror-altered');
  await run(`DROP VIEW IF EXISTS ${landingView} SYNC`);
  await run(`DROP TABLE IF EXISTS ${landing} SYNC`);
  await exchange(copy, layout, { next: table, clone: `${next}_shown`, hasMirror: true });
  failPoint('altered-exchanged');
  return null;
}

/** Ends what {@link alterMirror} has begun: views and landings of the mirrors that are read, and nothing left over. */
export async function finishAlterations(
  copy: Copy,
  layouts: readonly TableLayout[],
  states: ReadonlyMap<string, TableState>,
): Promise<void> {
  const { clickhouse, names, fence } = copy;
  const rows = await clickhouse.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = {internal:String} AND match(name, '^altered_[0-9]+_[0-9]+(_shown)?$') ORDER BY name`,
    { params: { internal: names.internal } },
  );
  for (const layout of layouts) {
    const left = rows.filter(({ name }) => name.startsWith(alteredPrefix(layout)));
    // Until it is built, readers have what they had.
    if (left.length === 0 || layout.building) continue;
    const build = states.get(tableLabel(layout.table))?.build ?? NO_LSN;
    await leadToMirror(copy, layout, { oid: layout.table.oid, build });
    for (const { name } of left)
      await clickhouse.command(`DROP TABLE IF EXISTS ${chIdent(names.internal)}.${chIdent(name)} SYNC`, {
        settings: fence.settings('prepare'),
      });
  }
}

/** Begins the names of all tables that are made to alter the mirror of one; the epoch of the writer follows. */
function alteredPrefix({ table }: Pick<TableLayout, 'table'>): string {
  return `altered_${table.oid}_`;
}

function planMirror(
  name: string,
  layout: TableLayout,
  mirror: MirrorShape,
  { looks, mode }: { looks: Looks; mode: AlterMode },
): Alteration {
  const found = identified(mirror, looks.last);
  if (found === null) return { kind: 'rebuild', why: 'it is not known which columns its mirror has' };
  const plan = planAlteration(name, found, wantedColumns(layout, looks, mode));
  return plan.kind !== 'rebuild' && mirror.sortingKey !== wantedKey(layout.table)
    ? { kind: 'rebuild', why: 'other columns identify its rows' }
    : plan;
}

/** The columns of a mirror by attnum. Those of earlier versions do not tell it: they are those of the last look, by name. */
function identified({ columns }: MirrorShape, last: TableShape | undefined): MirrorColumn[] | null {
  const byName = new Map(last?.columns.map(({ name, attnum, kind }) => [kind === 'dropped' ? '' : name, attnum]));
  const found = columns.map(({ name, type, attnum, isInKey }) => {
    return { name, type, isInKey, attnum: attnum ?? byName.get(name) ?? 0, isTold: attnum !== null };
  });
  return found.some(({ attnum }) => attnum === 0) ? null : found;
}

/** The columns of a table as its mirror is to have them. */
export function wantedColumns(layout: TableLayout, { last, now }: Looks, mode: AlterMode): WantedColumn[] {
  return layout.table.columns.map((column, i) => {
    const codec = codecAt(layout, i);
    const [was, is] = [last?.columns[column.attnum - 1], now.columns[column.attnum - 1]];
    // One that was there already and is not in the mirror was left out, or generated: its values are not known.
    const isNew = last !== undefined && column.attnum > last.columns.length;
    return {
      name: column.name,
      type: codec.clickhouseType,
      attnum: column.attnum,
      compression: column.choice?.compression ?? codec.compression,
      initial:
        (isNew && is !== undefined ? initialValue(column, is.missing) : null) ?? (mode === 'reload' ? 'NULL' : null),
      keepsValues: mode === 'reload' || was === undefined || is === undefined || isReadAlike(was, column),
    };
  });
}

/** Whether values that were not written anew are read as before: by types that read the same bytes alike. */
function isReadAlike(was: ShapeColumn, column: SourceColumn): boolean {
  const { oid, sendsText } = sourceTypeOf(column);
  // The column's own type, or what a domain of now stands for. What a domain of before stood for is not known any more.
  if (was.typeOid === column.typeOid || was.typeOid === oid) return true;
  return WRITTEN_ALIKE.some(
    (alike) => alike.includes(was.typeOid) && (alike.includes(oid) || (sendsText && alike === WRITTEN_ALIKE[0])),
  );
}

/** What rows have in a column that was added behind them, as SQL; null: it cannot be said. */
function initialValue(column: SourceColumn, missing: string | null): string | null {
  // What a function makes of rows is not known before they are read.
  if (column.choice?.mask?.kind === 'row') return null;
  if (missing === null) return codecFor(column).nullable ? 'NULL' : null;
  try {
    const values = codecFor({ ...column, nullable: false }).open(FAIL_UNFIT);
    const bytes = Buffer.from(missing);
    values.appendText(bytes, 0, bytes.length);
    return values.value(0) === null ? 'NULL' : literal(values, 0);
  } catch (error) {
    // Then the rows are read, and what does not fit is told with its row.
    if (error instanceof AppError && ['VALUE_UNFIT', 'TYPE_UNSUPPORTED', 'CONFIG_INVALID'].includes(error.code))
      return null;
    throw error;
  }
}

/** Why an alteration cannot be made for the rows that are there; null when it can. */
export async function whyNotNow(
  { clickhouse, names }: Copy,
  { table }: TableLayout,
  { rewrites, narrowed }: Extract<Alteration, { kind: 'alter' }>,
): Promise<string | null> {
  const { mirror } = tableNames(names, table.target);
  if (narrowed.length > 0) {
    const nulls = narrowed.map(({ name }) => `${chIdent(name)} IS NULL`).join(' OR ');
    const present = isKeyless(table) ? '' : ' AND _deleted = 0';
    const [row] = await clickhouse.rows(`SELECT 1 FROM ${mirror} FINAL WHERE (${nulls})${present} LIMIT 1`);
    if (row !== undefined) return `rows of the copy have NULL in “${narrowed.map(({ name }) => name).join('”, “')}”`;
  }
  if (!rewrites) return null;
  const [row] = await clickhouse.rows<{ n: string }>(`SELECT count() AS n FROM ${mirror}`);
  return Number(row?.n) > MOST_REWRITTEN_ROWS ? 'a column of very many rows has another type' : null;
}
