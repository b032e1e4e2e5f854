/** What the copy says about itself: states of tables and chunks, parts, losses. */
import { CheckpointStore, type Checkpoint } from '../../src/destination/checkpoint.ts';
import { type ChunkState, type TableState, TableStateStore } from '../../src/destination/table-state.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';

/** State of each table, by `schema.table`. */
export async function tableStates(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<Map<string, TableState>> {
  return await new TableStateStore(ch.client, ch, pg.database).readTables();
}

/** State of one table. */
export async function tableState(pg: TemporaryPostgres, ch: TemporaryClickHouse, table: string): Promise<TableState> {
  const state = (await tableStates(pg, ch)).get(table);
  if (state === undefined) throw new Error(`no state of ${table}`);
  return state;
}

/** Chunks of a table's present load. */
export async function chunksOf(pg: TemporaryPostgres, ch: TemporaryClickHouse, table: string): Promise<ChunkState[]> {
  const { generation } = await tableState(pg, ch, table);
  return await new TableStateStore(ch.client, ch, pg.database).readChunks(table, generation);
}

/** The stored checkpoint. */
export async function checkpointOf(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<Checkpoint> {
  const found = await new CheckpointStore(ch.client, ch, pg.database).read();
  if (found === null) throw new Error('no checkpoint');
  return found;
}

/** Rows of a mirror as they are stored, tombstones and old versions included. */
export async function storedRows(ch: TemporaryClickHouse, table: string): Promise<number> {
  const [row] = await ch.client.rows<{ n: string }>(`SELECT count() AS n FROM ${ch.database}.${table}`);
  return Number(row?.n);
}
