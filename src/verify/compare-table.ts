/**
 * Compares one table of the source with its clone: sums over ranges, then over smaller ranges where they differ, then
 * row by row.
 */
import type { Comparison } from './comparison.ts';
import { collectDifferences, type FoundKeys } from './compare-rows.ts';
import { collectCopies, multisetSums } from './compare-multiset.ts';
import { RANGE_ROWS, readSource, type SourceTableState } from './source-table.ts';
import { addSums, differingBuckets, type Sums, totalRows } from './sums.ts';
import { bucketSql, shiftFor, type Slice, sliceCondition } from './table-plan.ts';

/** What was found in one table. */
export interface TableOutcome {
  readonly sourceRows: number;
  readonly copyRows: number;
  /** Ranges that exist on either side, and how many of them were compared by checksum. */
  readonly ranges: number;
  readonly rangesCompared: number;
  /** Values that the copy holds something else for, as the policy says. */
  readonly replaced: number;
  readonly found: FoundKeys;
}

/** Sub-ranges per range that differs: 2,048 rows each. */
const FINER_BITS = 6;
/** Ranges looked at together. */
const RANGES_AT_ONCE = 4;
/** Sub-ranges read row by row together. */
const SUBRANGES_AT_ONCE = 64;

/** Compares a table. @throws {AppError} see {@link readSource}. */
export async function compareTable(comparison: Comparison, state: SourceTableState): Promise<TableOutcome> {
  const { clones, signal } = comparison;
  const { plan } = state;
  const [count] = await clones.rows<{ n: string }>(
    `SELECT count() AS n FROM ${clones.table(plan.table.target)}`,
    signal,
  );
  const shift = shiftFor(
    plan,
    { span: state.span, rows: Math.max(Number(count?.n ?? 0), state.rowsEstimated) },
    RANGE_ROWS,
  );
  const { source, copy, replaced, compared } = await (comparison.sample === null
    ? everything(comparison, state, shift)
    : sampled(comparison, state, shift));
  const differing = differingBuckets(source, copy);
  const found = await narrow(comparison, state, { shift, buckets: differing });
  const ranges = new Set([...source.keys(), ...copy.keys()]).size;
  return {
    sourceRows: totalRows(source),
    copyRows: totalRows(copy),
    ranges,
    rangesCompared: compared ?? ranges,
    replaced,
    found,
  };
}

interface BothSums {
  readonly source: Sums;
  readonly copy: Sums;
  readonly replaced: number;
  /** null: all ranges. */
  readonly compared: number | null;
}

async function everything(comparison: Comparison, state: SourceTableState, shift: number): Promise<BothSums> {
  const { plan } = state;
  const source: Sums = new Map();
  let replaced = 0;
  const query = {
    select: `${sourceSumsSql(state, shift)}, ${plan.replaced} AS replaced`,
    groupBy: 'GROUP BY 1',
    slice: null,
  };
  const reading = readSource(comparison.reader, state, query, (rows) => {
    addSums(source, rows);
    replaced += rows.reduce((sum, row) => sum + Number(row['replaced']), 0);
    comparison.onRows(plan.label, totalRows(source));
  });
  const [copy] = await both(copySums(comparison, state, shift, { slice: null, hash: plan.hash.copy }), reading);
  return { source, copy, replaced, compared: null };
}

/** Counts of all ranges, checksums of some. */
async function sampled(comparison: Comparison, state: SourceTableState, shift: number): Promise<BothSums> {
  const { plan } = state;
  const counts: Sums = new Map();
  const select = `${bucketSql(plan, shift).source} AS bucket, count(*) AS rows, 0 AS sum`;
  const counting = readSource(comparison.reader, state, { select, groupBy: 'GROUP BY 1', slice: null }, (rows) => {
    addSums(counts, rows);
    comparison.onRows(plan.label, totalRows(counts));
  });
  const [copyCounts] = await both(copySums(comparison, state, shift, { slice: null, hash: '0' }), counting);
  const buckets = choose([...new Set([...counts.keys(), ...copyCounts.keys()])], comparison.sample);
  const slice = { shift, buckets };
  const chosen =
    buckets.length === 0 ? { source: new Map(), copy: new Map() } : await sumsOf(comparison, state, slice, shift);
  const withSums = (all: Sums, some: Sums): Sums => new Map([...all, ...some]);
  const unchosen = (sums: Sums): Sums => new Map([...sums].filter(([bucket]) => !buckets.includes(bucket)));
  return {
    source: withSums(unchosen(counts), chosen.source),
    copy: withSums(unchosen(copyCounts), chosen.copy),
    replaced: 0,
    compared: buckets.length,
  };
}

