/** The ad tables are written out in sql/clickhouse for people to read; what ddl.ts makes for any table is the same. */
import { expect, test } from 'vitest';
import { createTableStatements } from '../src/destination/ddl.ts';
import { migrateClickHouse } from '../src/destination/schema.ts';
import { layoutsOf } from '../src/pipeline/prepare.ts';
import { readTables } from '../src/source/catalog.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { type TemporaryClickHouse, temporaryClickHouse } from './support/databases.ts';

const EVENTS = ['impressions', 'clicks'];

async function shapes(ch: TemporaryClickHouse): Promise<unknown[]> {
  const tables = await ch.client.rows(
    `SELECT replaceAll(database, {database:String}, 'ads') AS db, name, engine, sorting_key, partition_key FROM system.tables
     WHERE database IN ({database:String}, {internal:String}) AND match(name, '^(impressions|clicks)(_in|_mv|_current)?$') ORDER BY db, name`,
    { params: { database: ch.database, internal: ch.internal } },
  );
  const columns = await ch.client.rows(
    `SELECT replaceAll(database, {database:String}, 'ads') AS db, table, name, type, compression_codec, position FROM system.columns
     WHERE database IN ({database:String}, {internal:String}) AND match(table, '^(impressions|clicks)(_in|_mv|_current)?$')
     ORDER BY db, table, position`,
    { params: { database: ch.database, internal: ch.internal } },
  );
  return [...tables, ...columns];
}

test('GIVEN the ad tables WHEN ddl.ts makes them THEN they have the shapes of the SQL files', async () => {
  await using pg = await temporaryAdSource();
  await using written = await temporaryClickHouse();
  await using made = await temporaryClickHouse();
  await migrateClickHouse(written.client, written, { adSchema: true, url: written.url });
  await migrateClickHouse(made.client, made, { adSchema: false, url: made.url });
  const { layouts } = layoutsOf(await readTables(pg.client));
  for (const { table, codecs } of layouts.filter(({ table }) => EVENTS.includes(table.name))) {
    for (const statement of createTableStatements(made, table, codecs)) await made.client.command(statement);
  }
  const expected = await shapes(written);
  expect(expected.length).toBeGreaterThan(30);
  expect(await shapes(made)).toEqual(expected);
});
