import { expect, test } from 'vitest';
import { readAll, temporaryAdSource } from '../../test/support/ad-source.ts';
import { pgRows } from '../source/connection.ts';
import { isSourceEmpty, seedDemo } from './demo.ts';
import { readStatistics } from './statistics.ts';

const NOW = new Date('2026-03-04T15:00:00Z');

test('GIVEN empty tables WHEN the demo is seeded THEN they are no longer empty, and it shows every kind of flight', async () => {
  await using source = await temporaryAdSource();
  expect(await isSourceEmpty(source.client)).toBe(true);
  const result = await seedDemo(source.client, { seed: 1, now: NOW });
  expect(await isSourceEmpty(source.client)).toBe(false);
  expect(result).toMatchObject({ advertisers: 6, campaigns: 24, impressions: 200_000 });
  const flights = await pgRows(
    source.client,
    `SELECT count(*) FILTER (WHERE start_date > '2026-03-04') AS scheduled,
            count(*) FILTER (WHERE end_date < '2026-03-04') AS ended,
            count(*) FILTER (WHERE end_date IS NULL) AS open_ended,
            count(*) FILTER (WHERE start_date <= '2026-03-04' AND end_date >= '2026-03-04') AS running
     FROM campaign`,
  );
  expect(flights).toEqual([{ scheduled: '2', ended: '5', open_ended: '2', running: '15' }]);
});

test('GIVEN the demo WHEN its events are looked at THEN they lie in their flights, with 2–10 % clicks, and some campaigns idle', async () => {
  await using source = await temporaryAdSource();
  await seedDemo(source.client, { seed: 2, now: NOW });
  const outside = await pgRows(
    source.client,
    `SELECT i.id FROM impressions AS i JOIN campaign AS c ON c.id = i.campaign_id
     WHERE i.created_at::date < c.start_date OR i.created_at::date > c.end_date OR i.created_at >= '2026-03-04 15:00'`,
  );
  expect(outside).toEqual([]);
  const { perCampaign } = await readStatistics(source.client);
  const served = perCampaign.filter((campaign) => campaign.impressions > 0);
  expect(perCampaign.length - served.length).toBe(4);
  for (const { ctr } of served) {
    expect(ctr).toBeGreaterThan(0.019);
    expect(ctr).toBeLessThan(0.101);
  }
});

test('GIVEN the same seed and time WHEN the demo is seeded twice THEN the rows are the same', async () => {
  await using first = await temporaryAdSource();
  await using second = await temporaryAdSource();
  for (const { client } of [first, second]) await seedDemo(client, { seed: 3, now: NOW });
  const digest = async (client: typeof first.client): Promise<unknown> =>
    pgRows(
      client,
      `SELECT (SELECT md5(string_agg(i::text, '|' ORDER BY id)) FROM impressions AS i) AS impressions,
              (SELECT md5(string_agg(k::text, '|' ORDER BY id)) FROM clicks AS k) AS clicks,
              (SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM campaign AS c) AS campaigns`,
    );
  expect(await digest(first.client)).toEqual(await digest(second.client));
  expect((await readAll(first.client)).advertiser).toHaveLength(6);
});
