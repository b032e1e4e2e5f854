import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkpoint, land, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import { presentWriter } from '../../test/support/plant.ts';
import type { TemporaryClickHouse } from '../../test/support/databases.ts';
import { waitFor } from '../../test/support/wait.ts';
import { HOUR_SQL, priceSql } from './rollup-sql.ts';
import { type Bucket, type DirtyBuckets, differences, reconcile, reloadPrices } from './rollups.ts';

const CLEAN: DirtyBuckets = { all: false, impressions: [], clicks: [], repriced: [] };
const ALL: DirtyBuckets = { ...CLEAN, all: true };

let ch: TemporaryClickHouse;
beforeAll(async () => {
  ch = await temporaryAdCopy();
});
afterAll(async () => ch[Symbol.asyncDispose]());

beforeEach(async () => {
  for (const table of ['impressions', 'clicks', 'campaign', 'campaign_history', 'campaign_hourly']) {
    await ch.client.command(`TRUNCATE TABLE ${ch.database}.${table}`);
  }
  await reloadPrices(ch.client, ch);
});

async function bids(id: number, ...changes: readonly (readonly [version: number, bid: string, committedAt: string])[]) {
  const rows = changes.map(([_version, bid, _committed_at]) => ({
    id,
    name: `c${id}`,
    bid,
    budget: '50',
    _version,
    _committed_at,
  }));
  await land(ch, 'campaign', rows);
  await reloadPrices(ch.client, ch);
}

/** `campaign hour impressions clicks cpc cpm`, in order. */
async function buckets(): Promise<string[]> {
  const rows = await ch.client.rows<Record<'c' | 'h' | 'i' | 'k' | 's' | 'm', string | null>>(
    `SELECT toString(campaign_id) AS c, toString(hour) AS h, sum(impressions) AS i, sum(clicks) AS k, toString(sum(spend_cpc)) AS s, toString(sum(spend_cpm)) AS m
     FROM ${ch.database}.campaign_hourly GROUP BY campaign_id, hour HAVING i != 0 OR k != 0 OR sum(spend_cpc) != 0 OR sum(spend_cpm) != 0 ORDER BY campaign_id, hour`,
  );
  return rows.map(({ c, h, i, k, s, m }) => `${c} ${h} ${i} ${k} ${s} ${m}`);
}

const hour = (text: string): number => Date.parse(`${text}:00:00Z`) / 3_600_000;
const wrong = (): Promise<number> => differences(ch.client, ch);

