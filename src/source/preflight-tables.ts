/** Checks of the tables that are to be copied. */
import type { Client } from 'pg';
import type { Finding } from '../model/finding.ts';
import { pgIdent, pgTable } from '../model/quote.ts';
import { isKeyless, tableLabel, type SourceTable } from '../model/table.ts';
import { readCatalog, type TablePatterns, type UnsuitableTable } from './catalog.ts';
import { pgRows } from './connection.ts';
import type { PreflightCheck, PreflightFacts } from './preflight-facts.ts';
import { checkGenerated } from './preflight-generated.ts';
import { findFilterFaults } from './row-filter.ts';

/** All of them, in the order they are shown. */
export const TABLE_CHECKS: readonly PreflightCheck[] = [
  checkTablesExist,
  checkSuitable,
  checkFilters,
  checkReadable,
  checkReplicaIdentity,
  checkGenerated,
  checkColumns,
];

/** What somebody should do about tables that are to be copied: those that cannot be, and what is not told of others. */
export async function tableFindings(client: Client, patterns: TablePatterns): Promise<Finding[]> {
  const catalog = await readCatalog(client, patterns);
  const faults = await findFilterFaults(client, catalog.tables);
  return [...checkSuitable({ catalog }), ...tableFaults(faults), ...checkReplicaIdentity({ catalog })];
}

function checkTablesExist({ catalog }: PreflightFacts): Finding[] {
  if (catalog.tables.length > 0 || catalog.unsuitable.length > 0) return [];
  const message = 'no table matches the patterns';
  const remedy = 'Create the tables, or correct the patterns of tables to include and to exclude.';
  return [{ code: 'no_tables', severity: 'error', object: 'configuration', message, remedy }];
}

function checkSuitable({ catalog }: Pick<PreflightFacts, 'catalog'>): Finding[] {
  return tableFaults(catalog.unsuitable);
}

/** Findings of tables that cannot be copied. */
export function tableFaults(tables: readonly UnsuitableTable[]): Finding[] {
  return tables.map((table) => ({
    code: 'table_unsuitable',
    severity: 'error',
    object: tableLabel(table),
    message: `${tableLabel(table)} ${table.reason}`,
    remedy: table.remedy ?? `Exclude ${tableLabel(table)}.`,
  }));
}

/** A filter that needs more than the replica identity would make PostgreSQL refuse the source's own updates. */
async function checkFilters({ client, catalog }: PreflightFacts): Promise<Finding[]> {
  const faults = await findFilterFaults(client, catalog.tables);
  return tableFaults(faults);
}

async function checkReadable({ client, catalog, role }: PreflightFacts): Promise<Finding[]> {
  const rows = await pgRows(
    client,
    `SELECT c.oid, has_schema_privilege(c.relnamespace, 'USAGE') AS usage FROM pg_class c
     WHERE c.oid = ANY ($1::oid[])
       AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(c.relnamespace, 'USAGE'))`,
    [catalog.tables.map((table) => table.oid)],
  );
  return rows.map((row) => {
    const table = findTable(catalog.tables, row['oid']);
    const usage = row['usage'] === 't' ? '' : `GRANT USAGE ON SCHEMA ${pgIdent(table.schema)} TO ${pgIdent(role)}; `;
    return {
      code: 'table_select',
      severity: 'error',
      object: tableLabel(table),
      message: `role ${role} may not read ${tableLabel(table)}`,
      remedy: `${usage}GRANT SELECT ON ${pgTable(table)} TO ${pgIdent(role)};`,
    };
  });
}

/** What the stream can tell of old rows; a publication makes PostgreSQL refuse updates and deletes that it cannot tell. */
function checkReplicaIdentity({ catalog }: Pick<PreflightFacts, 'catalog'>): Finding[] {
  return catalog.tables.flatMap((table) => {
    const said = identityFault(table);
    if (said === null) return [];
    return [{ code: 'replica_identity', severity: 'warning' as const, object: tableLabel(table), ...said }];
  });
}

function identityFault(table: SourceTable): Pick<Finding, 'message' | 'remedy'> | null {
  const label = tableLabel(table);
  const alter = `ALTER TABLE ${pgTable(table)}`;
  const refused = 'once published, PostgreSQL refuses its updates and deletes';
  if (isKeyless(table) && table.replicaIdentity === 'f')
    return {
      message: `${label} has no key: it is copied by whole rows, and loaded in one piece`,
      remedy: `${alter} ADD PRIMARY KEY (…);`,
    };
  if (isKeyless(table))
    return {
      message: `${label} has no key that tells its rows apart: its inserts are copied; ${refused}`,
      remedy: `${alter} REPLICA IDENTITY FULL;`,
    };
  if (table.replicaIdentity !== 'n') return null;
  return {
    message: `the replica identity of ${label} is NOTHING: ${refused}`,
    remedy: `${alter} REPLICA IDENTITY DEFAULT;`,
  };
}

function checkColumns({ catalog, columnFault }: PreflightFacts): Finding[] {
  if (columnFault === undefined) return [];
  return catalog.tables.flatMap((table) =>
    table.columns.flatMap((column) => {
      const fault = columnFault(column, table);
      if (fault === null) return [];
      const object = `${tableLabel(table)}.${column.name}`;
      const remedy = `Exclude ${tableLabel(table)}, or change the type of the column.`;
      return [{ code: 'column_type', severity: 'error' as const, object, message: `${object}: ${fault}`, remedy }];
    }),
  );
}

function findTable(tables: readonly SourceTable[], oid: string | null | undefined): SourceTable {
  return tables.find((table) => table.oid === Number(oid))!;
}
