/** Tables of the ad schema with more columns than the key figures need: copied with them, whenever they come and go. */
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { failPointsOn } from './support/crash.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { resyncTables } from './support/resync.ts';
import { copiedColumns } from './support/shape-copy.ts';
import { tableState } from './support/tables.ts';

const ROWS = `ALTER TABLE campaign ADD color text; ALTER TABLE impressions ADD device text NOT NULL DEFAULT 'phone';
  INSERT INTO advertiser (name) VALUES ('A'), ('B');
  INSERT INTO campaign (name, bid, budget, advertiser_id, color) SELECT 'c' || i, i, 10 * i, 1 + i % 2, CASE WHEN i % 2 = 0 THEN 'red' END FROM generate_series(1, 6) i;
  INSERT INTO impressions (campaign_id, device) SELECT 1 + i % 6, 'd' || i FROM generate_series(1, 300) i; INSERT INTO clicks (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 50) i`;

/** Changes of every kind, with what is said of the columns that have come. */
const changes = (
  more = '',
): string => `BEGIN; UPDATE campaign SET bid = bid + 1, name = name || '+' ${more} WHERE id % 2 = 0;
  UPDATE impressions SET campaign_id = 1 + id % 4 WHERE id % 5 = 0; DELETE FROM impressions WHERE id % 17 = 0;
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 30) i; INSERT INTO clicks (campaign_id) VALUES (1), (2); UPDATE advertiser SET name = name || '.'; COMMIT`;

async function differences(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<string[]> {
  for (const table of ['campaign', 'impressions']) {
    const { rows } = await pg.client.query<{ name: string }>(
      'SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum',
      [table],
    );
    const wanted = rows.map(({ name }) => name).join();
    const found = (await copiedColumns(ch, table)).join();
    if (found !== wanted) return [`${table} has columns ${found} instead of ${wanted}`];
  }
  return await adDifferences(pg, ch);
}

const STEPS: readonly [what: string, ddl: string, more: string][] = [
  ['added', "ALTER TABLE campaign ADD size int NOT NULL DEFAULT 5, ADD note text; ALTER TABLE clicks ADD place text DEFAULT 'top'", ", size = 6, note = 'n'"],
  ['exchanged', 'ALTER TABLE campaign RENAME color TO x; ALTER TABLE campaign RENAME note TO color; ALTER TABLE campaign RENAME x TO note', ", note = 'm', color = 'c'"],
  ['dropped', 'ALTER TABLE campaign DROP color; ALTER TABLE impressions DROP device', ", note = 'o'"],
  ['replaced', 'ALTER TABLE campaign DROP note; ALTER TABLE campaign ADD note int NOT NULL DEFAULT 4', ', note = 7'],
  ['made nullable', 'ALTER TABLE campaign ALTER note DROP NOT NULL', ', note = 8'],
  ['made mandatory', 'ALTER TABLE campaign ALTER note SET NOT NULL', ', note = 8'],
]; // prettier-ignore

test('GIVEN ad tables with more columns WHEN columns come, go and exchange names THEN rows, history and key figures are exact, and no row is read again', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using pipeline = startPipeline(pg, ch, { catalogPollMs: 200 });
  await pipeline.caughtUp();
  expect(await differences(pg, ch)).toEqual([]);
  await pg.client.query(changes(", color = 'blue'"));
  await pipeline.caughtUp();
  expect(await differences(pg, ch)).toEqual([]);
  const { generation } = await tableState(pg, ch, 'public.campaign');
  const equal = async (): Promise<string[]> => {
    await pipeline.caughtUp();
    return await differences(pg, ch);
  };
  for (const [what, ddl, more] of STEPS) {
    await pg.client.query(changes());
    await pg.client.query(ddl);
    await pg.client.query(changes(more));
    await expect.poll(equal, { timeout: 30_000, interval: 200, message: what }).toEqual([]);
  }
  expect((await tableState(pg, ch, 'public.campaign')).generation).toBe(generation);
  const [last] = await ch.client.rows(
    `SELECT argMax(size, _version) AS size, argMax(note, _version) AS note FROM ${ch.database}.campaign_history WHERE id = 2`,
  );
  expect(last).toEqual({ size: 6, note: 8 });
  // What PostgreSQL writes anew is read again, in place.
  await pg.client.query('ALTER TABLE campaign ADD luck int DEFAULT (random() * 1000)::int, ALTER size TYPE text');
  await pg.client.query(changes());
  await expect.poll(equal, { timeout: 30_000, interval: 200 }).toEqual([]);
  expect((await tableState(pg, ch, 'public.campaign')).generation).toBeGreaterThan(generation);
  await pg.client.query(
    `TRUNCATE campaign CASCADE; INSERT INTO campaign (id, name, bid, budget, note) VALUES (1, 'again', 1, 1, 1)`,
  );
  await expect.poll(equal, { timeout: 30_000, interval: 200 }).toEqual([]);
});

