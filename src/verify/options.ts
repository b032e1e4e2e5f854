/** How a verification is run, and how far it is. */
import type { UnfitAction } from '../codec/canonical.ts';
import type { Names } from '../destination/ddl.ts';
import type { TablePatterns } from '../source/catalog.ts';

/** How to verify. */
export interface VerifyOptions {
  readonly postgresUrl: string;
  /** A standby to read rows from; null: the source itself. */
  readonly replicaUrl: string | null;
  readonly clickhouseUrl: string;
  readonly names: Names;
  /** The slot: name of the pipeline. */
  readonly slot: string;
  /** The tables of the copy. */
  readonly patterns: TablePatterns;
  /** Which of them to compare: patterns `schema.table`; empty for all. */
  readonly only: readonly string[];
  readonly unfitPolicy: UnfitAction;
  /** Connections that read the source at the same time, and threads of a query on the clones. */
  readonly maxLoad: number;
  readonly statementTimeoutMs: number;
  /** Compare only counts and so many ranges of each table; null for everything. */
  readonly sample: { readonly ranges: number; readonly seed: number } | null;
  /** Differences that are shown and stored with both sides. */
  readonly limit: number;
  readonly repair: boolean;
  /** How long to wait for the pipeline at each request. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

/** How far a run is. */
export interface VerifyProgress {
  readonly stage: 'waiting for the pipeline' | 'comparing' | 'looking again at what differs' | 'repairing';
  readonly tables: readonly TableProgress[];
}

/** How far one table is. */
export interface TableProgress {
  readonly name: string;
  readonly rows: number;
  readonly rowsExpected: number;
  readonly done: boolean;
}
