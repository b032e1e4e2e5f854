/**
 * Generated columns: which of them the stream brings.
 *
 *   STORED, PostgreSQL 18   with `publish_generated_columns = stored`, or where the publication's column list names them
 *   STORED before           never
 *   VIRTUAL                 never: a query makes them
 *
 * Those that it brings are columns like any other. The option of a publication that is ours is set by us (publication.ts),
 * so it counts as set.
 */
import type { Client } from 'pg';
import { pgTable } from '../model/quote.ts';
import type { Relation, SourceColumn, SourceTable } from '../model/table.ts';
import { pgRows } from './connection.ts';

/** Publications can have generated columns since then. */
export const GENERATED_SINCE = 180_000;

/** What a publication brings of generated columns. */
export interface PublishedGenerated {
  /** The server can publish stored ones at all. */
  readonly isPossible: boolean;
  /** Whether a stored generated column is in the stream. */
  brings(tableOid: number, attnum: number): boolean;
}

/**
 * Looks at the publication.
 *
 * @param publication One that is not there will be made by us, as will be that of a caller who names none.
 */
export async function readPublishedGenerated(
  client: Client,
  publication: string | undefined,
): Promise<PublishedGenerated> {
  const [server] = await pgRows(client, "SELECT current_setting('server_version_num') AS version");
  if (Number(server?.['version']) < GENERATED_SINCE) return { isPossible: false, brings: () => false };
  const [row] = await pgRows(
    client,
    `SELECT p.pubgencols = 's' AS stored, pg_has_role(p.pubowner, 'USAGE') AS own,
            (SELECT coalesce(json_agg(json_build_array(r.prrelid::int8, r.prattrs::int2[])), '[]')
             FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prattrs IS NOT NULL) AS lists
     FROM pg_publication p WHERE p.pubname = $1`,
    [publication ?? null],
  );
  if (row === undefined || row['own'] === 't') return { isPossible: true, brings: () => true };
  const lists = new Map(JSON.parse(row['lists'] ?? '[]') as [number, number[]][]);
  const isStored = row['stored'] === 't';
  return {
    isPossible: true,
    brings: (oid, attnum) => lists.get(oid)?.includes(attnum) ?? isStored,
  };
}

/** A table's columns, apart: those that the stream brings, and generated ones that it does not. */
export function divideGenerated(
  oid: number,
  columns: readonly SourceColumn[],
  published: PublishedGenerated,
): { brought: readonly SourceColumn[]; left: readonly SourceColumn[] } {
  const isBrought = ({ attnum, generation }: SourceColumn): boolean =>
    generation === undefined || (generation.isStored && published.brings(oid, attnum));
  return { brought: columns.filter(isBrought), left: columns.filter((column) => !isBrought(column)) };
}

/**
 * Since PostgreSQL 18 a generated column that is not published is an error of each update and delete of the source where
 * old rows are to be told whole.
 */
export function unpublishedFault(
  table: SourceTable,
  leaves: readonly (Relation & Pick<SourceTable, 'replicaIdentity'>)[] | null,
  { isPossible }: PublishedGenerated,
): { reason: string; remedy: string } | null {
  const [first] = table.generated ?? [];
  // Of a partitioned table its partitions have the rows.
  const whole = (leaves ?? [table]).find(({ replicaIdentity }) => replicaIdentity === 'f');
  if (!isPossible || first === undefined || whole === undefined) return null;
  return {
    reason: `has a generated column that is not published, “${first.name}”, and REPLICA IDENTITY FULL: PostgreSQL would refuse the source's updates and deletes`,
    remedy: `ALTER TABLE ${pgTable(whole)} REPLICA IDENTITY DEFAULT;`,
  };
}
