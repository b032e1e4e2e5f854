import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { advertiserName, campaignName, dateAfter, DAY_MS, drawCampaign, money } from './ad-values.ts';
import { randomStreams } from './random.ts';

test.each([
  [0, 'Advertiser A'],
  [1, 'Advertiser B'],
  [25, 'Advertiser Z'],
  [26, 'Advertiser AA'],
  [27, 'Advertiser AB'],
  [51, 'Advertiser AZ'],
  [52, 'Advertiser BA'],
  [701, 'Advertiser ZZ'],
  [702, 'Advertiser AAA'],
])('GIVEN index %i WHEN an advertiser is named THEN it is %s', (index, name) => {
  expect(advertiserName(index)).toBe(name);
});

test('GIVEN any two indexes WHEN named THEN the names differ', () => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.nat(100_000), (a, b) => {
      expect(advertiserName(a) === advertiserName(b)).toBe(a === b);
    }),
  );
});

test('GIVEN cents WHEN written as money THEN there are two places', () => {
  expect([0, 5, 50, 505, 50_000].map((cents) => money(cents))).toEqual(['0.00', '0.05', '0.50', '5.05', '500.00']);
});

test('GIVEN any seed WHEN a campaign is drawn THEN its values are in their ranges', () => {
  const today = new Date('2026-02-20T23:59:00Z');
  fc.assert(
    fc.property(fc.nat(1_000_000), (seed) => {
      const values = drawCampaign(randomStreams(seed)(), { advertiserId: 3, number: 2, today });
      expect(values.name).toBe(campaignName(3, 2));
      expect(values.bid).toMatch(/^\d\.\d\d$/);
      expect(Number(values.bid)).toBeGreaterThanOrEqual(0.5);
      expect(Number(values.bid)).toBeLessThanOrEqual(5);
      expect(Number(values.budget)).toBeGreaterThanOrEqual(50);
      expect(Number(values.budget)).toBeLessThanOrEqual(500);
      expect(values.startDate).toBe('2026-02-20');
      const days = (Date.parse(String(values.endDate)) - Date.parse(String(values.startDate))) / DAY_MS;
      expect(days).toBeGreaterThanOrEqual(7);
      expect(days).toBeLessThanOrEqual(30);
    }),
  );
});

test('GIVEN a day at the end of a month WHEN days are added THEN the calendar is followed', () => {
  expect(dateAfter(new Date('2028-02-28T12:00:00Z'), 1)).toBe('2028-02-29');
  expect(dateAfter(new Date('2026-12-31T23:59:59Z'), 1)).toBe('2027-01-01');
});
