/** The figures of a run. */
import type { FaultKind } from './fault-kinds.ts';
import type { RoundResult } from './round.ts';

/** What happened in all rounds together. */
export interface ChaosSummary {
  readonly seed: number;
  rounds: number;
  /** Rounds that loaded the copy anew. */
  loads: number;
  /** Faults that took place, by kind. */
  readonly faults: Partial<Record<FaultKind, number>>;
  /** Planned faults that found nothing to break. */
  missed: number;
  transactions: number;
  /** Rows changed in the source; rolled back ones included. */
  changes: number;
  rowsCompared: number;
  differences: number;
  /** Statements in ClickHouse that were tried again. */
  retries: number;
  /** Sessions begun anew after a lost connection. */
  sessions: number;
  /** Statements that computed rollup buckets again from the mirrors. */
  reconciles: number;
  /** Times the process gave up by itself in a fault, and was started again, by error code. */
  readonly gaveUp: Record<string, number>;
  /** ms from the end of the last fault to an exact copy, per round, by kind (`several` for rounds with more than one). */
  readonly recoveriesMs: Partial<Record<FaultKind | 'several', number[]>>;
  /** ms per round. */
  readonly roundsMs: number[];
}

/** Nothing yet. */
export function emptySummary(seed: number): ChaosSummary {
  return {
    seed,
    rounds: 0,
    loads: 0,
    faults: {},
    missed: 0,
    transactions: 0,
    changes: 0,
    rowsCompared: 0,
    differences: 0,
    retries: 0,
    sessions: 0,
    reconciles: 0,
    gaveUp: {},
    recoveriesMs: {},
    roundsMs: [],
  };
}

/** Adds a round. */
export function addRound(summary: ChaosSummary, result: RoundResult): void {
  const { plan, injected, traffic, comparison, overheard } = result;
  summary.rounds++;
  if (plan.isFresh) summary.loads++;
  for (const { fault, tookPlace } of injected) {
    if (tookPlace) summary.faults[fault.kind] = (summary.faults[fault.kind] ?? 0) + 1;
    else summary.missed++;
  }
  summary.transactions += traffic.transactions;
  summary.changes += traffic.changes;
  summary.rowsCompared += comparison.rows;
  summary.differences += comparison.differences.length;
  summary.retries += overheard.retries;
  summary.sessions += overheard.sessions;
  summary.reconciles += result.reconciles;
  for (const { code } of overheard.ends) summary.gaveUp[code] = (summary.gaveUp[code] ?? 0) + 1;
  summary.roundsMs.push(Math.round(result.totalMs));
  const kind = recoveryKind(result);
  if (kind !== null) (summary.recoveriesMs[kind] ??= []).push(Math.round(result.recoveryMs));
}

function recoveryKind({ injected }: RoundResult): FaultKind | 'several' | null {
  const met = injected.filter(({ tookPlace }) => tookPlace);
  return met.length > 1 ? 'several' : (met[0]?.fault.kind ?? null);
}

/** The value below which this share of the values lies (nearest rank); null when there are none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
