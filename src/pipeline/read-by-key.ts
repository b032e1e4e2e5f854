/** Reads rows of the source again by their keys, as they are now. */
import type pg from 'pg';
import type { ColumnBuffer } from '../codec/column.ts';
import { maskedSql, saltOf, TELL_SALT } from '../codec/mask-sql.ts';
import { CopyBinaryReader } from '../codec/copy-binary.ts';
import { pgLiteral, pgRowsOf } from '../model/quote.ts';
import { pgRows } from '../source/connection.ts';
import { copyOut } from '../source/copy-out.ts';
import { assertUnaltered } from '../source/shapes.ts';
import { andFilter } from '../source/row-filter.ts';
import { openIntake, type TableLayout } from './layout.ts';
import { castType, comparable, selectList } from '../source/select-list.ts';

/** Keys in one query: the statement stays small, and each is found by the primary key's index. */
const KEYS_PER_QUERY = 500;

/**
 * Appends the rows with those keys to the columns; a key without a row adds nothing.
 *
 * @param keys Parts of each key in key order, as PostgreSQL writes them.
 * @param columns One per column of the table.
 */
export async function readByKey(
  client: pg.Client,
  layout: TableLayout,
  keys: readonly (readonly string[])[],
  into: { columns: readonly ColumnBuffer[]; signal: AbortSignal },
): Promise<void> {
  const salt = saltOf(layout.table.key.flatMap((i) => layout.table.columns[i] ?? []));
  if (salt !== null) await client.query(TELL_SALT, [salt]);
  await pgRows(client, 'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY');
  await pgRows(client, `LOCK TABLE ${pgRowsOf(layout.table)} IN ACCESS SHARE MODE`);
  if (layout.print !== undefined) await assertUnaltered(client, layout.table, layout.print);
  for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
    const reader = new CopyBinaryReader(openIntake(layout, into.columns).sinks, layout.codecs);
    const onFrames = (bytes: Buffer, start: number, end: number): void => void reader.pushFrames(bytes, start, end);
    await copyOut(client, keyQuery(layout, keys.slice(from, from + KEYS_PER_QUERY)), onFrames, { signal: into.signal });
    reader.end();
  }
  await pgRows(client, 'COMMIT');
}

function keyQuery({ table }: TableLayout, keys: readonly (readonly string[])[]): string {
  const isKey = (key: readonly string[]): string => {
    const parts = table.key.flatMap((i, part) => {
      const column = table.columns[i];
      if (column === undefined) return [];
      const text = pgLiteral(key[part] ?? '');
      // Of a hashed key only the hash is known: the source hashes its own keys to find the row.
      const isMasked = column.choice?.mask !== undefined;
      return [isMasked ? `${maskedSql(column)} = ${text}` : `${comparable(column)} = ${text}::${castType(column)}`];
    });
    return `(${parts.join(' AND ')})`;
  };
  return `COPY (SELECT ${selectList(table.columns)} FROM ${pgRowsOf(table)} WHERE (${keys.map(isKey).join(' OR ')})${andFilter(table)}) TO STDOUT (FORMAT binary)`;
}