/** Some of the buckets, without repetition. */
function choose(buckets: bigint[], sample: Comparison['sample']): bigint[] {
  const pool = buckets.toSorted((a, b) => (a < b ? -1 : 1));
  const chosen: bigint[] = [];
  while (pool.length > 0 && chosen.length < (sample?.ranges ?? 0)) {
    chosen.push(...pool.splice(Math.floor((sample?.random() ?? 0) * pool.length), 1));
  }
  return chosen;
}

/** From ranges that differ to smaller ones that differ, to rows. */
async function narrow(comparison: Comparison, state: SourceTableState, coarse: Slice): Promise<FoundKeys> {
  const finer = Math.max(0, coarse.shift - FINER_BITS);
  const buckets: bigint[] = [];
  // Without an order of keys each look costs a pass over the table: then all at once.
  const step = state.plan.byKey ? RANGES_AT_ONCE : Math.max(1, coarse.buckets.length);
  for (let i = 0; i < coarse.buckets.length; i += step) {
    const slice = { shift: coarse.shift, buckets: coarse.buckets.slice(i, i + step) };
    const { source, copy } = await sumsOf(comparison, state, slice, finer);
    for (const bucket of differingBuckets(source, copy)) buckets.push(bucket);
  }
  const slices: Slice[] = [];
  const size = state.plan.byKey ? SUBRANGES_AT_ONCE : SUBRANGES_AT_ONCE * 4;
  for (let i = 0; i < buckets.length; i += size) slices.push({ shift: finer, buckets: buckets.slice(i, i + size) });
  const collect = state.plan.isMultiset ? collectCopies : collectDifferences;
  return await collect(comparison, state, slices);
}

async function sumsOf(
  comparison: Comparison,
  state: SourceTableState,
  slice: Slice,
  shift: number,
): Promise<{ source: Sums; copy: Sums }> {
  const source: Sums = new Map();
  const query = { select: sourceSumsSql(state, shift), groupBy: 'GROUP BY 1', slice };
  const [copy] = await both(
    copySums(comparison, state, shift, { slice, hash: state.plan.hash.copy }),
    readSource(comparison.reader, state, query, (rows) => addSums(source, rows)),
  );
  return { source, copy };
}

function sourceSumsSql({ plan }: SourceTableState, shift: number): string {
  return `${bucketSql(plan, shift).source} AS bucket, count(*) AS rows, sum(${plan.hash.source}) AS sum`;
}

async function copySums(
  { clones, signal }: Comparison,
  { plan }: SourceTableState,
  shift: number,
  options: { slice: Slice | null; hash: string },
): Promise<Sums> {
  const where = options.slice === null ? '' : ` AND ${sliceCondition(plan, options.slice).copy}`;
  const sums: Sums = new Map();
  addSums(
    sums,
    await clones.rows(
      `SELECT toString(${bucketSql(plan, shift).copy}) AS bucket, ${plan.isMultiset ? multisetSums(options.hash) : `count() AS rows, toString(sum(toUInt128(${options.hash}))) AS sum`}
       FROM ${clones.table(plan.table.target)} FINAL WHERE ${plan.live}${where} GROUP BY bucket${plan.isMultiset ? " HAVING rows != 0 OR sum != '0'" : ''}`,
      signal,
    ),
  );
  return sums;
}

/** Both sides at the same time; when one fails the other is waited for. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [left, right] = await Promise.allSettled([a, b]);
  if (left.status === 'rejected') throw left.reason;
  if (right.status === 'rejected') throw right.reason;
  return [left.value, right.value];
}
