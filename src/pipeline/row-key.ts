/** What identifies a row within a batch. */
import type { ColumnBuffer, ValueSink } from '../codec/column.ts';
import { AppError } from '../model/errors.ts';

/** A row's key: the value of a one-column key, else the parts as one string. */
export type Key = number | bigint | string | boolean;

/**
 * The key of row `row`.
 *
 * @param key Indexes of the key's columns.
 */
export function keyOfRow(columns: readonly (ColumnBuffer | undefined)[], key: readonly number[], row: number): Key {
  if (key.length === 1) {
    const value = columnAt(columns, key[0] as number).value(row) as Key;
    // NaN is a key like others, and must be equal to itself.
    return Number.isNaN(value) ? 'NaN' : value;
  }
  return key.map((i) => String(columnAt(columns, i).value(row)).replaceAll('\u0000', '\u0000\u0000')).join('\u0000,');
}

/** Column `i`, which must be there. */
export function columnAt<Column extends ValueSink>(columns: readonly (Column | undefined)[], i: number): Column {
  const column = columns[i];
  if (column === undefined) throw new AppError('INTERNAL', `column ${i} was not read`);
  return column;
}

/** True when the column can hold NULL. */
export function isNullable(column: ValueSink): boolean {
  return column.clickhouseType.startsWith('Nullable(');
}
