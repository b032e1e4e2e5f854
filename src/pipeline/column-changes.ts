/** Where the columns of a table differ from those of its mirror, in words: for people who look at a plan. */
import { attnumOf } from '../destination/alter.ts';
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { OWN_COLUMNS } from '../model/own-columns.ts';
import type { TableLayout } from './layout.ts';

/** One difference. */
export interface ColumnChange {
  /** Name in the source; of a column that is gone, that in the mirror. */
  readonly column: string;
  /** In words. */
  readonly what: string;
}

/** A column of a mirror. */
export interface PresentColumn {
  readonly name: string;
  readonly type: string;
  /** Which column of the source it is; null: one of an earlier version that does not say so. */
  readonly attnum: number | null;
}

/** The columns of all tables in the users' database, besides those that every mirror has. */
export async function readMirrorColumns(clickhouse: ClickHouse, names: Names): Promise<Map<string, PresentColumn[]>> {
  const rows = await clickhouse.rows<{ table: string; name: string; type: string; comment: string }>(
    `SELECT table, name, type, comment FROM system.columns
     WHERE database = {database:String} AND name NOT IN {own:Array(String)} ORDER BY table, position`,
    { params: { database: names.database, own: [...OWN_COLUMNS] } },
  );
  const tables = new Map<string, PresentColumn[]>();
  for (const { table, name, type, comment } of rows) {
    const columns = tables.get(table) ?? [];
    columns.push({ name, type, attnum: attnumOf(comment) });
    tables.set(table, columns);
  }
  return tables;
}

/** Compares, by the numbers of columns where the mirror tells them, else by name. */
export function columnChanges(
  mirror: readonly PresentColumn[],
  { table, codecs }: Pick<TableLayout, 'table' | 'codecs'>,
): ColumnChange[] {
  const met = new Set<PresentColumn>();
  const changes = table.columns.flatMap(({ name: column, attnum }, i): ColumnChange[] => {
    const wanted = codecs[i]?.clickhouseType ?? '';
    const found = mirror.find((present) =>
      present.attnum === null ? present.name === column : present.attnum === attnum,
    );
    if (found === undefined) return [{ column, what: `is not in the copy: ${wanted}` }];
    met.add(found);
    const renamed = found.name === column ? [] : [{ column, what: `is “${found.name}” in the copy` }];
    const typed =
      found.type === wanted ? [] : [{ column, what: `is ${found.type} in the copy, and becomes ${wanted}` }];
    return [...renamed, ...typed];
  });
  const gone = mirror.filter((present) => !met.has(present));
  return [...changes, ...gone.map(({ name, type }) => ({ column: name, what: `is only in the copy: ${type}` }))];
}
