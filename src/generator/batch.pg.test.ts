import { expect, test } from 'vitest';
import { readAll, temporaryAdSource } from '../../test/support/ad-source.ts';
import { addBatch, type BatchOptions } from './batch.ts';
import { readStatistics } from './statistics.ts';

const NOW = new Date('2026-03-04T10:30:15.123Z');
const BATCH: BatchOptions = {
  advertisers: 2,
  campaigns: 3,
  impressions: 100,
  ctr: 0.1,
  days: 7,
  skew: false,
  seed: 42,
  now: NOW,
};

test('GIVEN empty tables WHEN a batch is added THEN it has the asked rows, names, flights and times', async () => {
  await using source = await temporaryAdSource();
  const result = await addBatch(source.client, BATCH);
  expect(result).toEqual({ advertisers: 2, campaigns: 6, impressions: 600, clicks: 60 });
  const rows = await readAll(source.client);
  expect(rows.advertiser.map((row) => row['name'])).toEqual(['Advertiser A', 'Advertiser B']);
  expect(rows.campaign.map((row) => row['name'])).toEqual([
    'Campaign_1_1',
    'Campaign_1_2',
    'Campaign_1_3',
    'Campaign_2_1',
    'Campaign_2_2',
    'Campaign_2_3',
  ]);
  expect(new Set(rows.campaign.map((row) => row['start_date']))).toEqual(new Set(['2026-03-04']));
  const times = rows.impressions.map((row) => String(row['created_at']));
  expect(times.every((time) => time >= '2026-02-25 10:30:15.123' && time < '2026-03-04 10:30:15.123')).toBe(true);
});

test('GIVEN a batch WHEN its statistics are read THEN every campaign has its impressions and 10 % clicks', async () => {
  await using source = await temporaryAdSource();
  await addBatch(source.client, BATCH);
  const { perCampaign, ...totals } = await readStatistics(source.client);
  expect(totals).toEqual({ advertisers: 2, campaigns: 6, impressions: 600, clicks: 60, ctr: 0.1 });
  expect(perCampaign.map(({ impressions, clicks, ctr }) => ({ impressions, clicks, ctr }))).toEqual(
    Array.from({ length: 6 }, () => ({ impressions: 100, clicks: 10, ctr: 0.1 })),
  );
});

test('GIVEN the same seed and time WHEN added to two empty sources THEN all rows are the same', async () => {
  await using first = await temporaryAdSource();
  await using second = await temporaryAdSource();
  for (const { client } of [first, second]) {
    await addBatch(client, BATCH);
    await addBatch(client, { ...BATCH, skew: true });
  }
  expect(await readAll(first.client)).toEqual(await readAll(second.client));
});

test('GIVEN a second batch WHEN added THEN names go on and the seed alone decides the values', async () => {
  await using source = await temporaryAdSource();
  await addBatch(source.client, BATCH);
  await addBatch(source.client, { ...BATCH, seed: 43 });
  const { advertiser, campaign } = await readAll(source.client);
  expect(advertiser.map((row) => row['name'])).toEqual(['A', 'B', 'C', 'D'].map((letter) => `Advertiser ${letter}`));
  expect(campaign.slice(0, 6).map((row) => row['bid'])).not.toEqual(campaign.slice(6).map((row) => row['bid']));
});

test('GIVEN skew WHEN a batch is added THEN the total is kept and the first campaign has far more than the last', async () => {
  await using source = await temporaryAdSource();
  const result = await addBatch(source.client, { ...BATCH, impressions: 1000, skew: true });
  expect(result.impressions).toBe(6000);
  const { perCampaign } = await readStatistics(source.client);
  const shares = perCampaign.map((campaign) => campaign.impressions).toSorted((a, b) => b - a);
  expect(shares[0]).toBeGreaterThan(5 * (shares[5] as number));
});

test('GIVEN more rows than one COPY statement takes WHEN a batch is added THEN all arrive and progress reaches the total', async () => {
  await using source = await temporaryAdSource();
  const seen: number[] = [];
  const result = await addBatch(source.client, {
    ...BATCH,
    advertisers: 1,
    campaigns: 1,
    impressions: 251_000,
    ctr: 0.01,
    onProgress: ({ done, total }) => {
      expect(total).toBe(253_510);
      seen.push(done);
    },
  });
  expect(result).toMatchObject({ impressions: 251_000, clicks: 2510 });
  expect(seen.at(-1)).toBe(253_510);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  const { impressions, clicks } = await readStatistics(source.client);
  expect({ impressions, clicks }).toEqual({ impressions: 251_000, clicks: 2510 });
});

test.each<[string, Partial<BatchOptions>]>([
  ['a ratio over 1', { ctr: 1.5 }],
  ['a negative ratio', { ctr: -0.1 }],
  ['no number', { ctr: Number.NaN }],
  ['a negative count', { impressions: -1 }],
  ['half an advertiser', { advertisers: 0.5 }],
  ['no day', { days: 0 }],
  ['more rows than ids', { impressions: 2_000_000_000 }],
  ['a negative seed', { seed: -1 }],
  ['no date', { now: new Date(Number.NaN) }],
])('GIVEN %s WHEN a batch is asked for THEN it is refused and nothing is written', async (_, wrong) => {
  await using source = await temporaryAdSource();
  await expect(addBatch(source.client, { ...BATCH, ...wrong })).rejects.toMatchObject({ code: 'USAGE' });
  expect(await readStatistics(source.client)).toMatchObject({ advertisers: 0, campaigns: 0, impressions: 0 });
});

test('GIVEN an abort in the middle WHEN a batch is being written THEN nothing of it stays and the session is usable', async () => {
  await using source = await temporaryAdSource();
  const controller = new AbortController();
  const work = addBatch(source.client, {
    ...BATCH,
    impressions: 50_000,
    signal: controller.signal,
    onProgress: ({ done }) => done > 20_000 && controller.abort(),
  });
  await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  expect(await readStatistics(source.client)).toMatchObject({
    advertisers: 0,
    campaigns: 0,
    impressions: 0,
    clicks: 0,
  });
});

test('GIVEN a source that refuses clicks WHEN a batch is added THEN its impressions are not there either', async () => {
  await using source = await temporaryAdSource();
  await source.client.query("ALTER TABLE clicks ADD CHECK (created_at < '2000-01-01')");
  await expect(addBatch(source.client, BATCH)).rejects.toMatchObject({
    code: 'POSTGRES_FAILED',
    details: { sqlState: '23514' },
  });
  expect(await readStatistics(source.client)).toMatchObject({ advertisers: 0, campaigns: 0, impressions: 0 });
});
