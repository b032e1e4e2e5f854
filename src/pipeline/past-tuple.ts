/** Tuples that do not stand for a row of the mirror one for one: old ones, and those of a time with other columns. */
import type { ColumnBuffer } from '../codec/column.ts';
import { TUPLE_NULL, TUPLE_TEXT, TUPLE_UNCHANGED, type TupleReader } from '../source/tuple.ts';
import type { PastReading } from './past-reading.ts';
import { columnAt, isNullable, type Key } from './row-key.ts';

/** A value that PostgreSQL left out because it did not change (TOAST). */
export interface Gap {
  readonly row: number;
  readonly column: number;
  /** Earlier row of this batch that has the value, or −1: the mirror has it. */
  readonly baseRow: number;
  readonly key: Key;
  /** The mirror does not have it either: the row is read again by key. */
  readonly isLost: boolean;
}

/** What becomes of the values of a new tuple that are not in it. */
export interface PastTupleTarget {
  readonly into: readonly ColumnBuffer[];
  readonly onUnchanged: (column: number) => void;
  readonly onLost: (column: number) => void;
}

/** Appends a tuple that was written when the table had other columns. @param reader Opened before its first column. */
export function appendPastTuple(
  reader: TupleReader,
  bytes: Buffer,
  { targets, missing, lost }: PastReading,
  { into, onUnchanged, onLost }: PastTupleTarget,
): void {
  for (const target of targets) {
    const kind = reader.next();
    if (target < 0) continue;
    const column = columnAt(into, target);
    if (kind === TUPLE_UNCHANGED) onUnchanged(target);
    else if (kind === TUPLE_TEXT) column.appendText(bytes, reader.start, reader.end);
    else if (kind !== TUPLE_NULL) column.appendBinary(bytes, reader.start, reader.end);
    // NOT NULL came later, so the row has another value by now.
    else if (!isNullable(column)) onLost(target);
    else column.appendNull();
  }
  for (const { column: i, text } of missing) {
    const column = columnAt(into, i);
    if (text !== null) column.appendText(text, 0, text.length);
    else if (isNullable(column)) column.appendNull();
    else onLost(i);
  }
  for (const i of lost) onLost(i);
}

/** Where an old tuple goes. */
export interface OldTupleTarget {
  /** A scratch row: one column per column of the table. */
  readonly into: readonly ColumnBuffer[];
  /** Only these columns were sent (`K`); null: the whole row was (`O`). */
  readonly key: readonly number[] | null;
  /** For tuples that were written when the table had other columns; null: as they stand. */
  readonly reading: PastReading | null;
}

/** Reads an old tuple into a scratch row; what was not sent becomes a filler. @param reader Opened before its first column. */
export function readOldTuple(reader: TupleReader, bytes: Buffer, target: OldTupleTarget): void {
  if (target.reading !== null) return readPast(reader, bytes, { ...target, reading: target.reading });
  for (let i = 0; i < target.into.length; i++) {
    const column = target.into[i] as ColumnBuffer;
    const kind = reader.next();
    column.clear();
    if (target.key !== null && !target.key.includes(i)) column.appendFiller();
    else if (kind === TUPLE_NULL) column.appendNull();
    else if (kind === TUPLE_TEXT) column.appendText(bytes, reader.start, reader.end);
    else column.appendBinary(bytes, reader.start, reader.end);
  }
}

function readPast(
  reader: TupleReader,
  bytes: Buffer,
  target: OldTupleTarget & { readonly reading: PastReading },
): void {
  for (const column of target.into) column.clear();
  for (const i of target.reading.targets) {
    const kind = reader.next();
    if (i < 0 || (target.key !== null && !target.key.includes(i))) continue;
    const column = columnAt(target.into, i);
    if (kind === TUPLE_TEXT) column.appendText(bytes, reader.start, reader.end);
    else if (kind !== TUPLE_NULL) column.appendBinary(bytes, reader.start, reader.end);
    else if (isNullable(column)) column.appendNull();
  }
  for (const { column: i, text } of target.reading.missing) {
    const column = columnAt(target.into, i);
    if (target.key !== null) continue;
    if (text !== null) column.appendText(text, 0, text.length);
    else if (isNullable(column)) column.appendNull();
  }
  for (const column of target.into) if (column.length === 0) column.appendFiller();
}
