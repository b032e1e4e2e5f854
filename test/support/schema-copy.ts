/** The copy of a schema of the tests, made by a pipeline in a process: what is copied of it, and whether it is equal. */
import { codecFor } from '../../src/codec/codecs.ts';
import { TableStateStore } from '../../src/destination/table-state.ts';
import { AppError } from '../../src/model/errors.ts';
import { type SourceTable, tableLabel } from '../../src/model/table.ts';
import { readCatalog } from '../../src/source/catalog.ts';
import type { RealSchema } from '../schemas/real-schema.ts';
import { copyDifferences } from './compare-any.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';
import type { PipelineProcess } from './process.ts';

/** Tables of a schema that can be copied, and why the others cannot. */
export async function copyableTables(
  pg: TemporaryPostgres,
  schema: RealSchema,
): Promise<{ copyable: string[]; others: string[] }> {
  const include = schema.schemas.map((name) => `${name}.*`);
  const { tables, unsuitable } = await readCatalog(pg.client, { include, exclude: [] });
  const others = unsuitable.map((table) => `${tableLabel(table)} ${table.reason}`);
  const copyable: string[] = [];
  for (const table of tables) {
    const fault = faultOf(table);
    if (fault === null) copyable.push(tableLabel(table));
    else others.push(`${tableLabel(table)}: ${fault}`);
  }
  return { copyable, others };
}

function faultOf(table: SourceTable): string | null {
  try {
    for (const column of table.columns) codecFor(column);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
}

/** Lets the copy catch up and compares it; also tells tables that are not followed. Nothing may change meanwhile. */
export async function differencesOf(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  pipeline: PipelineProcess,
): Promise<{ differences: string[]; tables: string[] }> {
  await pipeline.caughtUp({ plain: true });
  const states = await new TableStateStore(ch.client, ch, pg.database).readTables();
  const followed = [...states.values()].filter(({ phase }) => phase !== 'dropped' && phase !== 'excluded');
  const tables = followed.map(({ table, target }) => {
    const dot = table.indexOf('.');
    return { schema: table.slice(0, dot), name: table.slice(dot + 1), target };
  });
  const stopped = followed.filter(({ phase }) => phase !== 'live');
  const reasons = stopped.map(({ table, phase, reason }) => `${table} is ${phase}: ${reason}`);
  return {
    differences: [...reasons, ...(await copyDifferences(pg.client, ch, tables))],
    tables: followed.map(({ table }) => table),
  };
}
