/** `millrace pause` and its like without their command line. */
import type { RequestAnswer, TableAction } from '../../src/destination/table-requests.ts';
import { CONTROL_PREFIX, encodeControl } from '../../src/model/control.ts';
import { askOfTables } from '../../src/pipeline/ask-tables.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';

/** Asks something of tables, and waits for the answer if a pipeline runs. */
export async function ask(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  action: TableAction,
  tables: readonly string[],
  purge = false,
): Promise<RequestAnswer> {
  const where = { postgres: pg.client, clickhouse: ch.client, names: ch, slot: pg.database };
  const wait = { waitMs: 30_000, signal: new AbortController().signal };
  return await askOfTables({ ...where, ...wait }, { action, tables, purge });
}

/** Lets the running pipeline look at the source's tables anew. */
export async function lookAgain(pg: TemporaryPostgres): Promise<void> {
  const message = encodeControl({ kind: 'reconfigure', id: 'a test' });
  await pg.client.query('SELECT pg_logical_emit_message(true, $1, $2)', [CONTROL_PREFIX, message]);
}