describe('the rollup by signed deltas', () => {
  test('GIVEN times from 1905 to 2150 and NULL WHEN landed THEN each has its own hour, nothing wraps', async () => {
    const times = [
      '1900-01-01 00:00:00.5',
      '1905-03-04 05:59:59.999999',
      '1969-12-31 23:59:59.999999',
      '1970-01-01 00:00:00',
      '2150-03-04 05:00:00',
      '2299-12-31 23:59:59.999999',
      null,
    ];
    await land(
      ch,
      'impressions',
      times.map((created_at, id) => ({ id, campaign_id: 1, created_at })),
    );
    expect(await buckets()).toEqual([
      '1 1900-01-01 00:00:00 1 0 0 0',
      '1 1905-03-04 05:00:00 1 0 0 0',
      '1 1969-12-31 23:00:00 1 0 0 0',
      '1 1970-01-01 00:00:00 1 0 0 0',
      '1 2150-03-04 05:00:00 1 0 0 0',
      '1 2299-12-31 23:00:00 1 0 0 0',
      '1 null 1 0 0 0',
    ]);
    expect(await wrong()).toBe(0);
  });

  test('GIVEN events without campaign or time WHEN parts are merged THEN NULL keys fold as equal', async () => {
    const row = { campaign_id: null, created_at: null };
    await land(ch, 'clicks', [{ id: 1, ...row }]);
    await land(ch, 'clicks', [{ id: 2, ...row }]);
    await ch.client.command(`OPTIMIZE TABLE ${ch.database}.campaign_hourly FINAL`);
    expect(await ch.client.rows(`SELECT count() AS n, sum(clicks) AS k FROM ${ch.database}.campaign_hourly`)).toEqual([
      { n: '1', k: '2' },
    ]);
  });

  test('GIVEN a bid that changes mid-flight WHEN events land THEN each costs the bid of its own time', async () => {
    await bids(1, [0, '1.23', '2026-01-01 00:00:00'], [100, '2', '2026-01-05 10:00:00']);
    const clicks = ['1950-01-01 00:00:00', '2026-01-05 09:59:59.999999', '2026-01-05 10:00:00'];
    await land(
      ch,
      'clicks',
      clicks.map((created_at, id) => ({ id, campaign_id: 1, created_at })),
    );
    await land(ch, 'impressions', [{ id: 1, campaign_id: 1, created_at: '2026-01-05 09:00:00' }]);
    expect(await buckets()).toEqual([
      '1 1950-01-01 00:00:00 0 1 1.23 0',
      '1 2026-01-05 09:00:00 1 1 1.23 0.00123',
      '1 2026-01-05 10:00:00 0 1 2 0',
    ]);
    expect(await wrong()).toBe(0);
  });

  test('GIVEN updates and deletes WHEN landed with signs THEN events move between buckets and leave', async () => {
    await bids(1, [0, '2', '2026-01-01 00:00:00']);
    const old = { id: 1, campaign_id: 1, created_at: '2026-01-05 09:10:00' };
    await land(ch, 'clicks', [old]);
    const moved = { id: 1, campaign_id: 7, created_at: '2026-01-06 01:00:00' };
    await land(ch, 'clicks', [
      { ...old, _raw: 0, _sign: -1, _version: 10 },
      { ...moved, _version: 10 },
    ]);
    expect(await buckets()).toEqual(['7 2026-01-06 01:00:00 0 1 0 0']);
    await land(ch, 'clicks', [{ ...moved, _version: 20, _deleted: 1, _sign: -1 }]);
    expect(await buckets()).toEqual([]);
    expect(await wrong()).toBe(0);
  });
});

describe('prices', () => {
  test('GIVEN commit times that step back or coincide THEN ranges do not overlap and the later version wins', async () => {
    await bids(
      1,
      [0, '1', '2026-01-01 00:00:00'],
      [10, '2', '2026-01-05 10:00:00'],
      [20, '3', '2026-01-05 09:00:00'],
      [30, '4', '2026-01-06 00:00:00'],
    );
    const rows = await ch.client.rows(
      `SELECT toString(valid_from) AS f, toString(valid_to) AS t, toString(bid) AS b FROM ${ch.internal}.campaign_price_ranges ORDER BY valid_from NULLS FIRST`,
    );
    expect(rows).toEqual([
      { f: null, t: '2026-01-05 09:59:59.999999', b: '1' },
      { f: '2026-01-05 10:00:00.000000', t: '2026-01-05 23:59:59.999999', b: '3' },
      { f: '2026-01-06 00:00:00.000000', t: null, b: '4' },
    ]);
  });

  test('GIVEN a campaign copied a second time THEN the first copy’s bid still holds for the time before', async () => {
    await bids(1, [0, '1', '2026-01-01 00:00:00']);
    await bids(1, [0, '9', '2026-02-01 00:00:00']);
    await land(ch, 'clicks', [
      { id: 1, campaign_id: 1, created_at: '2026-01-15 00:00:00' },
      { id: 2, campaign_id: 1, created_at: '2026-02-15 00:00:00' },
    ]);
    expect(await buckets()).toEqual(['1 2026-01-15 00:00:00 0 1 1 0', '1 2026-02-15 00:00:00 0 1 9 0']);
  });

  test('GIVEN a deleted campaign THEN its price goes on, and its versions end with the deletion', async () => {
    await bids(1, [5, '1', '2026-01-01 00:00:00']);
    await land(ch, 'campaign', [
      {
        id: 1,
        name: 'c1',
        bid: '1',
        budget: '50',
        _version: 9,
        _deleted: 1,
        _sign: -1,
        _committed_at: '2026-01-02 00:00:00',
      },
    ]);
    await reloadPrices(ch.client, ch);
    await land(ch, 'clicks', [{ id: 1, campaign_id: 1, created_at: '2026-01-15 00:00:00' }]);
    expect(await buckets()).toEqual(['1 2026-01-15 00:00:00 0 1 1 0']);
    expect(
      await ch.client.rows(
        `SELECT toString(valid_from) AS f, toString(valid_to) AS t, is_current FROM ${ch.database}.campaign_versions`,
      ),
    ).toEqual([{ f: '2026-01-01 00:00:00.000000', t: '2026-01-02 00:00:00.000000', is_current: false }]);
  });

  test('THEN views and reconcile price and bucket with the same expressions', async () => {
    const file = await readFile('sql/clickhouse/R__rollup_views.sql', 'utf8');
    const sql = file.replaceAll('${database}', ch.database);
    expect(sql.split(`${HOUR_SQL} AS hour`).length).toBe(3);
    expect(sql.split(`${priceSql(ch)} AS price`).length).toBe(3);
  });
});

