/**
 * Cases that incremental copies get wrong, each through a running pipeline: mirrors, rollups and key figures against the source.
 * By their numbers, the others are elsewhere:
 *
 *   9 idle campaigns and advertisers, 10 clicks without impressions, 11 more clicks than impressions,
 *   12 Σ daily = Σ hourly = total, 13 budgets counted once, 24 every SQL file runs        src/kpi/query.ch.test.ts
 *   14 money to the last digit, 17 time zones and clocks that change, 19 flights of all kinds  src/kpi/oracle.ch.test.ts
 *   15 each event at the bid in force at its time                                          test/history.e2e.test.ts
 *   5, 6, 7, 15, 16, 18 in any order, with kills                                           test/kpi-histories.e2e.test.ts
 *   21 a rebuild is atomic for readers                                                     test/rebuild.e2e.test.ts
 *   23 rows that cannot be copied are told and counted                    test/quarantine.e2e.test.ts, src/codec/misfits.test.ts
 *   25 a new column of the source                                                          test/ad-columns.e2e.test.ts
 *   26 what the slot keeps is bounded                                                      test/wal-budget.e2e.test.ts
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { runTraffic } from '../src/generator/traffic.ts';
import type { KpiName } from '../src/kpi/definitions.ts';
import { queryKpi } from '../src/kpi/query.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { applied, type RunningPipeline, startPipeline } from './support/pipeline.ts';
import { openProxy, STORED_STATE } from '../src/chaos/proxy.ts';
import { tableState } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

const DIMENSIONS = `INSERT INTO advertiser (name) VALUES ('A'), ('B');
  INSERT INTO campaign (name, bid, budget, start_date, end_date, advertiser_id) SELECT 'C' || i, i, 100, '2026-03-01', '2026-03-31', 1 + i % 2 FROM generate_series(1, 4) i`;
const EVENTS = `INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i % 3, '2026-03-10'::timestamp - make_interval(mins => i) FROM generate_series(1, 3000) i;
  INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + interval '90 s' FROM impressions WHERE id % 10 = 0`;

/** A copy of a small ad source that follows it. */
interface Following extends AsyncDisposable {
  readonly pg: TemporaryPostgres;
  readonly ch: TemporaryClickHouse;
  readonly pipeline: RunningPipeline;
  /** Runs SQL on the source and compares everything once it has arrived. */
  change(sql: string): Promise<void>;
  kpi(name: KpiName): Promise<readonly Record<string, unknown>[]>;
}

async function follow(): Promise<Following> {
  const pg = await temporaryAdSource();
  const ch = await temporaryClickHouse();
  await pg.client.query(`${DIMENSIONS}; ${EVENTS}`);
  const pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  return {
    pg,
    ch,
    pipeline,
    change: async (sql) => {
      await pg.client.query(sql);
      await pipeline.caughtUp();
      expect(await adDifferences(pg, ch), sql).toEqual([]);
    },
    kpi: async (name) => (await queryKpi(ch.client, ch, name, { pricingModel: 'cpc' })).rows,
    [Symbol.asyncDispose]: async () => {
      for (const resource of [pipeline, ch, pg]) await resource[Symbol.asyncDispose]();
    },
  };
}

/** One copy for the cases that need nothing of their own; they leave a source behind that the next can go on with. */
let copy: Following;

beforeAll(async () => {
  copy = await follow();
});

afterAll(async () => {
  await copy[Symbol.asyncDispose]();
});

const impressionsIn = async (): Promise<number> =>
  (await copy.kpi('ctr')).reduce((sum, row) => sum + Number(row['impressions']), 0);

test('case 1: a second batch that is backdated arrives whole', async () => {
  await copy.change(EVENTS.replace('2026-03-10', '2026-03-08'));
  expect(await impressionsIn()).toBe(6000);
});

test('case 2: of two open transactions the later id commits first, and a sync lies between', async () => {
  const [one, two] = [await connectPostgres(copy.pg.url), await connectPostgres(copy.pg.url)];
  await one.query(
    'BEGIN; INSERT INTO impressions (campaign_id) VALUES (1); INSERT INTO clicks (campaign_id) VALUES (1)',
  );
  await two.query(
    'BEGIN; INSERT INTO impressions (campaign_id) VALUES (2); INSERT INTO clicks (campaign_id) VALUES (2)',
  );
  await two.query('COMMIT');
  await copy.change('SELECT 1');
  await one.query('COMMIT');
  await copy.change('SELECT 1');
  await Promise.all([one.end(), two.end()]);
});

test('cases 3, 4: an update without updated_at, a rename and a move are visible; one row per id, and history stays', async () => {
  const impressions = await impressionsIn();
  await copy.change(
    `UPDATE campaign SET bid = 7.77 WHERE id = 1; UPDATE advertiser SET name = 'A renamed' WHERE id = 1; UPDATE campaign SET advertiser_id = 1 WHERE id = 1`,
  );
  const names = await copy.ch.client.rows(
    `SELECT name FROM ${copy.ch.database}.advertiser_versions WHERE id = 1 ORDER BY version`,
  );
  expect(names).toEqual([{ name: 'A' }, { name: 'A renamed' }]);
  const advertisers = await copy.kpi('advertisers');
  expect(advertisers.filter((row) => row['advertiser_id'] === 1)).toHaveLength(1);
  expect(await impressionsIn()).toBe(impressions);
});

