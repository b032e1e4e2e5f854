/** Checks on the clones alone: each history ends with the mirror's rows, and no version lies above the position. */
import type { Lsn } from '../model/lsn.ts';
import { KEPT_KEYS, keyedSelect, type RowDifference } from './compare-rows.ts';
import type { Clones } from './clones.ts';
import { HISTORY_ORDER, historyName } from './rows-by-key.ts';
import type { TablePlan } from './table-plan.ts';

/** Where to look. */
export interface CloneCheck {
  readonly clones: Clones;
  readonly plan: TablePlan;
  readonly signal: AbortSignal;
}

/** Rows whose newest version is not the row of the mirror (or lives on where the mirror has none, or the other way round). */
export async function compareHistory({ clones, plan, signal }: CloneCheck): Promise<RowDifference[]> {
  const select = keyedSelect(plan, 'copy');
  const names = plan.key.map(({ column }) => `\`${column.name}\``).join(', ');
  const mirror = `SELECT ${select} FROM ${clones.table(plan.table.target)} FINAL WHERE _deleted = 0`;
  const newest = `SELECT * FROM ${clones.table(historyName(plan))} FINAL ORDER BY ${HISTORY_ORDER} LIMIT 1 BY ${names}`;
  const history = `SELECT ${select} FROM (${newest}) WHERE _deleted = 0`;
  return await differing(
    clones,
    `SELECT *, 0 AS side FROM (${mirror}) UNION ALL SELECT *, 1 FROM (${history})`,
    plan,
    signal,
  );
}

/** Rows of which only one side exists, or both with different hashes. */
async function differing(
  clones: Clones,
  sides: string,
  plan: TablePlan,
  signal: AbortSignal,
): Promise<RowDifference[]> {
  const parts = plan.key.map((_, i) => `any(k${i}) AS k${i}`).join(', ');
  const rows = await clones.rows<Record<string, string>>(
    `SELECT m AS m, ${parts} FROM (${sides}) GROUP BY m HAVING count() != 2 OR min(h) != max(h) ORDER BY m LIMIT ${KEPT_KEYS}`,
    signal,
  );
  return rows.map((row) => keyed(plan, row));
}

/** Rows stored with a version above the position: nothing that was committed by then has one. */
export async function findAhead(
  { clones, plan, signal }: CloneCheck,
  lsn: Lsn,
  table: string,
): Promise<RowDifference[]> {
  const parts = plan.key.map(({ copy }, i) => `${copy.shown} AS k${i}`).join(', ');
  const rows = await clones.rows<Record<string, string>>(
    `SELECT DISTINCT ${plan.match.copy} AS m, ${parts} FROM ${clones.table(table)} WHERE _version > ${lsn} ORDER BY m LIMIT ${KEPT_KEYS}`,
    signal,
  );
  return rows.map((row) => keyed(plan, row));
}

function keyed(plan: TablePlan, row: Readonly<Record<string, string>>): RowDifference {
  return { kind: 'different', key: plan.key.map((_, i) => row[`k${i}`] ?? ''), match: row['m'] ?? '' };
}
