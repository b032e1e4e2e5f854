/**
 * One attempt at loading a table without a key: all of it by one COPY, in one snapshot whose place in the stream is
 * known. No row can be told from its equals, so nothing is read twice: an attempt that fails begins anew, with another
 * snapshot.
 *
 *   snapshot at P ─► rows with version P − 1 ─► (the stream passes the end) ─► everything below P − 1 is deleted
 *
 * Changes that were committed before P are in the snapshot: those that the stream brings, now or again after a crash,
 * lie below P − 1 like the rows of attempts that failed, or are left out by the state's `fromLsn`.
 */
import type pg from 'pg';
import { pgLiteral, pgRowsOf } from '../model/quote.ts';
import { AppError } from '../model/errors.ts';
import { tableLabel } from '../model/table.ts';
import { type Patience, untilDone } from '../destination/landing.ts';
import { pgRows } from '../source/connection.ts';
import { wholeQuery } from '../source/chunks.ts';
import { FILES_SQL } from '../source/copy-out.ts';
import { assertUnaltered } from '../source/shapes.ts';
import { takePlacedSnapshot } from '../source/snapshot.ts';
import { failPoint } from './fail-points.ts';
import type { TableLayout } from './layout.ts';
import { ChunkReader } from './load-chunk.ts';
import type { ChunkLoadOptions } from './load-chunks.ts';
import type { LoadConnection } from './load-connection.ts';
import type { LoadStates } from './load-states.ts';

/**
 * Loads all of a table.
 *
 * @param options `signal` ends this attempt; `patience` is that of the whole load.
 * @returns `rewritten` when the table was truncated or rewritten before it could be read.
 * @throws {AppError} `TABLE_UNSUITABLE` when it is gone; the abort of `signal`, and what cannot pass.
 */
export async function loadWhole(
  layout: TableLayout,
  states: LoadStates,
  options: ChunkLoadOptions & { signal: AbortSignal },
): Promise<'loaded' | 'rewritten'> {
  const patience = { ...options.patience, signal: options.signal };
  const inserting = options.patience;
  const attempt = async (connection: LoadConnection): Promise<'loaded' | 'rewritten'> => {
    try {
      return await loadOnce(await connection.open(), layout, states, { ...options, patience, inserting });
    } finally {
      // The transaction of the snapshot ends with its session.
      await connection.close();
    }
  };
  return await untilDone(() => options.sessions.use(options.signal, attempt), {
    ...patience,
    what: `load ${tableLabel(layout.table)}`,
  });
}

async function loadOnce(
  client: pg.Client,
  layout: TableLayout,
  states: LoadStates,
  options: ChunkLoadOptions & { signal: AbortSignal; inserting: Patience },
): Promise<'loaded' | 'rewritten'> {
  const { table } = layout;
  const label = tableLabel(table);
  states.resetCounts(label);
  const files = await readFiles(client, layout);
  await pgRows(client, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const lsn = await options.sessions.alone(() => takeOver(client, options));
  // Neither is shielded by a snapshot: a table that was truncated or rewritten since looks empty in it.
  await pgRows(client, `LOCK TABLE ${pgRowsOf(table)} IN ACCESS SHARE MODE`);
  if (layout.print !== undefined) await assertUnaltered(client, table, layout.print);
  if ((await readFiles(client, layout)) !== files) return 'rewritten';
  const place = { fromLsn: lsn, baseVersion: lsn - 1n };
  await states.write({ ...states.of(table), ...place, phase: 'loading', chunksTotal: 1, filenode: 0n });
  const reader = new ChunkReader(options.copy, layout, {
    maxBytes: options.chunkBytes,
    policies: options.policiesOf(layout),
    base: states.of(table),
  });
  const { rows, landed } = await reader.readAll(client, wholeQuery(table), {
    patience: options.patience,
    inserting: options.inserting,
    room: options.room,
    onRows: (read) => states.count(label, { rows: read }),
  });
  await landed;
  failPoint('chunk-landed');
  const { generation } = states.of(table);
  const done = { chunk: 0, relation: table.oid, filenode: 0n, fromBlock: 0, toBlock: 0, rows, done: true };
  await untilDone(() => options.copy.tables.writeChunks(label, generation, [done], options.signal), options.patience);
  states.count(label, { chunks: 1 });
  return 'loaded';
}

/** Takes a snapshot over into the open transaction; returns its place. The slot is given up at once: it holds WAL, and there may be no second one. */
async function takeOver(client: pg.Client, { url, signal }: { url: string; signal: AbortSignal }): Promise<bigint> {
  await using snapshot = await takePlacedSnapshot(url, signal);
  await pgRows(client, `SET TRANSACTION SNAPSHOT ${pgLiteral(snapshot.name)}`);
  return snapshot.lsn;
}

async function readFiles(client: pg.Client, { table }: TableLayout): Promise<string> {
  const [row] = await pgRows(client, `SELECT ${FILES_SQL} AS files`, [table.oid]);
  const files = row?.['files'] ?? null;
  if (files === null) throw new AppError('TABLE_UNSUITABLE', `table ${tableLabel(table)} is gone`);
  return files;
}
