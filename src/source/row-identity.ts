/**
 * Which columns tell one row of a table from the others, in the stream and in the mirror.
 *
 *   REPLICA IDENTITY   columns
 *   DEFAULT            the primary key
 *   FULL               the primary key: the old row is sent whole, so they are in it
 *   USING INDEX        those of the index: nothing else is sent of an old row
 *   NOTHING            the primary key: PostgreSQL refuses updates and deletes, and an insert brings all columns
 *
 * A deferrable primary key tells nothing apart: within a transaction two rows may have the same.
 */

/** What the catalogue says of a table's keys. Columns by name. */
export interface RowIdentityFacts {
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  /** The primary key, in key order; null when there is none, or a deferrable one. */
  readonly primary: readonly string[] | null;
  /** Columns of the index that is the replica identity; null when there is none, or when it was dropped. */
  readonly index: readonly string[] | null;
}

/** Names of the columns that identify a row, in key order; empty when none do. */
export function identifyingColumns({ replicaIdentity, primary, index }: RowIdentityFacts): readonly string[] {
  return (replicaIdentity === 'i' ? index : null) ?? primary ?? [];
}

/** True when the stream brings updates and deletes of the table; PostgreSQL refuses them otherwise, once it is published. */
export function allowsChanges({ replicaIdentity, primary, index }: RowIdentityFacts): boolean {
  if (replicaIdentity === 'f') return true;
  if (replicaIdentity === 'n') return false;
  return (replicaIdentity === 'i' ? index : primary) !== null;
}
