/** How many parts ClickHouse has to merge: the measure of whether we insert too often. */
import type { ClickHouse } from './client.ts';
import type { Names } from './ddl.ts';

/** The most active parts of any table of the copy. */
export async function mostActiveParts(clickhouse: ClickHouse, names: Names): Promise<number> {
  const [row] = await clickhouse.rows<{ parts: string }>(
    `SELECT max(parts) AS parts FROM (SELECT count() AS parts FROM system.parts
     WHERE active AND database IN ({database:String}, {internal:String}) GROUP BY database, table)`,
    { params: { database: names.database, internal: names.internal } },
  );
  return Number(row?.parts ?? 0);
}