describe('reconcile', () => {
  const damage = (values: string): Promise<number> =>
    ch.client.command(`INSERT INTO ${ch.database}.campaign_hourly VALUES ${values}`, {
      settings: { deduplicate_insert: 'disable' },
    });

  test('GIVEN planted damage WHEN its buckets are reconciled THEN they are right, others stay, twice changes nothing', async () => {
    await bids(1, [0, '2', '2026-01-01 00:00:00']);
    await land(ch, 'impressions', [
      { id: 1, campaign_id: 1, created_at: '2026-01-05 09:10:00' },
      { id: 2, campaign_id: null, created_at: null },
    ]);
    const before = await buckets();
    await damage(
      "(1, '2026-01-05 09:00:00', 7, 0, 0, 1), (NULL, NULL, -3, 0, 0, 0), (2, '2150-01-01 00:00:00', 1, 0, 0, 0)",
    );
    const impressions: Bucket[] = [
      { campaignId: 1, hour: hour('2026-01-05T09') },
      { campaignId: null, hour: null },
    ];
    expect(await reconcile(ch.client, ch, { ...CLEAN, impressions })).toBe(2);
    expect(await wrong()).toBe(1);
    expect(await reconcile(ch.client, ch, { ...CLEAN, impressions })).toBe(0);
    expect(await reconcile(ch.client, ch, { ...CLEAN, clicks: [{ campaignId: 2, hour: hour('2150-01-01T00') }] })).toBe(
      0,
    );
    expect(
      await reconcile(ch.client, ch, { ...CLEAN, impressions: [{ campaignId: 2, hour: hour('2150-01-01T00') }] }),
    ).toBe(1);
    expect(await buckets()).toEqual(before);
  });

  test('GIVEN the same damage twice WHEN reconciled twice THEN the second correction is no duplicate of the first', async () => {
    for (let time = 0; time < 2; time++) {
      await damage("(1, '2026-01-05 09:00:00', 7, 0, 0, 0)");
      expect(await reconcile(ch.client, ch, ALL)).toBe(1);
      expect(await wrong()).toBe(0);
    }
  });

  test('GIVEN mirrors without a rollup WHEN all is reconciled THEN it is built', async () => {
    await bids(1, [0, '2', '2026-01-01 00:00:00']);
    const row = (id: number) => ({
      id,
      campaign_id: 1 + (id % 3),
      created_at: `2026-01-05 ${String(id % 24).padStart(2, '0')}:10:00`,
      _sign: 0,
    });
    await land(
      ch,
      'impressions',
      Array.from({ length: 500 }, (_, id) => row(id)),
    );
    await land(
      ch,
      'clicks',
      Array.from({ length: 50 }, (_, id) => row(id)),
    );
    expect(await buckets()).toEqual([]);
    expect(await reconcile(ch.client, ch, ALL)).toBe(24);
    expect(await wrong()).toBe(0);
    expect(await reconcile(ch.client, ch, ALL)).toBe(0);
  });

  test('GIVEN a bid that reaches back WHEN its campaign is reconciled from then on THEN spend follows, both ways', async () => {
    await bids(1, [0, '2', '2026-01-01 00:00:00']);
    const at = (id: number, time: string) => ({ id, campaign_id: 1, created_at: time });
    const events = [at(1, '2026-01-05 09:10:00'), at(2, '2026-01-05 10:10:00'), at(3, '2026-01-05 11:10:00')];
    await land(ch, 'clicks', [...events, { id: 4, campaign_id: 1, created_at: null }]);
    await land(ch, 'impressions', events);
    await bids(1, [50, '3', '2026-01-05 10:30:00']);
    expect(await wrong()).toBe(1);
    expect(
      await reconcile(ch.client, ch, { ...CLEAN, repriced: [{ campaignId: 1, sinceHour: hour('2026-01-05T10') }] }),
    ).toBe(1);
    expect(await wrong()).toBe(0);
    expect(await buckets()).toContain('1 2026-01-05 11:00:00 1 1 3 0.003');
  });

  test('GIVEN 100,000 buckets WHEN reconciled THEN one statement does it', async () => {
    await damage("(5, '2026-01-05 09:00:00', 7, 0, 0, 0), (NULL, '1905-01-01 00:00:00', 0, 2, 0, 0)");
    const many = Array.from({ length: 100_000 }, (_, i): Bucket => ({
      campaignId: i % 97,
      hour: hour('2026-01-05T09') - Math.floor(i / 97) * 3,
    }));
    const clicks = [{ campaignId: null, hour: hour('1905-01-01T00') }];
    const repriced = Array.from({ length: 20_000 }, (_, i) => ({ campaignId: i - 9_999, sinceHour: -500_000 + i }));
    expect(await reconcile(ch.client, ch, { all: false, impressions: many, clicks, repriced })).toBe(2);
    expect(await wrong()).toBe(0);
  });

  test('GIVEN a reconcile that lost its connection and still runs WHEN reconciled again THEN it is ended first and nothing counts twice', async () => {
    const log_comment = `millrace reconcile ${ch.database}`;
    const lost = ch.client
      .command(
        `INSERT INTO ${ch.database}.campaign_hourly SELECT 9, '2026-01-05 09:00:00', 1 + sleepEachRow(0.2), 0, 0, 0 FROM numbers(250)`,
        {
          settings: {
            log_comment,
            max_block_size: 1,
            min_insert_block_size_rows: 1,
            function_sleep_max_microseconds_per_block: 0,
          },
        },
      )
      .catch((error: unknown) => error);
    const running = () =>
      ch.client.rows<{ n: string }>(
        `SELECT count() AS n FROM system.processes WHERE Settings['log_comment'] = {log_comment:String}`,
        { params: { log_comment } },
      );
    await waitFor(async () => (await running())[0]?.n === '1', { what: 'the lost reconcile to run' });
    await reconcile(ch.client, ch, ALL);
    expect(await running()).toEqual([{ n: '0' }]);
    expect(await lost).toMatchObject({ code: 'CLICKHOUSE_FAILED' });
    expect(await wrong()).toBe(0);
  });

  test('GIVEN nothing dirty THEN nothing is asked', async () => {
    expect(await reconcile(ch.client, ch, CLEAN)).toBe(0);
  });
});

describe('as_of', () => {
  test('GIVEN no checkpoint, then one THEN there is always one row', async () => {
    await using fresh = await temporaryAdCopy();
    const asOf = () =>
      fresh.client.rows(`SELECT lsn, toString(commit_time) AS t, loading FROM ${fresh.database}.as_of`);
    expect(await asOf()).toEqual([{ lsn: null, t: null, loading: true }]);
    await checkpoint(fresh, 0x16_0b_37_4d_84n, '2026-01-05 10:00:00');
    await fresh.client.command(
      `INSERT INTO ${fresh.internal}.tables (pipeline, table, seq, phase) VALUES ('test', 'public.clicks', 1, 'loading')`,
      { settings: await presentWriter(fresh, 'test') },
    );
    expect(await asOf()).toEqual([{ lsn: '16/B374D84', t: '2026-01-05 10:00:00.000000', loading: true }]);
    await fresh.client.command(
      `INSERT INTO ${fresh.internal}.tables (pipeline, table, seq, phase) VALUES ('test', 'public.clicks', 2, 'live')`,
      { settings: await presentWriter(fresh, 'test') },
    );
    expect(await asOf()).toMatchObject([{ loading: false }]);
  });
});
