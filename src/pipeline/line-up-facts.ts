/** What is known when the tables of a session are lined up. */
import type { Checkpoint } from '../destination/checkpoint.ts';
import type { TableRequest } from '../destination/table-requests.ts';
import type { TableState } from '../destination/table-state.ts';
import type { Lsn } from '../model/lsn.ts';
import type { SourceTable } from '../model/table.ts';
import type { Catalog } from '../source/catalog.ts';

/** What is found at a start. */
export interface LineUpFacts {
  readonly catalog: Catalog;
  readonly states: ReadonlyMap<string, TableState>;
  readonly requests: readonly TableRequest[];
  readonly checkpoint: Checkpoint | null;
  readonly adSchema: boolean;
  readonly publication: string;
  /** End of the source's log, read before the catalogue was. */
  readonly lsn: Lsn;
}

/** A table that the configuration, or somebody's request, includes. */
export interface Candidate {
  readonly oid: number;
  readonly label: string;
  /** null: it cannot be copied as it is. */
  readonly table: SourceTable | null;
  /** Why not, and what helps. */
  readonly fault: string;
}
