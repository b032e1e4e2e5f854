/**
 * The partitions of partitioned tables that hold rows (leaves), at any depth.
 *
 * The stream tells changes of rows under the root's name, and says nothing when a partition is attached with rows,
 * detached, dropped or truncated by itself: that is seen here, by comparing leaves and their files.
 */
import type { Client } from 'pg';
import { pgTable } from '../model/quote.ts';
import type { Leaf } from '../model/table.ts';
import { pgRows, type TextRow } from './connection.ts';
import { allowsChanges, identifyingColumns, type RowIdentityFacts } from './row-identity.ts';

/** A leaf as the catalogue tells it. */
export interface LeafFacts extends Leaf, RowIdentityFacts {
  /** `pg_class.relkind`, `relpersistence`. */
  readonly kind: string;
  readonly persistence: string;
}

/**
 * CREATE TABLE … PARTITION OF writes a partition's columns once, with what they inherit. ATTACH PARTITION writes each of
 * them again: then it may have rows that the stream never told. So a column that still is as it was written together
 * with the system columns, which nobody ever changes, proves the former.
 */
const BORN = `EXISTS (
      SELECT FROM pg_attribute s JOIN pg_attribute u ON u.attrelid = s.attrelid AND u.attnum > 0 AND u.xmin = s.xmin AND u.cmin = s.cmin
      WHERE s.attrelid = i.inhrelid AND s.attnum = -1 AND s.xmax::text = '0' AND u.xmax::text = '0')`;

const QUERY = `
  WITH RECURSIVE tree (root, oid, is_born) AS (
    SELECT p.oid, p.oid, true FROM pg_class p WHERE p.relkind = 'p' AND NOT p.relispartition AND ($1::oid[] IS NULL OR p.oid = ANY ($1::oid[]))
    UNION ALL
    SELECT t.root, i.inhrelid, t.is_born AND ${BORN}
    FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid AND NOT i.inhdetachpending)
  SELECT t.root, c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence,
         coalesce(pg_relation_filenode(c.oid), 0) AS filenode, t.is_born, c.relreplident AS replica_identity,
         ${indexColumns('indisprimary')} AS primary_columns, ${indexColumns('indisreplident')} AS identity_columns
  FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind <> 'p'
  ORDER BY t.root, c.oid`;

/** SQL: names of the columns of the index of `c` that `flag` tells, in key order; NULL when none identifies rows. */
export function indexColumns(flag: 'indisprimary' | 'indisreplident'): string {
  return `(SELECT json_agg(a.attname ORDER BY k.position)
          FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position), pg_attribute a
          WHERE i.indrelid = c.oid AND i.${flag} AND i.indimmediate AND i.indisvalid AND k.position <= i.indnkeyatts
            AND a.attrelid = c.oid AND a.attnum = k.attnum)`;
}

/** What a row of the catalogue says of keys. */
export function readRowIdentity(row: TextRow): RowIdentityFacts {
  return {
    replicaIdentity: row['replica_identity'] as RowIdentityFacts['replicaIdentity'],
    primary: JSON.parse(row['primary_columns'] ?? 'null') as string[] | null,
    index: JSON.parse(row['identity_columns'] ?? 'null') as string[] | null,
  };
}

/** The leaves of partitioned tables, by oid of their root. @param roots Default: of all. */
export async function readLeaves(
  client: Client,
  roots: readonly number[] | null = null,
): Promise<Map<number, LeafFacts[]>> {
  const found = new Map<number, LeafFacts[]>();
  for (const row of await pgRows(client, QUERY, [roots])) {
    const root = Number(row['root']);
    found.set(root, [...(found.get(root) ?? []), readLeaf(row)]);
  }
  return found;
}

function readLeaf(row: TextRow): LeafFacts {
  return {
    oid: Number(row['oid']),
    schema: row['schema'] ?? '',
    name: row['name'] ?? '',
    filenode: row['filenode'] ?? '',
    isBorn: row['is_born'] === 't',
    kind: row['kind'] ?? '',
    persistence: row['persistence'] ?? '',
    ...readRowIdentity(row),
  };
}

/**
 * Why the leaves do not let the table be copied; null when they do. Of an old row the stream tells what the replica
 * identity of its leaf says, whatever that of the root is.
 *
 * @param key Columns that identify a row of the whole table.
 */
export function leafFault(
  leaves: readonly LeafFacts[],
  key: readonly string[],
): { reason: string; remedy: string | null } | null {
  for (const leaf of leaves) {
    const label = `${leaf.schema}.${leaf.name}`;
    if (leaf.kind === 'f')
      return { reason: `has a foreign table as its partition ${label}: its rows are on another server`, remedy: null };
    if (leaf.persistence !== 'p')
      return {
        reason: `has an unlogged partition, ${label}: its changes are not in the WAL`,
        remedy: `ALTER TABLE ${pgTable(leaf)} SET LOGGED;`,
      };
    if (leaf.replicaIdentity === 'f' || !allowsChanges(leaf)) continue;
    const told = identifyingColumns(leaf);
    if (key.length > 0 && key.every((name) => told.includes(name))) continue;
    return {
      reason: `has a partition, ${label}, of whose old rows the stream tells (${told.join(', ')}) alone, which do not identify a row of the whole table`,
      remedy: `ALTER TABLE ${pgTable(leaf)} REPLICA IDENTITY FULL;`,
    };
  }
  return null;
}
