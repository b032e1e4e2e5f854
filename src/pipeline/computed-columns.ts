/**
 * Generated columns that a rule of the configuration computes in ClickHouse: in the view that people query, so they are
 * always what the row says, need no room, and another expression is another view. verify compares them with the source.
 */
import { codecFor } from '../codec/codecs.ts';
import { computedSql } from '../codec/computed-sql.ts';
import type { ClickHouse } from '../destination/client.ts';
import { currentView, tableNames, viewComment } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import type { ComputedColumn, SourceTable } from '../model/table.ts';
import type { Catalog, UnsuitableTable } from '../source/catalog.ts';
import type { Copy } from './copy.ts';
import type { TableLayout } from './layout.ts';

/** The catalogue, with tables among the unsuitable ones that have an expression which ClickHouse refuses. */
export async function withoutComputedFaults(clickhouse: ClickHouse, { tables, unsuitable }: Catalog): Promise<Catalog> {
  const faults = await findComputedFaults(clickhouse, tables);
  const isFit = ({ oid }: SourceTable): boolean => !faults.some((fault) => fault.oid === oid);
  return { tables: tables.filter(isFit), unsuitable: [...unsuitable, ...faults] };
}

/** Tables with such an expression, and why. Asks with columns of their types and no rows: nothing need be there yet. */
export async function findComputedFaults(
  clickhouse: ClickHouse,
  tables: readonly SourceTable[],
): Promise<UnsuitableTable[]> {
  const faults: UnsuitableTable[] = [];
  for (const table of tables) {
    for (const column of table.computed ?? []) {
      const refusal = await refusalOf(clickhouse, table, column);
      if (refusal === null) continue;
      const { oid, schema, name } = table;
      const reason = `has a rule with \`computed\` for “${column.name}”, \`${column.computed}\`, which ClickHouse refuses: ${refusal}`;
      const remedy = `Correct \`computed\` of “${column.name}” in the rules of the table.`;
      faults.push({ oid, schema, name, reason, remedy });
      break;
    }
  }
  return faults;
}

/** What ClickHouse says against an expression; null: nothing. */
async function refusalOf(clickhouse: ClickHouse, table: SourceTable, column: ComputedColumn): Promise<string | null> {
  const columns = table.columns.map((source) => {
    const type = chLiteral(codecFor(source).clickhouseType);
    return `materialize(defaultValueOfTypeName(${type})) AS ${chIdent(source.name)}`;
  });
  // In a condition neither aggregates nor window functions are taken.
  const ask = async (sql: string): Promise<unknown> =>
    await clickhouse.rows(`SELECT 1 FROM (SELECT ${columns.join(', ')}) WHERE NOT ignore(${sql}) LIMIT 0`);
  try {
    await ask(computedSql(column));
    return null;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'CLICKHOUSE_FAILED') throw error;
    // A server that refuses this too has another trouble than the expression.
    await ask('NULL');
    return reasonIn(error);
  }
}

/** What the server says, without the query that it repeats. */
function reasonIn({ cause, message }: AppError): string {
  const text = cause instanceof Error ? cause.message : message;
  const [reason = ''] = text.split(/:? in scope |\. Expected one of|: while executing | \(line \d+, col \d+\)/i);
  return reason.trim();
}

/** Makes the views anew that compute other columns than they should. Those of tables that are being built get theirs with their rows. */
export async function bringViewsIntoLine(copy: Copy, layouts: readonly TableLayout[]): Promise<void> {
  const { clickhouse, names, fence } = copy;
  const rows = await clickhouse.rows<{ name: string; comment: string }>(
    `SELECT name, comment FROM system.tables WHERE database = {database:String} AND engine = 'View'`,
    { params: { database: names.database } },
  );
  const comments = new Map(rows.map(({ name, comment }) => [name, comment]));
  for (const { table, building } of layouts) {
    const found = comments.get(`${table.target}_current`);
    if (building || found === undefined || found === viewComment(table)) continue;
    const { current, mirror } = tableNames(names, table.target);
    await clickhouse.command(`CREATE OR REPLACE VIEW ${currentView(current, mirror, table)}`, {
      settings: fence.settings('prepare'),
    });
  }
}
