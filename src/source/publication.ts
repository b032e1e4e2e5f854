/**
 * Publications: which tables the stream carries. A publication must exist before the slot that is read
 * through it: decoding looks it up as of each change, and fails where it did not exist yet.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { pgIdent, pgTable } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import { pgRows } from './connection.ts';

/** A table by name. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** A publication as the catalogue tells it. */
export interface PublicationState {
  readonly name: string;
  readonly allTables: boolean;
  /** `schema.name`, sorted. */
  readonly tables: readonly string[];
  readonly publishesAll: boolean;
  readonly viaPartitionRoot: boolean;
  /** Some table has a row filter or a column list, so that not everything is published. */
  readonly isFiltered: boolean;
}

/** What {@link ensurePublication} did. */
export interface PublicationChange {
  readonly created: boolean;
  /** `schema.name`. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const SETTINGS = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true";

/** Looks a publication up; null when there is none of that name. */
export async function inspectPublication(client: Client, name: string): Promise<PublicationState | null> {
  const [row] = await pgRows(
    client,
    `SELECT p.puballtables, p.pubviaroot, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS all_operations,
            coalesce(json_agg(n.nspname || '.' || c.relname ORDER BY n.nspname, c.relname) FILTER (WHERE c.oid IS NOT NULL), '[]') AS tables,
            coalesce(bool_or(to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL), false) AS filtered
     FROM pg_publication p
     LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
     LEFT JOIN pg_class c ON c.oid = r.prrelid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.pubname = $1
     GROUP BY p.oid`,
    [name],
  );
  if (row === undefined) return null;
  return {
    name,
    allTables: row['puballtables'] === 't',
    tables: JSON.parse(row['tables']!) as string[],
    publishesAll: row['all_operations'] === 't',
    viaPartitionRoot: row['pubviaroot'] === 't',
    isFiltered: row['filtered'] === 't',
  };
}

/**
 * Creates the publication, or alters it until it has exactly these tables, whole and with all operations.
 *
 * @throws {AppError} `CONFIG_INVALID` when it is FOR ALL TABLES; `POSTGRES_AUTH` without the privilege.
 */
export async function ensurePublication(
  client: Client,
  name: string,
  tables: readonly TableName[],
): Promise<PublicationChange> {
  const wanted = tables.map(tableLabel).toSorted();
  const state = await inspectPublication(client, name);
  if (state === null) {
    const list = tables.length === 0 ? '' : `FOR TABLE ${onlyTables(tables)}`;
    await pgRows(client, `CREATE PUBLICATION ${pgIdent(name)} ${list} WITH (${SETTINGS})`);
    return { created: true, added: wanted, removed: [] };
  }
  if (state.allTables) {
    throw new AppError(
      'CONFIG_INVALID',
      `publication “${name}” is FOR ALL TABLES: choose another name for Millrace's own`,
    );
  }
  const added = wanted.filter((label) => !state.tables.includes(label));
  const removed = state.tables.filter((label) => !wanted.includes(label));
  const hasOtherTables = added.length > 0 || removed.length > 0 || state.isFiltered;
  if (hasOtherTables) await setTables(client, state, tables);
  if (!state.publishesAll || !state.viaPartitionRoot) {
    await pgRows(client, `ALTER PUBLICATION ${pgIdent(name)} SET (${SETTINGS})`);
  }
  return { created: false, added, removed };
}

/** Drops a publication; false when there was none. */
export async function dropPublication(client: Client, name: string): Promise<boolean> {
  if ((await inspectPublication(client, name)) === null) return false;
  await pgRows(client, `DROP PUBLICATION IF EXISTS ${pgIdent(name)}`);
  return true;
}

/** SET TABLE takes no empty list: then every table is dropped by name. */
async function setTables(client: Client, state: PublicationState, tables: readonly TableName[]): Promise<void> {
  const publication = `ALTER PUBLICATION ${pgIdent(state.name)}`;
  if (tables.length > 0) {
    await pgRows(client, `${publication} SET TABLE ${onlyTables(tables)}`);
    return;
  }
  const rows = await pgRows(
    client,
    'SELECT schemaname AS schema, tablename AS name FROM pg_publication_tables WHERE pubname = $1',
    [state.name],
  );
  await pgRows(client, `${publication} DROP TABLE ${onlyTables(rows as unknown as TableName[])}`);
}

function onlyTables(tables: readonly TableName[]): string {
  return tables.map((table) => `ONLY ${pgTable(table)}`).join(', ');
}
