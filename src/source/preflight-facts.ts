/** What the checks of a PostgreSQL server look at. */
import type { Client } from 'pg';
import type { Finding } from '../model/finding.ts';
import type { SourceColumn, SourceTable } from '../model/table.ts';
import type { Catalog } from './catalog.ts';

/** What `checkPostgres` is about to be asked to copy, and how. */
export interface PreflightSubject {
  readonly client: Client;
  readonly catalog: Catalog;
  readonly slot: string;
  readonly publication: string;
  /** Why a column cannot be copied (its type has no codec), or null when it can. */
  readonly columnFault?: (column: SourceColumn, table: SourceTable) => string | null;
}

/** What every check may look at. */
export interface PreflightFacts extends PreflightSubject {
  /** For example 180004. */
  readonly versionNumber: number;
  readonly role: string;
  readonly database: string;
  /** Settings by name, in their base unit, as `pg_settings` has them. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Looks at one thing; returns nothing when all is well. */
export type PreflightCheck = (facts: PreflightFacts) => Promise<Finding[]> | Finding[];
