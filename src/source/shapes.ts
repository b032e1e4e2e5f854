/**
 * The shapes of tables, and a cheap print of them that tells whether anything has changed since.
 *
 * Everything is read in the caller's transaction: with REPEATABLE READ it is one moment together with readTables().
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { type Lsn, parseLsn } from '../model/lsn.ts';
import { pgTable } from '../model/quote.ts';
import type { ShapeColumn, TableShape } from '../model/shape.ts';
import { tableLabel } from '../model/table.ts';
import { pgRows } from './connection.ts';
import { GENERATED_SINCE } from './generated-columns.ts';

/** Where a look at the catalogue stands. */
export interface LookPosition {
  /** `pg_current_snapshot()`. */
  readonly snapshot: string;
  /** Behind every transaction that the snapshot sees. */
  readonly lsn: Lsn;
}

/** A shape, and what else a mirror is made from. */
export interface FoundShape extends TableShape {
  /** Attnums of columns that rows written before them have a value in, other than NULL. */
  readonly withMissing: ReadonlySet<number>;
}

/** The snapshot of the present transaction, and a position behind all it sees. */
export async function readLookPosition(client: Client): Promise<LookPosition> {
  const [row] = await pgRows(
    client,
    `SELECT pg_current_snapshot()::text AS snapshot,
            CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS lsn`,
  );
  return { snapshot: row!['snapshot']!, lsn: parseLsn(row!['lsn']!) };
}

/**
 * SQL: `oid` of each table of `tables` and a print of the types that its columns consist of, at any depth: an element
 * for each composite type, and one for each label of an enum. Those of the system cannot be altered, and are left out.
 */
const typePrints = (tables: string): string => `
  WITH RECURSIVE used (oid, type) AS (
    SELECT a.attrelid, a.atttypid FROM pg_attribute a
    WHERE a.attrelid IN (${tables}) AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
    UNION
    SELECT u.oid, x.type FROM used u JOIN pg_type t ON t.oid = u.type CROSS JOIN LATERAL (
      SELECT t.typelem AS type UNION ALL SELECT t.typbasetype
      UNION ALL SELECT m.atttypid FROM pg_attribute m WHERE t.typrelid <> 0 AND m.attrelid = t.typrelid AND m.attnum > 0) x
    WHERE x.type >= 16384)
  SELECT oid, string_agg(element, ',' ORDER BY element) AS print FROM (
    SELECT u.oid, md5(string_agg(m.attnum || ':' || m.xmin::text, ',' ORDER BY m.attnum)) AS element
    FROM used u JOIN pg_type t ON t.oid = u.type AND t.typrelid <> 0 JOIN pg_attribute m ON m.attrelid = t.typrelid AND m.attnum > 0
    GROUP BY u.oid, t.oid
    UNION ALL
    SELECT u.oid, e.oid || ':' || left(md5(e.enumlabel), 8) FROM used u JOIN pg_enum e ON e.enumtypid = u.type) e
  GROUP BY oid`;

/**
 * A partitioned table has no rows, and knows no values for those older than a column: its partitions do. A
 * column has the same name in each of them.
 */
const SHAPES = `
  SELECT c.oid,
    (SELECT json_agg(json_build_array(a.attnum, CASE WHEN a.attisdropped THEN '' ELSE a.attname END, a.atttypid::int8, a.atttypmod, a.xmin::text,
        CASE WHEN a.attisdropped THEN 'dropped' WHEN a.attgenerated = 's' AND current_setting('server_version_num')::int >= ${GENERATED_SINCE} THEN 'publishable'
          WHEN a.attgenerated <> '' THEN 'generated' ELSE 'there' END,
        CASE WHEN c.relkind = 'r' THEN a.atthasmissing ELSE l.has END,
        CASE WHEN c.relkind = 'r' THEN (a.attmissingval::text::text[])[1] ELSE l.value END) ORDER BY a.attnum)
     FROM pg_attribute a LEFT JOIN LATERAL (
       SELECT bool_or(b.atthasmissing) AS has, max((b.attmissingval::text::text[])[1]) AS value
       FROM pg_partition_tree(c.oid) t JOIN pg_attribute b ON b.attrelid = t.relid AND b.attname = a.attname AND b.atthasmissing
       WHERE c.relkind = 'p' AND t.isleaf) l ON c.relkind = 'p'
     WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
    CASE WHEN c.relkind = 'r' THEN json_build_object(c.oid, pg_relation_filenode(c.oid)::text)
      ELSE (SELECT coalesce(json_object_agg(t.relid::oid, pg_relation_filenode(t.relid)::text), '{}')
            FROM pg_partition_tree(c.oid) t WHERE t.isleaf AND pg_relation_filenode(t.relid) IS NOT NULL) END AS files,
    coalesce(y.print, '') AS types
  FROM pg_class c LEFT JOIN (${typePrints('SELECT unnest($1::oid[])')}) y ON y.oid = c.oid WHERE c.oid = ANY ($1::oid[])`;

