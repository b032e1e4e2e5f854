/** Where tables are by now that were known before, and how the publication carries them. */
import type { Client } from 'pg';
import { pgRows } from './connection.ts';
import { publishedSchemas } from './publication.ts';

/** `schema.table` by oid, of those relations that still exist: asked for by oid or by name. */
export async function findRelations(
  client: Client,
  wanted: { oids: readonly number[]; labels: readonly string[] },
): Promise<ReadonlyMap<number, string>> {
  const rows = await pgRows(
    client,
    `SELECT c.oid, n.nspname || '.' || c.relname AS label FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND (c.oid = ANY ($1::oid[]) OR n.nspname || '.' || c.relname = ANY ($2::text[]))`,
    [wanted.oids, wanted.labels],
  );
  return new Map(rows.map((row) => [Number(row['oid']), row['label'] ?? '']));
}

/** The root that a table is a partition of by now, as `schema.table`, by oid of the table. */
export async function findRoots(client: Client, oids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await pgRows(
    client,
    `SELECT c.oid, n.nspname || '.' || r.relname AS root FROM pg_class c JOIN pg_class r ON r.oid = pg_partition_root(c.oid)
     JOIN pg_namespace n ON n.oid = r.relnamespace WHERE c.relispartition AND c.oid = ANY ($1::oid[])`,
    [oids],
  );
  return new Map(rows.map((row) => [Number(row['oid']), row['root'] ?? '']));
}

/**
 * What tells that a publication, and a table in it, are the ones there were: rows of the catalogue and the
 * transactions that wrote them. Whoever drops, makes or alters one leaves another mark, also if all looks as before.
 *
 * @returns By oid of the table; empty without a publication of that name.
 */
export async function publicationMarks(client: Client, publication: string): Promise<ReadonlyMap<number, string>> {
  const rows = await pgRows(
    client,
    `SELECT c.oid, concat_ws('/', p.oid, p.xmin, r.oid, r.xmin, s.oid, s.xmin) AS mark
     FROM pg_publication p JOIN pg_class c ON c.relkind IN ('r', 'p') AND NOT c.relispartition
     LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
     LEFT JOIN ${await publishedSchemas(client)} s ON s.publication = p.oid AND s.schema = c.relnamespace
     WHERE p.pubname = $1 AND (p.puballtables OR r.oid IS NOT NULL OR s.oid IS NOT NULL)`,
    [publication],
  );
  return new Map(rows.map((row) => [Number(row['oid']), row['mark'] ?? '']));
}
