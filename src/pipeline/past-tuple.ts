/** Reads tuples into rows: new and old ones, and those of a time when the table had other columns. */
import type { ValueSink } from '../codec/column.ts';
import { TUPLE_NULL, TUPLE_TEXT, TUPLE_UNCHANGED, type TupleReader } from '../source/tuple.ts';
import type { PastReading } from './past-reading.ts';
import { columnAt, isNullable } from './row-key.ts';

/** Where a new tuple goes, and what becomes of its values that are not in it. */
export interface NewTupleTarget {
  readonly into: readonly ValueSink[];
  readonly onUnchanged: (column: number) => void;
  readonly onLost: (column: number) => void;
}

/** Appends a new tuple. @param reader Opened before its first column. @param reading null: it is the mirror's columns, one for one. */
export function appendNewTuple(
  reader: TupleReader,
  bytes: Buffer,
  reading: PastReading | null,
  target: NewTupleTarget,
): void {
  if (reading !== null) return appendPastTuple(reader, bytes, reading, target);
  const { into } = target;
  for (let i = 0; i < into.length; i++) {
    const column = into[i] as ValueSink;
    const kind = reader.next();
    if (kind === TUPLE_NULL) column.appendNull();
    else if (kind === TUPLE_TEXT) column.appendText(bytes, reader.start, reader.end);
    else if (kind === TUPLE_UNCHANGED) target.onUnchanged(i);
    else column.appendBinary(bytes, reader.start, reader.end);
  }
}

function appendPastTuple(
  reader: TupleReader,
  bytes: Buffer,
  { targets, missing, lost }: PastReading,
  { into, onUnchanged, onLost }: NewTupleTarget,
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
  /** A scratch row, empty: one column per column of the table. */
  readonly into: readonly ValueSink[];
  /** Only these columns were sent (`K`); null: the whole row was (`O`). */
  readonly key: readonly number[] | null;
  /** For tuples that were written when the table had other columns; null: as they stand. */
  readonly reading: PastReading | null;
}

/** Reads an old tuple into a scratch row; what was not sent becomes a filler. @param reader Opened before its first column. */
export function readOldTuple(reader: TupleReader, bytes: Buffer, target: OldTupleTarget): void {
  if (target.reading !== null) return readPast(reader, bytes, { ...target, reading: target.reading });
  for (let i = 0; i < target.into.length; i++) {
    const column = target.into[i] as ValueSink;
    const kind = reader.next();
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
  const isTold = target.into.map(() => false);
  for (const i of target.reading.targets) {
    const kind = reader.next();
    if (i < 0 || (target.key !== null && !target.key.includes(i))) continue;
    const column = columnAt(target.into, i);
    if (kind === TUPLE_NULL && !isNullable(column)) continue;
    isTold[i] = true;
    if (kind === TUPLE_TEXT) column.appendText(bytes, reader.start, reader.end);
    else if (kind === TUPLE_NULL) column.appendNull();
    else column.appendBinary(bytes, reader.start, reader.end);
  }
  for (const { column: i, text } of target.reading.missing) {
    const column = columnAt(target.into, i);
    if (target.key !== null || (text === null && !isNullable(column))) continue;
    isTold[i] = true;
    if (text === null) column.appendNull();
    else column.appendText(text, 0, text.length);
  }
  for (const [i, column] of target.into.entries()) if (isTold[i] !== true) column.appendFiller();
}
