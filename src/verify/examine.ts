/** Looks at everything at one position, and looks again at what differed. */
import { AppError } from '../model/errors.ts';
import type { Lsn } from '../model/lsn.ts';
import { compareHistory, findAhead } from './compare-history.ts';
import { type BucketDifference, compareRollup, ROLLUP, rollupTotalsAgree } from './compare-rollup.ts';
import { recheckRows, type RowDifference } from './compare-rows.ts';
import { compareTable, type TableOutcome } from './compare-table.ts';
import type { Comparison } from './comparison.ts';
import type { Position } from './position.ts';
import type { RollupVerification } from './verification.ts';
import { historyName } from './rows-by-key.ts';
import type { SourceTableState } from './source-table.ts';

/** What differs, by kind: rows of mirrors, of histories, rows with impossible versions, buckets. */
export interface Suspects {
  readonly tables: readonly TableSuspects[];
  readonly buckets: readonly BucketDifference[];
}

/** What differs in one table. */
export interface TableSuspects {
  readonly state: SourceTableState;
  readonly rows: readonly RowDifference[];
  readonly history: readonly RowDifference[];
  readonly ahead: readonly RowDifference[];
}

/** What was looked at. */
export interface Examination {
  readonly outcomes: ReadonlyMap<string, TableOutcome>;
  /** Why a table could not be compared. */
  readonly failures: ReadonlyMap<string, string>;
  /** null when none of the tables that it counts was asked for. */
  readonly rollup: Omit<RollupVerification, 'differing'> | null;
  readonly suspects: Suspects;
}

/** The rollup can be compared when it was cloned with the tables that it counts. */
const COUNTED = ['public.impressions', 'public.clicks', 'public.campaign'];

/** Compares everything that was cloned. */
export async function examine(
  comparison: Comparison,
  states: readonly SourceTableState[],
  position: Position,
  onDone: (label: string) => void,
): Promise<Examination> {
  const outcomes = new Map<string, TableOutcome>();
  const failures = new Map<string, string>();
  const tables: TableSuspects[] = [];
  for (const state of states) {
    const { label } = state.plan;
    try {
      const outcome = await compareTable(comparison, state);
      outcomes.set(label, outcome);
      tables.push({ state, rows: outcome.found.kept, ...(await checkClones(comparison, state, position.lsn)) });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'TABLE_UNSUITABLE') throw error;
      failures.set(label, error.message);
    }
    onDone(label);
  }
  const { differing, ...rollup } = await examineRollup(comparison, outcomes);
  const isCounted = states.some(({ plan }) => COUNTED.includes(plan.label));
  return { outcomes, failures, rollup: isCounted ? rollup : null, suspects: { tables, buckets: differing } };
}

/** In a sampled run the totals come first: bucket by bucket only when they disagree. */
async function examineRollup(
  { clones, signal, sample }: Comparison,
  outcomes: ReadonlyMap<string, unknown>,
): Promise<Omit<RollupVerification, 'differing'> & { differing: readonly BucketDifference[] }> {
  const missing = COUNTED.filter((label) => !outcomes.has(label));
  if (missing.length > 0) return { leftOut: `${missing.join(', ')} was not compared`, buckets: 0, differing: [] };
  if (!(await clones.has(ROLLUP, signal))) return { leftOut: 'it is not built yet', buckets: 0, differing: [] };
  if (sample !== null && (await rollupTotalsAgree(clones, signal))) return { leftOut: null, buckets: 0, differing: [] };
  await clones.createPrices();
  return { leftOut: null, ...(await compareRollup(clones, signal)) };
}

async function checkClones(
  { clones, signal }: Comparison,
  { plan }: SourceTableState,
  lsn: Lsn,
): Promise<Pick<TableSuspects, 'history' | 'ahead'>> {
  const check = { clones, plan, signal };
  // Nothing of it is changed by a later version, so that none can be too high.
  if (plan.isMultiset) return { history: [], ahead: [] };
  const ahead = await findAhead(check, lsn, plan.table.target);
  if (!(await clones.has(historyName(plan), signal))) return { history: [], ahead };
  const known = new Set(ahead.map(({ match }) => match));
  const late = (await findAhead(check, lsn, historyName(plan))).filter(({ match }) => !known.has(match));
  return { history: await compareHistory(check), ahead: [...ahead, ...late] };
}

/**
 * Which of the suspects differ at this position, too.
 *
 * @param states The tables as they were looked up before this position.
 */
export async function confirm(
  comparison: Comparison,
  suspects: Suspects,
  at: { readonly position: Position; readonly states: readonly SourceTableState[] },
): Promise<Suspects> {
  const { position, states } = at;
  const tables: TableSuspects[] = [];
  for (const { state: before, rows, history, ahead } of suspects.tables) {
    if (rows.length + history.length + ahead.length === 0) continue;
    const { label } = before.plan;
    const state = states.find(({ plan }) => plan.label === label);
    if (state === undefined || !position.tables.has(label))
      throw new AppError('VERIFY_REFUSED', `${label} cannot be looked at a second time: it is not live any more`);
    const found = await recheck(comparison, state, rows);
    const again = await checkClones(comparison, state, position.lsn);
    tables.push({ state, rows: found, history: inBoth(history, again.history), ahead: inBoth(ahead, again.ahead) });
  }
  if (suspects.buckets.length === 0) return { tables, buckets: [] };
  await comparison.clones.createPrices();
  const { differing } = await compareRollup(comparison.clones, comparison.signal);
  const keyOf = ({ campaignId, hour }: BucketDifference): string => `${campaignId}/${hour}`;
  const suspected = new Set(suspects.buckets.map(keyOf));
  return { tables, buckets: differing.filter((bucket) => suspected.has(keyOf(bucket))) };
}

/** Rows without a key are found again by comparing their table again. */
async function recheck(
  comparison: Comparison,
  state: SourceTableState,
  rows: readonly RowDifference[],
): Promise<readonly RowDifference[]> {
  if (state.plan.isMultiset) return inBoth(rows, (await compareTable(comparison, state)).found.kept);
  const keys = rows.map(({ key }) => key);
  return await recheckRows(comparison, state, keys);
}

function inBoth(before: readonly RowDifference[], now: readonly RowDifference[]): RowDifference[] {
  const suspected = new Set(before.map(({ match }) => match));
  return now.filter(({ match }) => suspected.has(match));
}

/** How many rows and buckets. */
export function countSuspects({ tables, buckets }: Suspects): number {
  return tables.reduce(
    (sum, { rows, history, ahead }) => sum + rows.length + history.length + ahead.length,
    buckets.length,
  );
}
