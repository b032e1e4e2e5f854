/** Exact comparison of any source table with its copy, and a pipeline between two databases for tests of table shapes. */
import { expect } from 'vitest';
import { chIdent, pgIdent, pgTable } from '../../src/model/quote.ts';
import type { PipelineOptions } from '../../src/pipeline/options.ts';
import { pgRows } from '../../src/source/connection.ts';
import { changeUntilDead } from './crash.ts';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from './databases.ts';
import { type RunningPipeline, startPipeline } from './pipeline.ts';
import { PipelineProcess } from './process.ts';

/** A source table and the name of its mirror. */
export interface TablePair {
  readonly schema: string;
  readonly name: string;
  readonly target: string;
}

/** A table of schema `public`, by its name. */
export function inPublic(name: string): TablePair {
  return { schema: 'public', name, target: name };
}

/** How PostgreSQL writes a value as ClickHouse's `toString` does. */
function sourceText(name: string, type: string): string {
  const column = pgIdent(name);
  if (type === 'boolean') return `CASE WHEN ${column} THEN 'true' WHEN NOT ${column} THEN 'false' END`;
  if (type.startsWith('timestamp')) return `to_char(${column}, 'YYYY-MM-DD HH24:MI:SS.US')`;
  if (type.startsWith('numeric(')) return `trim_scale(${column})::text`;
  return `${column}::text`;
}

/** Names of the columns that people see in the copy, in order; empty when there is no copy. */
export async function copiedColumns(ch: TemporaryClickHouse, target: string): Promise<string[]> {
  const rows = await ch.client.rows<{ name: string }>(
    'SELECT name FROM system.columns WHERE database = {database:String} AND table = {view:String} ORDER BY position',
    { params: { database: ch.database, view: `${target}_current` } },
  );
  return rows.map(({ name }) => name);
}

/** Rows that are on one side only, or not as often on the other. Empty when source and copy are equal. */
export async function pairDifferences(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  pair: TablePair,
): Promise<string[]> {
  const names = await copiedColumns(ch, pair.target);
  if (names.length === 0) return [`${pair.target}: there is no copy`];
  const types = await pgRows<{ name: string; type: string }>(
    pg.client,
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = $1::regclass AND NOT attisdropped`,
    [pgTable(pair)],
  );
  const typeOf = new Map(types.map(({ name, type }) => [name, type]));
  const wanted = await pgRows(
    pg.client,
    `SELECT to_json(ARRAY[${names.map((name) => sourceText(name, typeOf.get(name) ?? '')).join(', ')}]::text[])::text AS row FROM ${pgTable(pair)}`,
  );
  const list = names.map((name, i) => `toString(${chIdent(name)}) AS __${i}`).join(', ');
  const found = await ch.client.rows<Record<string, string | null>>(
    `SELECT ${list} FROM ${chIdent(ch.database)}.${chIdent(`${pair.target}_current`)}`,
  );
  const counts = new Map<string, number>();
  const add = (row: readonly (string | null)[], n: number): void => {
    const text = JSON.stringify(row);
    counts.set(text, (counts.get(text) ?? 0) + n);
  };
  for (const { row } of wanted) add(JSON.parse(row ?? '[]') as string[], 1);
  for (const row of found) add(names.map((_, i) => row[`__${i}`] ?? null), -1); // prettier-ignore
  const differing = [...counts].filter(([, n]) => n !== 0);
  return differing
    .slice(0, 10)
    .map(([row, n]) => `${pair.target}: ${n > 0 ? 'source' : 'copy'} ×${Math.abs(n)} ${row}`);
}

/** A copy that follows a source. */
export interface ShapeCopy extends AsyncDisposable {
  readonly pg: TemporaryPostgres;
  readonly ch: TemporaryClickHouse;
  readonly pipeline: RunningPipeline;
  /** Runs SQL on the source, and compares all tables once it has arrived. */
  change(sql: string): Promise<void>;
  /** Compares all tables as they are. */
  expectEqual(when: string): Promise<void>;
}

/** Makes a source with `sql`, loads it and compares `tables`. */
export async function followShapes(
  sql: string,
  tables: readonly TablePair[],
  options: Partial<PipelineOptions> = {},
): Promise<ShapeCopy> {
  const pg = await temporaryPostgres();
  const ch = await temporaryClickHouse();
  const dispose = async (): Promise<void> => {
    await pipeline?.[Symbol.asyncDispose]();
    for (const side of [ch, pg]) await side[Symbol.asyncDispose]();
  };
  let pipeline: RunningPipeline | undefined;
  try {
    await pg.client.query(sql);
    const running = startPipeline(pg, ch, options);
    pipeline = running;
    await running.caughtUp();
    const expectEqual = async (when: string): Promise<void> => {
      for (const pair of tables) expect(await pairDifferences(pg, ch, pair), when).toEqual([]);
    };
    const change = async (change: string): Promise<void> => {
      await pg.client.query(change);
      await running.caughtUp();
      await expectEqual(change);
    };
    await expectEqual('loaded');
    return { pg, ch, pipeline: running, change, expectEqual, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * A pipeline, a process of its own, dies at a step while statements change tables, and the next one goes on: source and copy are equal.
 *
 * @param death The step, as `stored:2`.
 * @param changes Statements; may be repeated.
 */
export async function expectEqualAfterDeath(
  death: string,
  { tables, changes, pairs }: { tables: string; changes: string; pairs: readonly TablePair[] },
): Promise<void> {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(tables);
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_BATCH_MAX_BYTES: '65536' });
  pipeline.start(death);
  await changeUntilDead(pg, pipeline, changes);
  expect(pipeline.isRunning).toBe(false);
  await pg.client.query(changes);
  await pipeline.caughtUp({ plain: true });
  for (const pair of pairs) expect(await pairDifferences(pg, ch, pair)).toEqual([]);
}
