/** What a source holds, and what of it a configuration should say something about: for `millrace init`. */
import type { Client } from 'pg';
import { tableLabel, type SourceTable } from '../model/table.ts';
import { readCatalog } from './catalog.ts';
import { pgRows } from './connection.ts';

/** One table of the source. */
export interface SurveyedTable {
  readonly schema: string;
  readonly name: string;
  /** By statistics; null when there are none. */
  readonly rows: number | null;
  /** With indexes and TOAST, of all partitions. */
  readonly bytes: number;
  /** Names of the key's columns; empty without one. */
  readonly key: readonly string[];
  readonly columns: readonly { readonly name: string; readonly typeName: string }[];
  /** Generated columns that PostgreSQL does not publish, with their expressions. */
  readonly generated: readonly { readonly name: string; readonly expression: string }[];
  /** Why it cannot be copied; null: it can. */
  readonly unsuitable: string | null;
}

/** Looks at all tables. Reads only. */
export async function surveySource(client: Client): Promise<SurveyedTable[]> {
  const { tables, unsuitable } = await readCatalog(client, { include: ['*.*'], exclude: [] });
  const facts = await readTableSizes(client);
  const found = tables.map((table) => surveyed(table, facts.get(tableLabel(table))));
  const others = unsuitable.map(({ schema, name, reason }): SurveyedTable => {
    const { rows = null, bytes = 0 } = facts.get(tableLabel({ schema, name })) ?? {};
    return { schema, name, rows, bytes, key: [], columns: [], generated: [], unsuitable: reason };
  });
  return [...found, ...others].toSorted((a, b) => (tableLabel(a) < tableLabel(b) ? -1 : 1));
}

/** How large a table is. */
export interface TableSize {
  /** By statistics; null when there are none. */
  readonly rows: number | null;
  /** With indexes and TOAST, of all partitions. */
  readonly bytes: number;
}

function surveyed(table: SourceTable, facts: TableSize | undefined): SurveyedTable {
  const { schema, name, columns, key } = table;
  const { rows = null, bytes = 0 } = facts ?? {};
  const names = key.map((i) => columns[i]?.name ?? '');
  const generated = (table.generated ?? []).map((column) => {
    return { name: column.name, expression: column.generation?.expression ?? '' };
  });
  return { schema, name, rows, bytes, key: names, columns, generated, unsuitable: null };
}

/** Sizes by `schema.table`; of a partitioned table that of its partitions. */
export async function readTableSizes(client: Client): Promise<Map<string, TableSize>> {
  const rows = await pgRows(
    client,
    `SELECT n.nspname AS schema, c.relname AS name,
            (SELECT sum(nullif(l.reltuples, -1)) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) AS rows,
            (SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0) FROM pg_partition_tree(c.oid) t) AS bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('information_schema') AND n.nspname NOT LIKE 'pg\\_%'`,
  );
  const plain = await pgRows(
    client,
    `SELECT n.nspname AS schema, c.relname AS name, nullif(c.reltuples, -1) AS rows, pg_total_relation_size(c.oid) AS bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND NOT c.relispartition`,
  );
  // pg_partition_tree knows nothing of tables that have no partitions.
  return new Map(
    [...rows, ...plain].map((row) => [
      `${row['schema']}.${row['name']}`,
      { rows: (row['rows'] ?? null) === null ? null : Math.round(Number(row['rows'])), bytes: Number(row['bytes']) },
    ]),
  );
}
