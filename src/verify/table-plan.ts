/**
 * How one table is compared: a number per row from all its columns (its hash), and a place per row from its key (its
 * coordinate). Rows are summed over ranges of coordinates, so that a difference can be narrowed down.
 *
 *   integer first key ─► the key itself; ranges are ranges of the primary key
 *   any other key     ─► 60 bits of the key's MD5; ranges are buckets of it
 */
import {
  canonicalColumn,
  type CanonicalColumn,
  hashForm,
  rowForm,
  type SourceEncoding,
  type UnfitAction,
} from '../codec/canonical.ts';
import { isComputed } from '../codec/computed-sql.ts';
import { chIdent, pgIdent } from '../model/quote.ts';
import { isMadeByFunction } from '../model/table-rule.ts';
import { isKeyless, onDeleteOf, type SourceColumn, type SourceTable, tableLabel } from '../model/table.ts';

/** SQL of the same thing in both engines. */
export interface BothSql {
  readonly source: string;
  readonly copy: string;
}

/** Everything fixed about the comparison of one table. */
export interface TablePlan {
  readonly table: SourceTable;
  /** `schema.table`. */
  readonly label: string;
  readonly columns: readonly CanonicalColumn[];
  /** Columns of the key, in key order. */
  readonly key: readonly CanonicalColumn[];
  /** Text of a row's key, the same in both engines: what rows are matched by. */
  readonly match: BothSql;
  /** 60-bit number of a row. */
  readonly hash: BothSql;
  /** Signed 64-bit place of a row. */
  readonly coordinate: BothSql;
  /** Rows have no key: they are matched by all their values, and how often each is there is compared. */
  readonly isMultiset: boolean;
  /** The coordinate is the first key column: ranges can be read through the primary key. */
  readonly byKey: boolean;
  /** Condition on rows of the mirror: they are there, and the source should have them. */
  readonly live: string;
  /** Rows that the source does not have are right: the copy keeps what the source deletes. */
  readonly keepsMore: boolean;
  /** What of the table is not compared, in words; empty: nothing. */
  readonly notCompared: string;
  /** Rows that have values which the copy holds something else for: PostgreSQL, a number. */
  readonly replaced: string;
}

/** Bits of {@link TablePlan.hash}. */
export const HASH_BITS = 60;

/** int8, int2, int4, oid: keys that are coordinates as they are. */
const INTEGER_OIDS = new Set([20, 21, 23, 26]);

/** Plans the comparison of a table. @throws {AppError} `CONFIG_INVALID` for a column that cannot be what its rule says. */
export function planTable(table: SourceTable, action: UnfitAction, encoding: SourceEncoding): TablePlan {
  const compared = [...table.columns, ...(table.computed ?? [])].filter((column) => !isTransformed(column));
  // No policy makes computed values fit: they are what the expression gives.
  const columns = compared.map((column) => canonicalColumn(column, isComputed(column) ? 'fail' : action));
  const key = table.key.flatMap((i) => columns[compared.indexOf(table.columns[i]!)] ?? []);
  const first = key[0]?.column;
  const byKey = first !== undefined && INTEGER_OIDS.has(first.typeOid) && first.choice === undefined;
  const replaced = columns.flatMap((column) => column.replaced ?? []);
  const isMultiset = isKeyless(table);
  const match = rowForm(isMultiset ? columns : key, encoding);
  return {
    table,
    label: tableLabel(table),
    columns,
    key,
    match,
    hash: hashForm(rowForm(columns, encoding), encoding),
    coordinate: byKey
      ? { source: `${pgIdent(first.name)}::bigint`, copy: `toInt64(${chIdent(first.name)})` }
      : signed(hashForm(match, encoding)),
    isMultiset,
    byKey,
    live: isMultiset ? '1' : onDeleteOf(table) === 'soft' ? '_deleted = 0 AND _deleted_at IS NULL' : '_deleted = 0',
    keepsMore: onDeleteOf(table) === 'keep',
    notCompared: notCompared(table),
    replaced: replaced.length === 0 ? '0' : replaced.map((sql) => `count(*) FILTER (WHERE ${sql})`).join(' + '),
  };
}

/** What a function of the configuration has made can be computed by neither engine. */
function isTransformed({ choice }: SourceColumn): boolean {
  return isMadeByFunction(choice?.mask);
}

function notCompared(table: SourceTable): string {
  const transformed = table.columns.filter(isTransformed).map(({ name }) => `“${name}”, which is transformed`);
  const kept = onDeleteOf(table) === 'keep' ? ['rows that the source has no more'] : [];
  return [...kept, ...transformed].join(', ');
}

function signed(hash: BothSql): BothSql {
  return { source: hash.source, copy: `toInt64(${hash.copy})` };
}

/** A set of coordinates: those that, shifted to the right, give one of these buckets. */
export interface Slice {
  readonly shift: number;
  readonly buckets: readonly bigint[];
}

/** Condition that a row lies in the slice. */
export function sliceCondition(plan: TablePlan, { shift, buckets }: Slice): BothSql {
  if (!plan.byKey) {
    const list = buckets.join(', ');
    return {
      source: `(${plan.coordinate.source} >> ${shift}) IN (${list})`,
      copy: `${bucketSql(plan, shift).copy} IN (${list})`,
    };
  }
  const name = plan.key[0]?.column.name ?? '';
  const ranges = (column: string): string =>
    mergeBuckets(buckets)
      .map(([from, to]) => `${column} BETWEEN ${from << BigInt(shift)} AND ${((to + 1n) << BigInt(shift)) - 1n}`)
      .join(' OR ');
  return { source: `(${ranges(pgIdent(name))})`, copy: `(${ranges(chIdent(name))})` };
}

/** The bucket of a row. */
export function bucketSql(plan: TablePlan, shift: number): BothSql {
  return {
    source: `(${plan.coordinate.source} >> ${shift})`,
    copy: `bitShiftRight(${plan.coordinate.copy}, ${shift})`,
  };
}

/** Runs of adjacent buckets, first and last. */
function mergeBuckets(buckets: readonly bigint[]): [bigint, bigint][] {
  const runs: [bigint, bigint][] = [];
  for (const bucket of buckets.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))) {
    const last = runs.at(-1);
    if (last !== undefined && bucket - last[1] <= 1n) last[1] = bucket;
    else runs.push([bucket, bucket]);
  }
  return runs;
}

/** The same rows in two slices, or in one of finer buckets; null when it cannot be divided. */
export function splitSlice({ shift, buckets }: Slice): [Slice, Slice] | null {
  if (buckets.length > 1) {
    const half = Math.ceil(buckets.length / 2);
    return [{ shift, buckets: buckets.slice(0, half) }, { shift, buckets: buckets.slice(half) }]; // prettier-ignore
  }
  const [bucket] = buckets;
  if (bucket === undefined || shift === 0) return null;
  return [
    { shift: shift - 1, buckets: [2n * bucket] },
    { shift: shift - 1, buckets: [2n * bucket + 1n] },
  ];
}

/** Which shift makes ranges of about `rows` rows. */
export function shiftFor(
  plan: TablePlan,
  extent: { readonly span: bigint; readonly rows: number },
  rows: number,
): number {
  const ranges = Math.max(1, extent.rows / rows);
  const span = plan.byKey ? Number(extent.span) : 2 ** HASH_BITS;
  return Math.min(62, Math.max(0, Math.round(Math.log2(Math.max(1, span / ranges)))));
}
