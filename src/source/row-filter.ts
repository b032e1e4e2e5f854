/**
 * Row filters: a condition of the configuration becomes part of the publication, and of every query that reads the table.
 *
 * PostgreSQL evaluates a filter on old rows too, with what the replica identity tells of them, and turns an update that
 * moves a row out of it into a delete. Where the filter needs more than the replica identity has, PostgreSQL refuses the
 * source's own updates: so that is looked at before anything is published.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { pgTable } from '../model/quote.ts';
import type { SourceTable } from '../model/table.ts';
import { pgRows } from './connection.ts';
import type { Catalog, UnsuitableTable } from './catalog.ts';

/** Publications have row filters and column lists since then. */
export const FILTERS_SINCE = 150_000;

/** `server_version_num`. */
export async function serverVersion(client: Client): Promise<number> {
  const [row] = await pgRows(client, "SELECT current_setting('server_version_num') AS version");
  return Number(row?.['version']);
}

/** ` AND (condition)`, for queries of a table; empty without a filter. */
export function andFilter({ rule }: Pick<SourceTable, 'rule'>): string {
  return (rule?.where ?? null) === null ? '' : ` AND (${rule?.where})`;
}

/** A filter as PostgreSQL understood it. */
export interface RowFilter {
  /** As the catalogue writes it. */
  readonly text: string;
  /** Names of the columns it looks at. */
  readonly columns: readonly string[];
}

/**
 * Lets PostgreSQL read a condition: as a constraint of a temporary table of the same shape, which is never committed.
 *
 * @throws {AppError} `POSTGRES_FAILED` with what PostgreSQL says of it.
 */
export async function readFilter(
  client: Client,
  table: { schema: string; name: string },
  where: string,
): Promise<RowFilter> {
  await pgRows(client, 'BEGIN');
  try {
    await pgRows(
      client,
      `CREATE TEMP TABLE millrace_filter (LIKE ${pgTable(table)}, CONSTRAINT millrace_filter CHECK (${where}))`,
    );
    const [row] = await pgRows(
      client,
      `SELECT pg_get_expr(c.conbin, c.conrelid) AS text,
              (SELECT coalesce(json_agg(a.attname), '[]') FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns
       FROM pg_constraint c WHERE c.conrelid = 'pg_temp.millrace_filter'::regclass AND c.conname = 'millrace_filter'`,
    );
    return { text: row?.['text'] ?? '', columns: JSON.parse(row?.['columns'] ?? '[]') as string[] };
  } finally {
    await pgRows(client, 'ROLLBACK');
  }
}

/** Tables whose filter cannot be followed, with the reason. */
export async function findFilterFaults(client: Client, tables: readonly SourceTable[]): Promise<UnsuitableTable[]> {
  const faults: UnsuitableTable[] = [];
  const filtered = tables.filter(({ rule }) => (rule?.where ?? null) !== null);
  const version = filtered.length === 0 ? 0 : await serverVersion(client);
  for (const table of filtered) {
    const fault = filterVersionFault(version) ?? (await filterFault(client, table));
    if (fault !== null) faults.push({ oid: table.oid, schema: table.schema, name: table.name, ...fault });
  }
  return faults;
}

type Fault = Pick<UnsuitableTable, 'reason' | 'remedy'>;

/** Before PostgreSQL 15 nothing can be filtered. */
export function filterVersionFault(version: number): Fault | null {
  if (version >= FILTERS_SINCE) return null;
  const reason = `has a row filter, which PostgreSQL ${Math.floor(version / 10_000)} cannot publish`;
  return { reason, remedy: 'Use PostgreSQL 15 or newer, or take “where” out of the configuration.' };
}

async function filterFault(client: Client, table: SourceTable): Promise<Fault | null> {
  let filter: RowFilter;
  try {
    filter = await readFilter(client, table, table.rule?.where ?? 'true');
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'POSTGRES_FAILED') throw error;
    return {
      reason: `has a row filter that PostgreSQL refuses: ${error.message}`,
      remedy: 'Correct “where” in the configuration.',
    };
  }
  // NOTHING: PostgreSQL refuses updates and deletes anyway, and an insert brings all columns.
  if (table.replicaIdentity === 'f' || table.replicaIdentity === 'n') return null;
  const identity = table.key.map((i) => table.columns[i]?.name);
  const missing = filter.columns.find((name) => !identity.includes(name));
  if (missing === undefined) return null;
  return {
    reason: `is filtered by “${missing}”, which is not in its replica identity: PostgreSQL would refuse the source's updates and deletes`,
    remedy: `ALTER TABLE ${pgTable(table)} REPLICA IDENTITY FULL;`,
  };
}

/** The catalogue, with tables among the unsuitable ones whose filter cannot be followed. */
export async function withoutFilterFaults(client: Client, { tables, unsuitable }: Catalog): Promise<Catalog> {
  const faults = await findFilterFaults(client, tables);
  const isFit = ({ oid }: SourceTable): boolean => !faults.some((fault) => fault.oid === oid);
  return { tables: tables.filter(isFit), unsuitable: [...unsuitable, ...faults] };
}
