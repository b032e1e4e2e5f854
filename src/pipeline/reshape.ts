/**
 * Finds the tables whose mirrors have other columns than the source by now, or whose rows may have other values, and
 * has them built anew beside the mirror that is read (rebuild.ts). Called before a session, while nothing is written.
 *
 * A rewrite by ALTER TABLE sends no changes. It is known by two things together: the table has another file, as after
 * TRUNCATE or VACUUM FULL, and a column has another row in the catalogue, as after RENAME.
 */
import { type MirrorShape, readMirrorShapes } from '../destination/mirrors.ts';
import { newTableState, type TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { adColumns, isAdName } from '../model/roles.ts';
import {
  decodeShapes,
  encodeShapes,
  hasOtherFiles,
  hasOtherTypes,
  isSameShape,
  type TableShape,
} from '../model/shape.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import type { FoundShape } from '../source/shapes.ts';
import { type AdObjects, alterAdTable, findAdObjects } from './alter-ad-table.ts';
import { alterMirror } from './alter-mirror.ts';
import type { Copy } from './copy.ts';
import { isInPlace, type TableLayout } from './layout.ts';
import { type Look, plainShape, withLook } from './look.ts';
import { stateToRebuild } from './rebuild.ts';

/** Tables that a session could not go on with, by oid, and why. */
export type Unreadable = ReadonlyMap<number, string>;

/** What {@link reshape} goes by. */
export interface ReshapeFacts {
  readonly look: Look;
  readonly states: ReadonlyMap<string, TableState>;
  readonly adSchema: boolean;
  /** End of the source's log, read after the look. */
  readonly lsn: Lsn;
  /** Tables whose changes could not be read, by oid, with the reason. */
  readonly unreadable: Unreadable;
}

/** Lets tables be built anew that cannot be followed otherwise. @returns All states as they are then. */
export async function reshape(
  copy: Copy,
  layouts: readonly TableLayout[],
  { look, states, adSchema, lsn, unreadable }: ReshapeFacts,
): Promise<ReadonlyMap<string, TableState>> {
  const next = new Map(states);
  const targets = layouts.map(({ table }) => table.target);
  const mirrors = await readMirrorShapes(copy.clickhouse, copy.names, targets);
  const ads = await findAdObjects(copy, layouts.filter(isInPlace));
  for (const layout of layouts) {
    const label = tableLabel(layout.table);
    const state = states.get(label);
    if (state === undefined) continue;
    const now = shapeIn(look, layout.table);
    const present = { state, now, adSchema, mirror: mirrors.get(layout.table.target), ads };
    const why = unreadable.get(layout.table.oid) ?? (await reasonOf(copy, layout, present));
    if (why === null && !(state.building && state.shape === '')) continue;
    const target = { ...layout, state };
    const asked = why === null ? { ...state, fromLsn: lsn } : await stateToRebuild(copy, target, { lsn, why });
    // From here on the stream brings nothing of it from before the look.
    const shape = asked.building
      ? encodeShapes(withLook([], shapeIn(look, layout.table), lsn))
      : encodeKept(state, look);
    const written = { ...asked, shape };
    await copy.tables.writeTable(written);
    next.set(label, written);
    // What is stored now makes the rows be read again, whatever dies here.
    if (!written.building) await alterToReload(copy, layout, present);
  }
  return next;

  function encodeKept(state: TableState, { shapes }: Look): string {
    const now = shapes.get(state.oid);
    return now === undefined ? state.shape : encodeShapes([...decodeShapes(state.shape), plainShape(now)]);
  }
}

interface Present {
  readonly state: TableState;
  readonly now: FoundShape;
  readonly adSchema: boolean;
  readonly mirror: MirrorShape | undefined;
  readonly ads: AdObjects;
}

/** Alters the mirror if it is not in line. @returns Why its rows must be read again; null when they need not. */
async function reasonOf(copy: Copy, layout: TableLayout, present: Present): Promise<string | null> {
  const { state, now, adSchema, mirror, ads } = present;
  const last = decodeShapes(state.shape).at(-1);
  const areOthers = last !== undefined && hasOtherTypes(last, now);
  const isOther = last !== undefined && (!isSameShape(last, now) || wasRewritten(layout.table, last, now) || areOthers);
  if (layout.building) return isOther ? 'its columns have changed' : null;
  // One that the key figures need and cannot use: told by makeTables().
  if (adSchema && isAdName(layout.table) && !isInPlace(layout)) return null;
  const looks = { last, now };
  // Nothing of it is copied yet.
  const mode = isInPlace(layout) && state.phase === 'waiting' ? 'reload' : 'exact';
  if (mode === 'exact' && last !== undefined && wasRewritten(layout.table, last, now))
    return 'the source has written its rows anew';
  if (mode === 'exact' && areOthers) return 'a type that its columns consist of was altered';
  const other = isInPlace(layout) && mode === 'exact' ? otherColumn(layout, last) : null;
  if (other !== null || mirror === undefined) return other;
  const why = isInPlace(layout)
    ? await alterAdTable(copy, layout, { looks, mode, there: ads })
    : await alterMirror(copy, layout, { mirror, state, looks, mode });
  return why === null ? null : `its columns have changed: ${why}`;
}

/** The mirror of a table that is read again in place gets the columns that it is to have, if it can: if not, makeTables() tells. */
async function alterToReload(copy: Copy, layout: TableLayout, { state, now, mirror, ads }: Present): Promise<void> {
  const looks = { last: decodeShapes(state.shape).at(-1), now };
  const mode = 'reload' as const;
  // Nothing was altered since: its rows could not stay.
  if (isInPlace(layout)) await alterAdTable(copy, layout, { looks, mode, there: ads });
  else if (mirror !== undefined) await alterMirror(copy, layout, { mirror, state, looks, mode });
}

/** Of the columns that sql/clickhouse knows by name: the same names and types, and other columns all the same. */
function otherColumn({ table }: TableLayout, last: TableShape | undefined): string | null {
  const own = adColumns(table);
  const other = table.columns.find(({ attnum, name }) => {
    const before = last?.columns[attnum - 1];
    return last !== undefined && own.has(name) && (before?.kind === 'dropped' || before?.name !== name);
  });
  return other === undefined ? null : `its column “${other.name}” is another than before`;
}

/** Whether rows may have other values than before without the stream having said so. */
export function wasRewritten({ columns }: SourceTable, last: TableShape, now: FoundShape): boolean {
  if (!hasOtherFiles(last, now)) return false;
  return now.columns.some((column) => {
    // Of generated columns those count that are copied.
    const isCopied = columns.some(({ attnum }) => attnum === column.attnum);
    if (column.kind !== 'there' && !(column.kind === 'publishable' && isCopied)) return false;
    const before = last.columns[column.attnum - 1];
    if (before === undefined) return !now.withMissing.has(column.attnum);
    return before.xmin !== column.xmin;
  });
}

/** What the look saw of a table. @throws {AppError} `INTERNAL`. */
export function shapeIn({ shapes }: Look, table: SourceTable): FoundShape {
  const shape = shapes.get(table.oid);
  if (shape === undefined) throw new AppError('INTERNAL', `nobody has looked at ${tableLabel(table)}`);
  return shape;
}

/** The state of a table whose mirror is in line with what was seen; the same when nothing of it is new. */
export function lookedAt(
  { table }: TableLayout,
  state: TableState | undefined,
  { look, appliedLsn }: { readonly look: Look; readonly appliedLsn: Lsn },
): TableState {
  const known = state ?? newTableState(table);
  const shape = encodeShapes(withLook(decodeShapes(known.shape), shapeIn(look, table), appliedLsn));
  return state !== undefined && state.shape === shape ? state : { ...known, oid: table.oid, shape };
}
