/** `millrace resync` without its command line. */
import { openCopy } from '../../src/pipeline/prepare.ts';
import { resync, type Resync } from '../../src/pipeline/resync.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';
import { pipelineOptions } from './pipeline.ts';

/** Prepares a resync of the tables (none: all). */
export async function resyncTables(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  tables: readonly string[] = [],
): Promise<Resync> {
  const options = { ...pipelineOptions(pg, ch), signal: new AbortController().signal };
  const copy = openCopy(options);
  await using _ = copy.clickhouse;
  return await resync(copy, options, tables);
}
