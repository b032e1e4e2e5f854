/** How many parts ClickHouse has to merge: the measure of whether we insert too often. */
import type { ClickHouse } from './client.ts';
import type { Names } from './ddl.ts';

/** The fullest partition of our tables. */
export interface Parts {
  /** `database.table`; empty when there are no parts at all. */
  readonly table: string;
  readonly parts: number;
}

/** No parts anywhere. */
export const NO_PARTS: Parts = { table: '', parts: 0 };

/**
 * The most active parts of any partition of the tables that Millrace writes: everything in its own database, and the
 * given tables in the users' one, where others may keep tables too.
 */
export async function mostActiveParts(clickhouse: ClickHouse, names: Names, tables: readonly string[]): Promise<Parts> {
  const [row] = await clickhouse.rows<{ name: string; parts: string }>(
    `SELECT concat(database, '.', table) AS name, count() AS parts FROM system.parts
     WHERE active AND (database = {internal:String} OR (database = {database:String} AND table IN {tables:Array(String)}))
     GROUP BY database, table, partition_id ORDER BY parts DESC LIMIT 1`,
    { params: { ...names, tables } },
  );
  return row === undefined ? NO_PARTS : { table: row.name, parts: Number(row.parts) };
}
