/** What a verification has found, as it is told and stored. */
import type { Lsn } from '../model/lsn.ts';
import type { RowKind } from './compare-rows.ts';
import type { Difference } from './difference.ts';

/**
 * - `equal`: everything was compared and is equal
 * - `partial`: what was compared is equal; some tables, or some of them, were left out
 * - `repaired`: there were differences, and none is left
 * - `different`: there are differences
 * - `unproved`: nothing could be compared
 */
export type Verdict = 'equal' | 'partial' | 'repaired' | 'different' | 'unproved';

/** One table. */
export interface TableVerification {
  /** `schema.table` of the source. */
  readonly table: string;
  /** Why it was not compared; null when it was, and then the figures below count. */
  readonly leftOut: string | null;
  /** What of it was not compared, because the copy is not meant to be equal there; empty: everything was. */
  readonly notCompared: string;
  readonly sourceRows: number;
  readonly copyRows: number;
  readonly ranges: number;
  /** Ranges compared by checksum: all of them, but in a quick run. */
  readonly rangesCompared: number;
  /** Size of the table's file in the source. */
  readonly bytes: number;
  /** Values that do not fit the copy and were replaced as the policy says. */
  readonly replaced: number;
  /** Rows of the mirror that differ from the source. */
  readonly differing: Readonly<Record<RowKind, number>>;
  /** Rows whose newest version in the history is another one. */
  readonly history: number;
  /** Rows with a version above the position. */
  readonly ahead: number;
}

/** The rollup. */
export interface RollupVerification {
  readonly leftOut: string | null;
  /** 0 in a quick run whose totals agree. */
  readonly buckets: number;
  readonly differing: number;
}

/** One run. */
export interface Verification {
  readonly id: string;
  readonly mode: 'full' | 'quick';
  readonly verdict: Verdict;
  readonly lsn: Lsn;
  readonly commitTimeUs: bigint;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Requests until the pipeline gave the position. */
  readonly attempts: number;
  /** How long the copy stood still, at the longest. */
  readonly heldMs: number;
  /** Time of queries on the source, all connections together. */
  readonly sourceMs: number;
  readonly copyMs: number;
  readonly tables: readonly TableVerification[];
  /** null when none of its tables was asked for. */
  readonly rollup: RollupVerification | null;
  /** Rows and buckets that differ. */
  readonly differing: number;
  /** Of these, equal after the repair. */
  readonly repaired: number;
  /** The first of them with both sides; see {@link Difference}. */
  readonly differences: readonly Difference[];
}

/** 0 equal, 1 a difference found, 2 nothing could be proved. */
export function exitCodeOf(verdict: Verdict): 0 | 1 | 2 {
  if (verdict === 'different') return 1;
  return verdict === 'unproved' ? 2 : 0;
}
