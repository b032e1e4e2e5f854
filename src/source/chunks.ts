/**
 * Cuts a table into ranges of blocks that are copied one by one, each in a short transaction of its own.
 *
 * Rows written into blocks behind the planned end came after the slot was made, so the stream has them.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { pgRowsOf, pgTable } from '../model/quote.ts';
import { type Relation, tableLabel, type SourceTable } from '../model/table.ts';
import { pgRows, type TextRow } from './connection.ts';
import { andFilter } from './row-filter.ts';
import { selectList } from './select-list.ts';

/** Blocks `[fromBlock, toBlock)` of one file. */
export interface Chunk {
  /** The table, or a partition of it. */
  readonly relation: Relation;
  /** Its file: the blocks hold for it alone (`unlessRewritten` of copy-out.ts). */
  readonly filenode: string;
  readonly fromBlock: number;
  readonly toBlock: number;
}

/** How to copy a table. */
export interface ChunkPlan {
  /** The table's own file; 0 for a partitioned one, which has none. */
  readonly filenode: string;
  readonly chunks: readonly Chunk[];
  /** The table itself, or its partitions, with their files; also those that are empty. */
  readonly files: readonly (Relation & { readonly filenode: string })[];
  /** Rows by the statistics of the last ANALYZE, scaled to the present size; null when there are none. */
  readonly estimatedRows: number | null;
}

/** Size of a chunk, in bytes of the table's file or in rows (by statistics; as 64 MiB when there are none). */
export type ChunkSize = { readonly chunkBytes: number } | { readonly targetRows: number };

const DEFAULT_CHUNK_BYTES = 64 * 1024 * 1024;

interface FileFacts {
  readonly relation: Relation;
  readonly filenode: string;
  readonly blockSize: number;
  readonly blocks: number;
  readonly rowsPerBlock: number | null;
}

/**
 * Plans the chunks of a table. Called after the slot exists and older transactions have ended.
 *
 * @returns No chunk for an empty table.
 * @throws {AppError} `TABLE_UNSUITABLE` when the table is gone.
 */
export async function planChunks(client: Client, table: SourceTable, size: ChunkSize): Promise<ChunkPlan> {
  const rows = await pgRows(
    client,
    `SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, coalesce(pg_relation_filenode(c.oid), 0) AS filenode,
            coalesce(pg_relation_size(c.oid), 0) AS bytes, c.relpages, c.reltuples::float8 AS reltuples, current_setting('block_size') AS block_size
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = $1 OR c.oid IN (SELECT relid FROM pg_partition_tree($1) WHERE isleaf)
     ORDER BY c.oid`,
    [table.oid],
  );
  const own = rows.find((row) => Number(row['oid']) === table.oid);
  if (own === undefined) throw new AppError('TABLE_UNSUITABLE', `table ${tableLabel(table)} is gone`);
  const files = rows.filter((row) => row['kind'] === 'r').map(readFacts);
  const chunks = files.flatMap((file) => chunksOf(file, blocksPerChunk(file, size)));
  const isCounted =
    files.some(({ rowsPerBlock }) => rowsPerBlock !== null) &&
    files.every(({ rowsPerBlock, blocks }) => rowsPerBlock !== null || blocks === 0);
  const estimated = files.reduce((sum, { rowsPerBlock, blocks }) => sum + (rowsPerBlock ?? 0) * blocks, 0);
  return {
    filenode: own['filenode']!,
    chunks,
    files: files.map(({ relation, filenode }) => ({ ...relation, filenode })),
    estimatedRows: isCounted ? Math.round(estimated) : null,
  };
}

function chunksOf({ relation, filenode, blocks }: FileFacts, perChunk: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let fromBlock = 0; fromBlock < blocks; fromBlock += perChunk) {
    chunks.push({ relation, filenode, fromBlock, toBlock: Math.min(blocks, fromBlock + perChunk) });
  }
  return chunks;
}

function readFacts(row: TextRow): FileFacts {
  const blockSize = Number(row['block_size']);
  const pages = Number(row['relpages']);
  const rows = Number(row['reltuples']); // −1: never analyzed
  return {
    relation: { oid: Number(row['oid']), schema: row['schema']!, name: row['name']! },
    filenode: row['filenode']!,
    blockSize,
    blocks: Math.ceil(Number(row['bytes']) / blockSize),
    rowsPerBlock: rows >= 0 && pages > 0 ? rows / pages : null,
  };
}

/** Where the chunks of an earlier plan lie, by oid; those that are gone by now are missing. */
export async function readRelations(client: Client, oids: readonly number[]): Promise<Map<number, Relation>> {
  const rows = await pgRows(
    client,
    `SELECT c.oid, n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY ($1::oid[])`,
    [oids],
  );
  return new Map(
    rows.map((row) => [Number(row['oid']), { oid: Number(row['oid']), schema: row['schema']!, name: row['name']! }]),
  );
}

function blocksPerChunk(facts: FileFacts, size: ChunkSize): number {
  const { rowsPerBlock } = facts;
  if ('targetRows' in size && rowsPerBlock !== null && rowsPerBlock > 0) {
    return Math.max(1, Math.ceil(size.targetRows / rowsPerBlock));
  }
  const bytes = 'chunkBytes' in size ? size.chunkBytes : DEFAULT_CHUNK_BYTES;
  return Math.max(1, Math.floor(bytes / facts.blockSize));
}

/** The COPY statement of a whole table, with its partitions. */
export function wholeQuery(table: SourceTable): string {
  return `COPY (SELECT ${selectList(table.columns)} FROM ${pgRowsOf(table)} WHERE true${andFilter(table)}) TO STDOUT (FORMAT binary)`;
}

/** The COPY statement of a chunk: binary, the columns in the order of `table.columns`, see {@link selectList}. */
export function chunkQuery(table: SourceTable, chunk: Chunk): string {
  const range = `ctid >= '(${chunk.fromBlock},0)'::tid AND ctid < '(${chunk.toBlock},0)'::tid`;
  return `COPY (SELECT ${selectList(table.columns)} FROM ONLY ${pgTable(chunk.relation)} WHERE ${range}${andFilter(table)}) TO STDOUT (FORMAT binary)`;
}
