import { expect, test } from 'vitest';
import { readAll, temporaryAdSource } from '../../test/support/ad-source.ts';
import { pgRows } from '../source/connection.ts';
import { addClicks, addImpressions } from './add-events.ts';
import { addAdvertisers, addCampaigns } from './insert-campaigns.ts';
import { resetSource } from './reset.ts';
import { readStatistics } from './statistics.ts';

const AT = { seed: 11, now: new Date('2026-03-04T00:00:00Z') };

test('GIVEN advertisers and campaigns WHEN more are added THEN names and numbers go on', async () => {
  await using source = await temporaryAdSource();
  expect(await addAdvertisers(source.client, { ...AT, count: 1 })).toEqual([1]);
  expect(await addAdvertisers(source.client, { ...AT, count: 2 })).toEqual([2, 3]);
  expect(await addCampaigns(source.client, { ...AT, advertiserId: 2, count: 2 })).toEqual([1, 2]);
  expect(await addCampaigns(source.client, { ...AT, advertiserId: 2, count: 1 })).toEqual([3]);
  const { advertiser, campaign } = await readAll(source.client);
  expect(advertiser.map((row) => row['name'])).toEqual(['Advertiser A', 'Advertiser B', 'Advertiser C']);
  expect(campaign.map((row) => row['name'])).toEqual(['Campaign_2_1', 'Campaign_2_2', 'Campaign_2_3']);
  expect(await addAdvertisers(source.client, { ...AT, count: 0 })).toEqual([]);
});

test('GIVEN a campaign WHEN impressions are added THEN they are its own, in the days asked for', async () => {
  await using source = await temporaryAdSource();
  await addAdvertisers(source.client, { ...AT, count: 1 });
  await addCampaigns(source.client, { ...AT, advertiserId: 1, count: 2 });
  expect(await addImpressions(source.client, { ...AT, campaignId: 2, count: 50, days: 1 })).toBe(50);
  const { impressions } = await readAll(source.client);
  expect(new Set(impressions.map((row) => row['campaign_id']))).toEqual(new Set(['2']));
  expect(impressions.every((row) => String(row['created_at']).startsWith('2026-03-03'))).toBe(true);
});

test('GIVEN impressions WHEN clicks are added THEN each is 1–120 s after one of them, and the seed decides which', async () => {
  await using first = await temporaryAdSource();
  await using second = await temporaryAdSource();
  for (const { client } of [first, second]) {
    await addAdvertisers(client, { ...AT, count: 1 });
    await addCampaigns(client, { ...AT, advertiserId: 1, count: 1 });
    await addImpressions(client, { ...AT, campaignId: 1, count: 1000, days: 365 });
    expect(await addClicks(client, { campaignId: 1, ratio: 0.12, seed: 5 })).toEqual({
      impressions: 1000,
      clicks: 120,
    });
  }
  const unmatched = await pgRows(
    first.client,
    `SELECT k.id FROM clicks AS k WHERE NOT EXISTS (
       SELECT FROM impressions AS i WHERE i.campaign_id = k.campaign_id
         AND k.created_at - i.created_at BETWEEN interval '1 second' AND interval '120 seconds')`,
  );
  expect(unmatched).toEqual([]);
  expect((await readAll(first.client)).clicks).toEqual((await readAll(second.client)).clicks);
  await addClicks(second.client, { campaignId: 1, ratio: 0.12, seed: 6 });
  const { clicks } = await readAll(second.client);
  const times = clicks.map((row) => row['created_at']);
  expect(times.slice(0, 120)).not.toEqual(times.slice(120));
});

test('GIVEN a campaign without impressions WHEN clicks are asked for THEN there are none, and it says so', async () => {
  await using source = await temporaryAdSource();
  await addAdvertisers(source.client, { ...AT, count: 1 });
  await addCampaigns(source.client, { ...AT, advertiserId: 1, count: 1 });
  expect(await addClicks(source.client, { campaignId: 1, ratio: 1, seed: 1 })).toEqual({ impressions: 0, clicks: 0 });
});

test('GIVEN ids that are not there WHEN rows are asked for THEN NOT_FOUND, and nothing is written', async () => {
  await using source = await temporaryAdSource();
  const { client } = source;
  const missing = { code: 'NOT_FOUND' };
  await expect(addCampaigns(client, { ...AT, advertiserId: 9, count: 1 })).rejects.toMatchObject(missing);
  await expect(addImpressions(client, { ...AT, campaignId: 9, count: 1, days: 7 })).rejects.toMatchObject(missing);
  await expect(addClicks(client, { campaignId: 9, ratio: 0.1, seed: 1 })).rejects.toMatchObject(missing);
  expect(await readAll(client)).toEqual({ advertiser: [], campaign: [], impressions: [], clicks: [] });
});

test('GIVEN numbers that make no sense WHEN rows are asked for THEN USAGE, and nothing is written', async () => {
  await using source = await temporaryAdSource();
  const { client } = source;
  await addAdvertisers(client, { ...AT, count: 1 });
  await addCampaigns(client, { ...AT, advertiserId: 1, count: 1 });
  const before = await readAll(client);
  const usage = { code: 'USAGE' };
  await expect(addAdvertisers(client, { ...AT, count: -1 })).rejects.toMatchObject(usage);
  await expect(addCampaigns(client, { ...AT, advertiserId: 1, count: 1.5 })).rejects.toMatchObject(usage);
  await expect(addCampaigns(client, { ...AT, advertiserId: 3e9, count: 1 })).rejects.toMatchObject(usage);
  await expect(addImpressions(client, { ...AT, campaignId: 1, count: -5, days: 7 })).rejects.toMatchObject(usage);
  await expect(addClicks(client, { campaignId: 1, ratio: 2, seed: 1 })).rejects.toMatchObject(usage);
  expect(await readAll(client)).toEqual(before);
});

test('GIVEN rows WHEN reset THEN all are gone and new ids go on from the old', async () => {
  await using source = await temporaryAdSource();
  await addAdvertisers(source.client, { ...AT, count: 2 });
  await addCampaigns(source.client, { ...AT, advertiserId: 1, count: 1 });
  await addImpressions(source.client, { ...AT, campaignId: 1, count: 10, days: 7 });
  await addClicks(source.client, { campaignId: 1, ratio: 0.5, seed: 1 });
  expect(await resetSource(source.client)).toEqual({ clicks: 5, impressions: 10, campaign: 1, advertiser: 2 });
  expect(await readStatistics(source.client)).toMatchObject({ advertisers: 0, impressions: 0, ctr: null });
  expect(await addAdvertisers(source.client, { ...AT, count: 1 })).toEqual([3]);
});
