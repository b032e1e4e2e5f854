/**
 * Cuts a table into ranges of blocks that are copied one by one, each in a short transaction of its own.
 *
 * Rows written into blocks behind the planned end came after the slot was made, so the stream has them.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { pgTable } from '../model/quote.ts';
import { tableLabel, type SourceTable } from '../model/table.ts';
import { pgRows } from './connection.ts';
import { andFilter } from './row-filter.ts';
import { selectList } from './select-list.ts';

/** Blocks `[fromBlock, toBlock)` of a table. */
export interface Chunk {
  readonly fromBlock: number;
  readonly toBlock: number;
}

/** How to copy a table. Holds as long as the table keeps its file: see `unlessRewritten` of copy-out.ts. */
export interface ChunkPlan {
  readonly filenode: string;
  readonly chunks: readonly Chunk[];
  /** Rows by the statistics of the last ANALYZE, scaled to the present size; null when there are none. */
  readonly estimatedRows: number | null;
}

/** Size of a chunk, in bytes of the table's file or in rows (by statistics; as 64 MiB when there are none). */
export type ChunkSize = { readonly chunkBytes: number } | { readonly targetRows: number };

const DEFAULT_CHUNK_BYTES = 64 * 1024 * 1024;

interface TableFacts {
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
  const [row] = await pgRows(
    client,
    `SELECT pg_relation_filenode(oid) AS filenode, pg_relation_size(oid) AS bytes, relpages, reltuples::float8 AS reltuples,
            current_setting('block_size') AS block_size
     FROM pg_class WHERE oid = $1`,
    [table.oid],
  );
  if (row === undefined) throw new AppError('TABLE_UNSUITABLE', `table ${tableLabel(table)} is gone`);
  const facts = readFacts(row);
  const perChunk = blocksPerChunk(facts, size);
  const chunks: Chunk[] = [];
  for (let fromBlock = 0; fromBlock < facts.blocks; fromBlock += perChunk) {
    chunks.push({ fromBlock, toBlock: Math.min(facts.blocks, fromBlock + perChunk) });
  }
  const estimatedRows = facts.rowsPerBlock === null ? null : Math.round(facts.rowsPerBlock * facts.blocks);
  return { filenode: row['filenode']!, chunks, estimatedRows };
}

function readFacts(row: Record<string, string | null>): TableFacts {
  const blockSize = Number(row['block_size']);
  const pages = Number(row['relpages']);
  const rows = Number(row['reltuples']); // −1: never analyzed
  return {
    blockSize,
    blocks: Math.ceil(Number(row['bytes']) / blockSize),
    rowsPerBlock: rows >= 0 && pages > 0 ? rows / pages : null,
  };
}

function blocksPerChunk(facts: TableFacts, size: ChunkSize): number {
  const { rowsPerBlock } = facts;
  if ('targetRows' in size && rowsPerBlock !== null && rowsPerBlock > 0) {
    return Math.max(1, Math.ceil(size.targetRows / rowsPerBlock));
  }
  const bytes = 'chunkBytes' in size ? size.chunkBytes : DEFAULT_CHUNK_BYTES;
  return Math.max(1, Math.floor(bytes / facts.blockSize));
}

/** The COPY statement of a chunk: binary, the columns in the order of `table.columns`, see {@link selectList}. */
export function chunkQuery(table: SourceTable, chunk: Chunk): string {
  const range = `ctid >= '(${chunk.fromBlock},0)'::tid AND ctid < '(${chunk.toBlock},0)'::tid`;
  return `COPY (SELECT ${selectList(table.columns)} FROM ONLY ${pgTable(table)} WHERE ${range}${andFilter(table)}) TO STDOUT (FORMAT binary)`;
}
