/** Tables that are loaded again in place, after changes that nothing brings any more. */
import { expect, test } from 'vitest';
import { adDifferences, tableDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryPostgres, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { resyncTables } from './support/resync.ts';

/** Every kind of change, none of which the slot will bring. */
const UNSEEN = `
  UPDATE impressions SET campaign_id = 1 + id % 4, created_at = created_at - interval '3 hours' WHERE id % 5 = 0;
  DELETE FROM impressions WHERE id % 7 = 0;
  UPDATE clicks SET id = id + 50000 WHERE id % 3 = 0;
  UPDATE campaign SET bid = bid + 1, name = name || '!' WHERE id IN (1, 2);
  INSERT INTO campaign (name, bid, budget, advertiser_id) VALUES ('born unseen', 3, 4, 1);
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 200) i`;

/** Changes while it loads. */
const SEEN = `UPDATE impressions SET campaign_id = 1 + id % 3 WHERE id % 11 = 0; DELETE FROM clicks WHERE id % 13 = 0;
  INSERT INTO impressions (campaign_id) SELECT 2 FROM generate_series(1, 30); UPDATE campaign SET bid = bid + 0.5 WHERE id = 3`;

async function dropSlot(pg: TemporaryPostgres): Promise<void> {
  await pgRows(pg.client, 'SELECT pg_drop_replication_slot($1)', [pg.database]);
}

test('GIVEN a lost slot and changes meanwhile WHEN resynced under traffic, killed twice THEN the copy is exact, and readers kept their tables', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `${FIRST_ROWS}; INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 3000) i`,
  );
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CHUNK_ROWS: '1000' });
  await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  await dropSlot(pg);
  await pg.client.query(UNSEEN);
  const done = await resyncTables(pg, ch);
  expect(done).toMatchObject({ hasNewSlot: true, isEmptied: false });
  const [kept] = await ch.client.rows<{ n: string }>(`SELECT count() AS n FROM ${ch.database}.impressions_current`);
  expect(Number(kept?.n)).toBeGreaterThan(3000);
  for (const point of ['chunk-landed:2', 'loaded:2']) {
    pipeline.start(point);
    await pg.client.query(SEEN);
    await pipeline.died();
  }
  await pg.client.query(SEEN);
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await pg.client.query(`${SEEN}; ${UNSEEN.replaceAll('50000', '900000')}`);
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('GIVEN a mirror that differs WHEN its table alone is resynced THEN it is right again, and the others stay live', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  const first = startPipeline(pg, ch);
  await first.caughtUp();
  await first.stop();
  const settings = await presentWriter(ch, pg.database);
  const mirror = `${ch.database}.clicks`;
  await ch.client.command(
    `INSERT INTO ${mirror} SELECT id, 5, created_at, _version + 1, 0 FROM ${mirror} FINAL WHERE id % 3 = 0`,
    { settings },
  );
  await ch.client.command(`INSERT INTO ${mirror} VALUES (-7, 1, '2026-01-01 00:00:00', 1, 0)`, { settings });
  await ch.client.command(`ALTER TABLE ${mirror} DELETE WHERE id % 5 = 0`, { settings: { mutations_sync: 1 } });
  expect(await adDifferences(pg, ch)).not.toEqual([]);
  const done = await resyncTables(pg, ch, ['public.clicks']);
  expect(done).toMatchObject({ tables: ['public.clicks'], hasNewSlot: false, isEmptied: false });
  await pg.client.query(SEEN);
  await using second = startPipeline(pg, ch);
  await second.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('GIVEN values stored out of line that changed unseen WHEN a later update leaves them out THEN the copy has the new ones', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client
    .query(`CREATE TABLE doc (id int PRIMARY KEY, n int, body text); ALTER TABLE doc ALTER body SET STORAGE EXTERNAL;
    INSERT INTO doc SELECT i, 0, repeat('a', 5000) FROM generate_series(1, 20) i`);
  const first = startPipeline(pg, ch);
  await first.caughtUp();
  await first.stop();
  await dropSlot(pg);
  await pg.client.query(`UPDATE doc SET body = repeat('b', 5000); DELETE FROM doc WHERE id > 15`);
  await resyncTables(pg, ch);
  await pg.client.query('UPDATE doc SET n = 1');
  await using second = startPipeline(pg, ch, { chunkRows: 1 });
  await pg.client.query('UPDATE doc SET n = 2 WHERE id < 10');
  await second.caughtUp();
  expect(await tableDifferences(pg, ch, 'doc')).toEqual([]);
});

test('GIVEN a running pipeline WHEN a resync is asked for THEN SLOT_BUSY; GIVEN a lost slot WHEN one table is THEN all are demanded', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)');
  await expect(resyncTables(pg, ch)).rejects.toMatchObject({ code: 'USAGE' });
  const pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await expect(resyncTables(pg, ch)).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  await pipeline.stop();
  await expect(resyncTables(pg, ch, ['public.nowhere'])).rejects.toMatchObject({ code: 'USAGE' });
  await dropSlot(pg);
  await expect(resyncTables(pg, ch, ['public.item'])).rejects.toMatchObject({ code: 'USAGE' });
});
