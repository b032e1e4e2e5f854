/** Where the columns of a table differ from those of its mirror, in words: for people who look at a plan. */
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

/** Types by name of a column. */
export type MirrorColumns = ReadonlyMap<string, string>;

/** The columns of all tables in the users' database, besides those that every mirror has. */
export async function readMirrorColumns(clickhouse: ClickHouse, names: Names): Promise<Map<string, MirrorColumns>> {
  const rows = await clickhouse.rows<{ table: string; name: string; type: string }>(
    `SELECT table, name, type FROM system.columns
     WHERE database = {database:String} AND name NOT IN {own:Array(String)} ORDER BY table, position`,
    { params: { database: names.database, own: [...OWN_COLUMNS] } },
  );
  const tables = new Map<string, Map<string, string>>();
  for (const { table, name, type } of rows) tables.set(table, (tables.get(table) ?? new Map()).set(name, type));
  return tables;
}

/** Compares, by name. */
export function columnChanges(
  mirror: MirrorColumns,
  { table, codecs }: Pick<TableLayout, 'table' | 'codecs'>,
): ColumnChange[] {
  const changes = table.columns.flatMap(({ name: column }, i): ColumnChange[] => {
    const wanted = codecs[i]?.clickhouseType ?? '';
    const found = mirror.get(column);
    if (found === undefined) return [{ column, what: `is not in the copy: ${wanted}` }];
    return found === wanted ? [] : [{ column, what: `is ${found} in the copy, and becomes ${wanted}` }];
  });
  const names = new Set(table.columns.map(({ name }) => name));
  const gone = [...mirror].filter(([name]) => !names.has(name));
  return [...changes, ...gone.map(([column, type]) => ({ column, what: `is only in the copy: ${type}` }))];
}