test('GIVEN an ad table WHEN a column goes that key figures need THEN it is quarantined with the remedy, which helps; the others go on', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  const first = startPipeline(pg, ch, { catalogPollMs: 200 });
  await first.caughtUp();
  await pg.client.query('ALTER TABLE campaign RENAME budget TO limits; INSERT INTO clicks (campaign_id) VALUES (1)');
  await expect.poll(async () => (await tableState(pg, ch, 'public.campaign')).phase, { timeout: 20_000 }).toBe('quarantined'); // prettier-ignore
  expect((await tableState(pg, ch, 'public.campaign')).reason).toMatch(
    /need “budget numeric\(10,2\)”: give the table that column again, then `millrace resync public\.campaign`/,
  );
  await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1)');
  await first.caughtUp();
  const [clicks] = await ch.client.rows(`SELECT toString(sum(clicks)) AS n FROM ${ch.database}.campaign_hourly`);
  expect(clicks).toEqual({ n: '52' });
  await first.stop();
  await pg.client.query('ALTER TABLE campaign RENAME limits TO budget');
  await resyncTables(pg, ch, ['public.campaign']);
  await using second = startPipeline(pg, ch);
  await pg.client.query(changes());
  await second.caughtUp();
  expect(await differences(pg, ch)).toEqual([]);
});

test('GIVEN ad tables WHEN the process dies at each step of an alteration THEN rows, history and key figures are exact', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using pipeline = new PipelineProcess(pg, ch, {});
  await pipeline.caughtUp();
  for (const [i, point] of failPointsOn('alter-ads').entries()) {
    await pipeline.end('SIGTERM');
    await pg.client.query(
      `ALTER TABLE campaign ADD e${i} ${i === 0 ? 'int' : 'text'} NOT NULL DEFAULT '${i}'; ALTER TABLE campaign DROP ${i === 0 ? 'color' : 'e0'}`,
    );
    pipeline.start(point);
    await pipeline.died();
    expect(pipeline.ending, `${point} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
    await pg.client.query(changes(`, e${i} = '70'`));
    await pipeline.caughtUp();
    expect(await differences(pg, ch), point).toEqual([]);
  }
});

test('GIVEN events with more columns and a history of them WHEN they are truncated THEN every version has ended', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `ALTER TABLE clicks ADD note text DEFAULT 'n'; INSERT INTO campaign (id, name, bid, budget) VALUES (1, 'c', 1, 1);
     INSERT INTO clicks (campaign_id) SELECT 1 FROM generate_series(1, 20)`,
  );
  await using pipeline = startPipeline(pg, ch, { eventHistory: 'on' });
  await pipeline.caughtUp();
  await pg.client.query(`TRUNCATE clicks; INSERT INTO clicks (campaign_id, note) VALUES (1, 'again')`);
  await pipeline.caughtUp();
  const ends = await ch.client.rows<{ deleted: number; n: string }>(
    `SELECT _deleted AS deleted, count() AS n FROM ${ch.database}.clicks_history FINAL GROUP BY deleted ORDER BY deleted`,
  );
  expect(ends.map(({ deleted, n }) => [deleted, Number(n)])).toEqual([
    [0, 21],
    [1, 20],
  ]);
});
