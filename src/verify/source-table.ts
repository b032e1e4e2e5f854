/**
 * Reads one table of the source in pieces that each take a bounded time: ranges of blocks when everything is wanted, or
 * when its key has no order that both engines share; else ranges of the primary key.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { pgIdent, pgRowsOf, pgTable } from '../model/quote.ts';
import type { Relation } from '../model/table.ts';
import { planChunks } from '../source/chunks.ts';
import { FILES_SQL } from '../source/copy-out.ts';
import { pgRows, type TextRow } from '../source/connection.ts';
import { andFilter } from '../source/row-filter.ts';
import { parallel } from '../model/parallel.ts';
import type { SourceReader, TableFiles } from './source-reader.ts';
import { type Slice, sliceCondition, splitSlice, type TablePlan } from './table-plan.ts';

/** Rows of one piece, about: a tenth of a second. */
export const RANGE_ROWS = 131_072;

/** Blocks `[fromBlock, toBlock)` of one file; its last range has no upper end, so that blocks added since are in it. */
interface Blocks {
  /** The table, or a partition of it. */
  readonly relation: Relation;
  readonly file: TableFiles;
  readonly fromBlock: number;
  readonly toBlock: number;
  readonly isLast: boolean;
}

/** A table with what was known of it before the snapshot. */
export interface SourceTableState {
  readonly plan: TablePlan;
  readonly file: TableFiles;
  readonly blocks: readonly Blocks[];
  /** Rows by the statistics; 0 when there are none. */
  readonly rowsEstimated: number;
  readonly bytes: number;
  /** Between the least and the greatest first key; 0 for keys without coordinates. */
  readonly span: bigint;
}

/** What to select of a table. */
export interface SourceQuery {
  readonly select: string;
  /** With `GROUP BY`; empty for none. */
  readonly groupBy?: string;
  /** Which rows; null for all. */
  readonly slice: Slice | null;
}

/**
 * Looks a table up. Called before the snapshot is taken: a file that changes afterwards is noticed.
 *
 * @throws {AppError} `TABLE_UNSUITABLE` when it is gone.
 */
export async function readTableState(client: Client, plan: TablePlan): Promise<SourceTableState> {
  const { table } = plan;
  const [size] = await pgRows(
    client,
    `SELECT ${FILES_SQL} AS files, coalesce((SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree($1) p), pg_relation_size($1)) AS bytes`,
    [table.oid],
  );
  const { chunks, files, estimatedRows } = await planChunks(client, table, { targetRows: RANGE_ROWS });
  const blocks = chunks.map(({ relation, filenode, fromBlock, toBlock }, i): Blocks => {
    const isLast = chunks[i + 1]?.relation.oid !== relation.oid;
    return { relation, file: { oid: relation.oid, files: filenode }, fromBlock, toBlock, isLast };
  });
  // What was empty may have got its first block since.
  const empty = files.filter(({ oid }) => !chunks.some(({ relation }) => relation.oid === oid));
  for (const { filenode, ...relation } of empty) {
    blocks.push({ relation, file: { oid: relation.oid, files: filenode }, fromBlock: 0, toBlock: 0, isLast: true });
  }
  return {
    plan,
    file: { oid: table.oid, files: size?.['files'] ?? '' },
    blocks,
    rowsEstimated: estimatedRows ?? 0,
    bytes: Number(size?.['bytes'] ?? 0),
    span: plan.byKey ? await keySpan(client, plan) : 0n,
  };
}

async function keySpan(client: Client, plan: TablePlan): Promise<bigint> {
  const key = pgIdent(plan.key[0]?.column.name ?? '');
  const [row] = await pgRows(
    client,
    `SELECT max(${key})::numeric - min(${key})::numeric + 1 AS span FROM ${pgRowsOf(plan.table)}`,
  );
  return BigInt(row?.['span'] ?? 1);
}

/**
 * Reads in the reader's snapshot and hands each piece's rows over; a piece that takes too long is halved.
 *
 * @throws {AppError} `POSTGRES_FAILED` when a piece cannot be halved any more; `TABLE_UNSUITABLE`.
 */
export async function readSource(
  reader: SourceReader,
  state: SourceTableState,
  query: SourceQuery,
  onRows: (rows: readonly TextRow[]) => void,
): Promise<void> {
  const { plan, blocks, file } = state;
  const inKeyOrder = plan.byKey ? query.slice : null;
  const condition = query.slice === null ? 'true' : sliceCondition(plan, query.slice).source;
  const sql = (from: string, where: string): string =>
    `SELECT ${query.select} FROM ${from} WHERE (${where})${andFilter(plan.table)} ${query.groupBy ?? ''}`;
  const bySlice = async (slice: Slice): Promise<void> => {
    const rows = await reader.rows(file, sql(pgRowsOf(plan.table), sliceCondition(plan, slice).source));
    if (rows !== null) return onRows(rows);
    for (const half of splitSlice(slice) ?? tooLong(plan)) await bySlice(half);
  };
  const byBlocks = async (range: Blocks): Promise<void> => {
    const from = `ONLY ${pgTable(range.relation)}`;
    const rows = await reader.rows(range.file, sql(from, `${blockCondition(range)} AND ${condition}`));
    if (rows !== null) return onRows(rows);
    for (const half of splitBlocks(range) ?? tooLong(plan)) await byBlocks(half);
  };
  if (inKeyOrder !== null) await bySlice(inKeyOrder);
  else await parallel(blocks, reader.hands, byBlocks);
}

function blockCondition({ fromBlock, toBlock, isLast }: Blocks): string {
  const end = isLast ? '' : ` AND ctid < '(${toBlock},0)'::tid`;
  return `ctid >= '(${fromBlock},0)'::tid${end}`;
}

function splitBlocks(range: Blocks): [Blocks, Blocks] | null {
  const { fromBlock, toBlock } = range;
  if (toBlock - fromBlock < 2) return null;
  const middle = Math.floor((fromBlock + toBlock) / 2);
  return [{ ...range, toBlock: middle, isLast: false }, { ...range, fromBlock: middle }]; // prettier-ignore
}

function tooLong(plan: TablePlan): never {
  throw new AppError(
    'POSTGRES_FAILED',
    `${plan.label}: the smallest piece of it cannot be read within the statement timeout`,
  );
}