type ColumnRow = [number, string, number, number, string, ShapeColumn['kind'], boolean | null, string | null];

/** The shapes of tables, by oid. */
export async function readShapes(
  client: Client,
  oids: readonly number[],
  position: LookPosition,
): Promise<Map<number, FoundShape>> {
  const rows = await pgRows(client, SHAPES, [oids]);
  return new Map(
    rows.map((row) => {
      const columns = JSON.parse(row['columns'] ?? '[]') as ColumnRow[];
      return [
        Number(row['oid']),
        {
          ...position,
          files: JSON.parse(row['files']!) as Record<string, string>,
          types: row['types']!,
          columns: columns.map(([attnum, name, typeOid, typeMod, xmin, kind, , missing]) => ({
            attnum,
            name,
            typeOid,
            typeMod,
            xmin,
            kind,
            missing,
          })),
          withMissing: new Set(columns.filter((column) => column[6] === true).map(([attnum]) => attnum)),
        },
      ];
    }),
  );
}

/** What can be told of a table at a glance. */
export interface TablePrint {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Another one when a column has come, gone or changed. */
  readonly columns: string;
  /** Another one when its key, its replica identity or a type that its columns consist of has changed. */
  readonly rest: string;
  /** Another one when its place in the publication has changed. */
  readonly published: string;
}

/** Any change of a column gives its row in the catalogue another xmin, so numbers and xmins are enough. */
const COLUMNS_PRINT = "count(*) || ':' || sum(hashint8((attnum::int8 << 33) + xmin::text::int8))";

/** Of indexes only those that identify rows count. */
const PRINTS = `
  WITH tables AS MATERIALIZED (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  ), columns AS (
    SELECT attrelid, ${COLUMNS_PRINT} AS print
    FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM tables) GROUP BY attrelid
  ), keys AS (
    SELECT indrelid, string_agg(indexrelid || ':' || xmin::text, ',' ORDER BY indexrelid) AS print
    FROM pg_index WHERE indisprimary OR indisreplident GROUP BY indrelid
  ), published AS (
    SELECT r.prrelid, p.xmin::text || ':' || r.xmin::text AS print
    FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid WHERE p.pubname = $1
    UNION ALL SELECT t.oid, p.xmin::text FROM pg_publication p, tables t WHERE p.pubname = $1 AND p.puballtables
  ), types AS (${typePrints('SELECT oid FROM tables')}
  )
  SELECT t.oid, t.schema, t.name, coalesce(a.print, '') AS columns,
         concat_ws(' ', t.relkind, t.relpersistence, t.relreplident, t.relrowsecurity, coalesce(k.print, '-'), y.print) AS rest,
         coalesce(p.print, '-') AS published
  FROM tables t LEFT JOIN columns a ON a.attrelid = t.oid LEFT JOIN keys k ON k.indrelid = t.oid LEFT JOIN published p ON p.prrelid = t.oid
    LEFT JOIN types y ON y.oid = t.oid
  ORDER BY t.oid`;

/** Prints of all tables that could be copied. One statement, cheap enough for every few seconds. */
export async function readPrints(client: Client, publication: string): Promise<TablePrint[]> {
  const rows = await pgRows(client, PRINTS, [publication]);
  return rows.map((row) => ({
    oid: Number(row['oid']),
    schema: row['schema']!,
    name: row['name']!,
    columns: row['columns']!,
    rest: row['rest']!,
    published: row['published']!,
  }));
}

/**
 * Makes sure that a table still has the name and the columns that it had when it was looked at. Under a lock of the
 * caller's, which keeps it so: rows are asked for by names.
 *
 * @param print The {@link TablePrint.columns} of that look.
 * @throws {AppError} `TABLE_ALTERED`.
 */
export async function assertUnaltered(
  client: Client,
  table: { readonly oid: number; readonly schema: string; readonly name: string },
  print: string,
): Promise<void> {
  const [row] = await pgRows(
    client,
    `SELECT coalesce(to_regclass($1)::oid::int8 = $2, false) AS same,
            (SELECT ${COLUMNS_PRINT} FROM pg_attribute WHERE attnum > 0 AND attrelid = $2::oid) AS print`,
    [pgTable(table), table.oid],
  );
  if (row?.['same'] === 't' && row['print'] === print) return;
  throw new AppError('TABLE_ALTERED', `${tableLabel(table)} was altered while its rows were to be read`);
}
