/** A difference as it is told and stored: what was expected, what was found, of which version. */
import { formatLsn } from '../model/lsn.ts';
import type { RowDifference, RowKind } from './compare-rows.ts';
import type { TablePlan } from './table-plan.ts';

/**
 * What is not as it should be:
 * - `missing`, `extra`, `different`: a mirror against the source
 * - `ahead`: a stored row has a version above the position, so that later changes of it would be lost
 * - `history`: the newest version of a row is not the mirror's row
 * - `rollup`: a bucket of `campaign_hourly` against the mirrors
 */
export type DifferenceKind = RowKind | 'ahead' | 'history' | 'rollup';

/** One value that differs. */
export interface DifferingValue {
  readonly column: string;
  /** In the source; of history and rollup: in the mirror. NULL is null, a missing row has no values. */
  readonly expected: string | null;
  readonly found: string | null;
}

/** One row or bucket that differs. */
export interface Difference {
  /** `schema.table` of the source, or `campaign_hourly`. */
  readonly table: string;
  readonly kind: DifferenceKind;
  /** Key parts; of a bucket: campaign and hour. */
  readonly key: readonly (string | null)[];
  /** Version of the row in the copy: `16/B374D848`, `0/0` for rows of the first load; null when there is none. */
  readonly version: string | null;
  readonly values: readonly DifferingValue[];
  /** What else is known, in words. */
  readonly note: string;
}

/** What {@link describeRows} needs to read both sides. */
export interface Description {
  readonly plan: TablePlan;
  readonly rows: readonly RowDifference[];
  /** The side that is right, and the side that was found. Columns: {@link describedSelect}. */
  readonly expected: readonly DescribedRow[];
  readonly found: readonly DescribedRow[];
}

/** A row as {@link describedSelect} reads it. */
export type DescribedRow = Readonly<Record<string, string | null>>;

/** Match, and each column as it is compared and as it is shown; of the copy also version and tombstone. */
export function describedSelect(plan: TablePlan, side: 'source' | 'copy'): string {
  const columns = plan.columns.flatMap((column, i) => [
    `${column[side].shown} AS s${i}`,
    `${column[side].compared} AS c${i}`,
  ]);
  const marks = side === 'copy' ? ['toString(_version) AS v', 'toString(_deleted) AS d'] : [];
  return [`${plan.match[side]} AS m`, ...columns, ...marks].join(', ');
}

/** Says which values differ. */
export function describeRows({ plan, rows, expected, found }: Description): Difference[] {
  const [left, right] = [byMatch(expected), byMatch(found)];
  return rows.map(({ kind, key, match }) => {
    const stored = right.get(match);
    const version = stored === undefined ? null : formatLsn(BigInt(stored['v'] ?? 0));
    const isGone = stored?.['d'] === '1';
    const values = differingValues(plan, left.get(match), isGone ? undefined : stored);
    return { table: plan.label, kind, key, version, values, note: isGone ? 'the copy says that it was deleted' : '' };
  });
}

function differingValues(
  plan: TablePlan,
  expected: DescribedRow | undefined,
  found: DescribedRow | undefined,
): DifferingValue[] {
  return plan.columns.flatMap(({ column }, i) => {
    if (expected?.[`c${i}`] === found?.[`c${i}`]) return [];
    return [{ column: column.name, expected: expected?.[`s${i}`] ?? null, found: found?.[`s${i}`] ?? null }];
  });
}

function byMatch(rows: readonly DescribedRow[]): Map<string, DescribedRow> {
  return new Map(rows.map((row) => [row['m'] ?? '', row]));
}
