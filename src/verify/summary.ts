/** Puts a verification together from what was found. */
import type { TableOutcome } from './compare-table.ts';
import type { Difference } from './difference.ts';
import type { Examination, Suspects } from './examine.ts';
import type { Position } from './position.ts';
import type { ChosenTables } from './tables.ts';
import type { RollupVerification, TableVerification, Verdict, Verification } from './verification.ts';
import type { RowKind } from './compare-rows.ts';

/** Everything that a run has found. */
export interface Findings extends Pick<
  Verification,
  'id' | 'mode' | 'startedAt' | 'attempts' | 'heldMs' | 'sourceMs' | 'copyMs' | 'repaired'
> {
  readonly position: Position;
  readonly examination: Examination;
  readonly chosen: ChosenTables;
  /** What differed at two positions. */
  readonly suspects: Suspects;
  readonly differences: readonly Difference[];
}

/** The verification, finished now. */
export function summarize(findings: Findings): Verification {
  const { position, examination, suspects, repaired, ...rest } = findings;
  const tables = tablesOf(findings);
  const rollup = examination.rollup === null ? null : { ...examination.rollup, differing: suspects.buckets.length };
  const inTables = tables.map((table) => rowsOf(table.differing) + table.history + table.ahead);
  const differing = inTables.reduce((sum, rows) => sum + rows, suspects.buckets.length);
  return {
    id: rest.id,
    mode: rest.mode,
    verdict: verdictOf(tables, rollup, { differing, repaired }),
    lsn: position.lsn,
    commitTimeUs: position.commitTimeUs,
    startedAt: rest.startedAt,
    finishedAt: new Date(),
    attempts: rest.attempts,
    heldMs: rest.heldMs,
    sourceMs: rest.sourceMs,
    copyMs: rest.copyMs,
    tables,
    rollup,
    differing,
    repaired,
    differences: rest.differences,
  };
}

function tablesOf({ chosen, examination, position, suspects }: Findings): TableVerification[] {
  const compared = chosen.plans.map(({ label, notCompared }) => {
    const outcome = examination.outcomes.get(label);
    const left = suspects.tables.find(({ state }) => state.plan.label === label);
    const state = examination.suspects.tables.find((table) => table.state.plan.label === label)?.state;
    if (outcome === undefined) {
      const reason = position.tables.has(label) ? 'was not compared' : 'is not live';
      return leftOutTable(label, examination.failures.get(label) ?? reason);
    }
    const { found: _, ...figures } = outcome;
    return {
      ...leftOutTable(label, null),
      notCompared,
      ...figures,
      bytes: state?.bytes ?? 0,
      differing: confirmedCounts(outcome, left?.rows ?? []),
      history: left?.history.length ?? 0,
      ahead: left?.ahead.length ?? 0,
    };
  });
  const others = [...chosen.leftOut].map(([label, reason]) => leftOutTable(label, reason));
  return [...compared, ...others].toSorted((a, b) => (a.table < b.table ? -1 : 1));
}

function leftOutTable(table: string, leftOut: string | null): TableVerification {
  const differing = { missing: 0, extra: 0, different: 0 };
  const figures = {
    sourceRows: 0,
    copyRows: 0,
    ranges: 0,
    rangesCompared: 0,
    bytes: 0,
    replaced: 0,
    history: 0,
    ahead: 0,
    notCompared: '',
  };
  return { table, leftOut, ...figures, differing };
}

/** Rows beyond those kept by key were counted once and not looked at again. */
function confirmedCounts({ found }: TableOutcome, confirmed: readonly { kind: RowKind }[]): Record<RowKind, number> {
  const count = (rows: readonly { kind: RowKind }[], kind: RowKind): number =>
    rows.filter((row) => row.kind === kind).length;
  const of = (kind: RowKind): number => count(confirmed, kind) + found.counts[kind] - count(found.kept, kind);
  return { missing: of('missing'), extra: of('extra'), different: of('different') };
}

function rowsOf({ missing, extra, different }: TableVerification['differing']): number {
  return missing + extra + different;
}

function verdictOf(
  tables: readonly TableVerification[],
  rollup: RollupVerification | null,
  left: { differing: number; repaired: number },
): Verdict {
  if (left.differing > left.repaired) return 'different';
  const compared = tables.filter(({ leftOut }) => leftOut === null);
  if (compared.length === 0) return 'unproved';
  if (left.repaired > 0) return 'repaired';
  const isWhole = compared.every(({ notCompared }) => notCompared === '');
  return !isWhole || compared.length < tables.length || (rollup?.leftOut ?? null) !== null ? 'partial' : 'equal';
}