test('cases 5, 6: deletes, moves between campaigns and hours, reset and TRUNCATE reach tables, rollups and key figures', async () => {
  await copy.change('DELETE FROM clicks WHERE id = 1; DELETE FROM impressions WHERE id % 2 = 0');
  await copy.change(
    `UPDATE impressions SET campaign_id = 4, created_at = created_at + interval '5 h' WHERE id % 3 = 0; UPDATE clicks SET campaign_id = NULL WHERE id % 5 = 0`,
  );
  await copy.change(
    'DELETE FROM impressions WHERE campaign_id = 4; DELETE FROM clicks WHERE campaign_id = 4; DELETE FROM campaign WHERE id = 4',
  );
  await copy.change('TRUNCATE clicks');
  const clicks = (await copy.kpi('ctr')).reduce((sum, row) => sum + Number(row['clicks']), 0);
  expect(clicks).toBe(0);
  await copy.change('DELETE FROM clicks; DELETE FROM impressions; DELETE FROM campaign; DELETE FROM advertiser');
  const left = (await copy.kpi('daily')).reduce(
    (sum, row) => sum + Number(row['impressions']) + Number(row['clicks']),
    0,
  );
  expect(left).toBe(0);
  await copy.change('TRUNCATE advertiser, campaign, impressions, clicks RESTART IDENTITY');
  await copy.change(`${DIMENSIONS}; ${EVENTS}`);
});

test('case 7: a batch that landed and was not confirmed is delivered again, without effect', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(`${DIMENSIONS}; ${EVENTS}`);
  const first = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
  await first.caughtUp();
  const hold = proxy.hold(STORED_STATE);
  await pg.client.query(
    `INSERT INTO clicks (campaign_id, created_at) SELECT 1, '2026-03-10' FROM generate_series(1, 500); UPDATE impressions SET campaign_id = 4 WHERE id % 4 = 0`,
  );
  await hold.reached();
  await first[Symbol.asyncDispose]();
  hold.release();
  await using second = startPipeline(pg, ch);
  await second.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('case 8: rows that writers change during the copy are neither missing nor twice', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${DIMENSIONS}; ${EVENTS}; ANALYZE`);
  const stop = new AbortController();
  let transactions = 0;
  const onTick = (): void => void transactions++;
  const traffic = runTraffic({ url: pg.url, ratePerSecond: 1000, seed: 8, signal: stop.signal, onTick });
  await waitFor(() => transactions > 10, { what: 'traffic' });
  await using pipeline = startPipeline(pg, ch, { chunkRows: 500, loadConnections: 2 });
  await applied(pipeline, pg);
  await waitFor(() => pipeline.progress()?.phase === 'streaming', { what: 'the end of the load' });
  const atEnd = transactions;
  await waitFor(() => transactions > atEnd + 30, { what: 'more traffic' });
  stop.abort();
  await traffic;
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('cases 16, 17, 18: NULLs, microseconds, far and future times, and events outside of their flight are kept as they are', async () => {
  await copy.change(`INSERT INTO campaign (name, bid, budget) VALUES ('open', 1, 1);
    INSERT INTO clicks (campaign_id, created_at) VALUES (NULL, NULL), (NULL, '2026-03-29 02:30:00.000001'), (1, NULL), (1, now() + interval '2 min'),
      (2, '2026-10-25 02:59:59.999999'), (2, '1901-01-01'), (2, '2299-12-31 23:59:59.999999'), (3, '2026-02-28 23:59:59.999999'), (3, '2026-04-01')`);
  await copy.change(
    'UPDATE clicks SET campaign_id = 1 WHERE campaign_id IS NULL; UPDATE clicks SET created_at = NULL WHERE campaign_id = 2',
  );
});

test('case 21: a load that starts over does not count anything twice', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(`${DIMENSIONS}; ${EVENTS}; ANALYZE`);
  const hold = proxy.hold(`INTO+%60${ch.database}%60.%60impressions%60`);
  await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url, chunkRows: 500, loadConnections: 1 });
  await hold.reached();
  await pg.client.query('VACUUM FULL impressions');
  await pg.client.query(EVENTS.replaceAll('2026-03-10', '2026-03-20'));
  hold.release();
  await pipeline.caughtUp();
  expect((await tableState(pg, ch, 'public.impressions')).generation).toBe(2);
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('case 22: a year of late events is one part per insert, and many small transactions are few inserts', async () => {
  const parts = async (): Promise<number> => {
    const [row] = await copy.ch.client.rows<{ n: string }>(
      `SELECT count() AS n FROM system.parts WHERE active AND database = {name:String} AND table IN ('impressions', 'campaign_hourly')`,
      { params: { name: copy.ch.database } },
    );
    return Number(row?.n);
  };
  const before = await parts();
  await copy.change(
    `INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i % 4, '2025-01-01'::timestamp + make_interval(hours => i) FROM generate_series(1, 8760) i`,
  );
  expect(await parts()).toBeLessThanOrEqual(before + 8);
  const [{ done } = { done: '' }] = await pgRows(copy.pg.client, `SELECT count(*) AS done FROM impressions`);
  expect(Number(done)).toBeGreaterThan(8760);
  for (let i = 0; i < 100; i++) await copy.pg.client.query(`INSERT INTO impressions (campaign_id) VALUES (1)`);
  await copy.change('SELECT 1');
  expect(await parts()).toBeLessThan(100);
});
