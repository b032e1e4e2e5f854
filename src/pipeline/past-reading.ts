/**
 * How tuples are read that were written when the table had other columns than its mirror has now.
 *
 *   source/changes.RelationMessage ─► [Readings] ─► TableBatch.reading
 *
 * Behind the session's look at the catalogue a relation must be exactly what was seen, and a later look must find the
 * same columns before anything of it is applied (`unproved`): so nothing can have happened in between. A relation
 * before that look is aligned between the looks that were stored (align.ts).
 */
import { parseSnapshot, type Snapshot } from '../model/control.ts';
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { isSameShape, type TableShape } from '../model/shape.ts';
import { isKeyless, tableLabel } from '../model/table.ts';
import type { RelationMessage, TransactionStart } from '../source/changes.ts';
import { align, isAsSeen } from './align.ts';
import type { TableLayout } from './layout.ts';

/** How one relation's tuples are read: see {@link align}. */
export interface PastReading {
  readonly targets: readonly number[];
  /** Columns added later, with what rows of that time have in them: its text, or null. */
  readonly missing: readonly { readonly column: number; readonly text: Buffer | null }[];
  readonly lost: readonly number[];
}

/** What is known of the shapes of all tables when a session begins. */
export interface CatalogView {
  /** `pg_current_snapshot()` of the session's look. */
  readonly snapshot: string;
  /** The looks at each table, by oid, oldest first: the last is the session's. */
  readonly shapes: ReadonlyMap<number, readonly TableShape[]>;
}

/**
 * - `as is`: tuples are the mirror's columns, one for one; `isProved` false: unless the catalogue says otherwise by now
 * - `past`: they are read by the reading; `isProved` as above
 * - `newer`: the catalogue is to be read anew
 * - `unknown`: what is in them cannot be told
 */
export type RelationReading =
  | { readonly kind: 'as is'; readonly isProved: boolean }
  | { readonly kind: 'past'; readonly isProved: boolean; readonly reading: PastReading }
  | { readonly kind: 'newer' }
  | { readonly kind: 'unknown'; readonly why: string };

/** Reads relations for one session. */
export class Readings {
  readonly #seen: Snapshot;
  readonly #shapes: CatalogView['shapes'];

  constructor(view: CatalogView) {
    this.#seen = parseSnapshot(view.snapshot);
    this.#shapes = view.shapes;
  }

  /** How to read a relation that comes in `transaction`. @throws {AppError} `INTERNAL` for a table that was not looked at. */
  of(layout: TableLayout, relation: RelationMessage, transaction: TransactionStart): RelationReading {
    const { table } = layout;
    const shapes = this.#shapes.get(table.oid) ?? [];
    const now = shapes.at(-1);
    if (now === undefined) throw new AppError('INTERNAL', `nobody has looked at ${tableLabel(table)}`);
    const copied = new Set(table.columns.map(({ attnum }) => attnum));
    const isAsNow = isAsSeen(relation, now, copied) && tellsKey(layout, relation);
    const whole = isAsNow ? null : readWhole(layout, relation, now);
    const present = (isProved: boolean): RelationReading | null => {
      if (isAsNow) return { kind: 'as is', isProved };
      return whole === null ? null : { kind: 'past', isProved, reading: whole };
    };
    if (!this.#seen.sees(transaction.xid)) return present(false) ?? { kind: 'newer' };
    const { before, after } = looksAround(shapes, now, transaction);
    const asNow = before !== null && isSameShape(before, now) ? present(true) : null;
    if (asNow !== null) return asNow;
    return readPast(layout, relation, { before, after, now });
  }
}

/** How present tuples are read that have columns which are not copied: PostgreSQL cannot always hold them back. */
function readWhole(layout: TableLayout, relation: RelationMessage, now: TableShape): PastReading | null {
  if (!canReadAgain(layout)) return null;
  // Of generated columns the relation says whether they are published.
  const isTold = (name: string): boolean => relation.columns.some((column) => column.name === name);
  const there = now.columns
    .filter(({ kind, name }) => kind === 'there' || (kind === 'publishable' && isTold(name)))
    .map(({ attnum }) => attnum);
  const isCopiedWhole = layout.table.columns.every(({ attnum }) => there.includes(attnum));
  if (!isCopiedWhole || !isAsSeen(relation, now, new Set(there))) return null;
  const targets = there.map((attnum) => layout.table.columns.findIndex((column) => column.attnum === attnum));
  return tellsKey(layout, relation, targets) ? { targets, missing: [], lost: [] } : null;
}

/** The last look before a transaction that touched the table, and the first behind it. */
function looksAround(
  shapes: readonly TableShape[],
  now: TableShape,
  { commitLsn, xid }: { readonly commitLsn: Lsn; readonly xid: number },
): { before: TableShape | null; after: TableShape } {
  // A look did not see what was committed behind its position. Of older looks the ids may have come round: not asked.
  const before = shapes.findLast(({ lsn }) => lsn <= commitLsn) ?? null;
  const later = shapes.filter(({ lsn }) => lsn > commitLsn);
  const after = later.find(({ snapshot }) => parseSnapshot(snapshot).sees(xid)) ?? now;
  const between = later.findLast((shape) => shape !== after && !parseSnapshot(shape.snapshot).sees(xid));
  return { before: between ?? before, after };
}

function readPast(
  layout: TableLayout,
  relation: RelationMessage,
  looks: { before: TableShape | null; after: TableShape; now: TableShape },
): RelationReading {
  const { table } = layout;
  const typeOf = (attnum: number): number => looks.now.columns[attnum - 1]?.typeOid ?? 0;
  const copied = table.columns.map(({ attnum }) => ({ attnum, typeOid: typeOf(attnum) }));
  const left = looks.now.columns.filter(
    ({ attnum, kind }) => kind !== 'dropped' && !copied.some((column) => column.attnum === attnum),
  );
  const unpublished = new Set(left.map(({ attnum }) => attnum));
  const reading = align(relation, { before: looks.before, after: looks.after, copied, unpublished });
  if (reading === null) return { kind: 'unknown', why: 'the columns of its changes cannot be told apart' };
  const isUncertain = table.key.some((i) => !reading.targets.includes(i));
  if (isUncertain || (!canReadAgain(layout) && reading.lost.length > 0))
    return { kind: 'unknown', why: 'columns of its changes cannot be told from each other' };
  if (!tellsKey(layout, relation, reading.targets))
    return { kind: 'unknown', why: 'its rows were identified by other columns' };
  const missing = reading.missing.map((column) => {
    const text = looks.now.columns[(copied[column]?.attnum ?? 0) - 1]?.missing ?? null;
    return { column, text: text === null ? null : Buffer.from(text) };
  });
  return { kind: 'past', isProved: true, reading: { targets: reading.targets, missing, lost: reading.lost } };
}

/** Whether a row of which something is not told can be read by its key. */
function canReadAgain({ table, role, history }: TableLayout): boolean {
  return role.kind === 'plain' && !history && !isKeyless(table);
}

/** Whether old tuples tell the columns that identify a row in the copy. */
function tellsKey({ table }: TableLayout, relation: RelationMessage, targets?: readonly number[]): boolean {
  // Then PostgreSQL refuses all but inserts.
  if (!relation.columns.some(({ isKey }) => isKey)) return true;
  const told = new Set(relation.columns.flatMap(({ isKey }, i) => (isKey ? [targets?.[i] ?? i] : [])));
  return table.key.every((i) => told.has(i));
}
