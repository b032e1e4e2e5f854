import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CampaignMeasures, CopyMeasures } from './measures.ts';
import { examineCampaign, examineCopy, type Thresholds } from './rules.ts';

const THRESHOLDS: Thresholds = {
  zeroDeliveryHours: 6,
  pacingBelowPercent: 90,
  pacingAbovePercent: 125,
  budgetPercent: 90,
  anomalySigmas: 4,
  staleSeconds: 300,
};

/** Day 21 of 40, half of the budget spent on time, all as usual. */
const HEALTHY: CampaignMeasures = {
  id: 7,
  name: 'Spring',
  budget: 100,
  daysSinceStart: 20,
  daysToEnd: 19,
  hoursToday: 12,
  spend: 52,
  flightSpend: 50,
  due: 50,
  recentImpressions: 500,
  today: { impressions: 1000, clicks: 50 },
  soFar: { impressions: 1000, clicks: 50 },
  before: [990, 1010, 0, 0].map((impressions) => ({ impressions, clicks: impressions / 20 })),
};

function kinds(changes: Partial<CampaignMeasures>, thresholds: Partial<Thresholds> = {}): string[] {
  return examineCampaign({ ...HEALTHY, ...changes }, { ...THRESHOLDS, ...thresholds }).map(({ kind }) => kind);
}

test('a healthy campaign gives no alert', () => {
  expect(kinds({})).toEqual([]);
});

describe.each<[kind: string, cases: [Partial<CampaignMeasures>, boolean][]]>([
  [
    'zero_delivery',
    [
      [{ recentImpressions: 0 }, true],
      [{ recentImpressions: 1 }, false],
      [{ recentImpressions: 0, daysSinceStart: 0, hoursToday: 5 }, false],
      [{ recentImpressions: 0, daysSinceStart: 0, hoursToday: 6 }, true],
      [{ recentImpressions: 0, daysSinceStart: null, daysToEnd: null, hoursToday: 0 }, true],
      [{ recentImpressions: 0, daysSinceStart: -1 }, false],
      [{ recentImpressions: 0, daysToEnd: -1 }, false],
      // A campaign that has used up its budget is not meant to deliver.
      [{ recentImpressions: 0, spend: 100 }, false],
    ],
  ],
  [
    'pacing',
    [
      [{ flightSpend: 45 }, false],
      [{ flightSpend: 44.9 }, true],
      [{ flightSpend: 62.5 }, false],
      [{ flightSpend: 62.6 }, true],
      [{ flightSpend: 0, due: 0, daysSinceStart: 0 }, false],
      [{ flightSpend: 0, due: null, daysToEnd: null }, false],
      [{ flightSpend: 0, due: 0, budget: 0 }, false],
    ],
  ],
  [
    'budget_low',
    [
      [{ spend: 89.99 }, false],
      [{ spend: 90 }, true],
      [{ spend: 100 }, false],
      [{ spend: 95, daysToEnd: -1 }, false],
    ],
  ],
  [
    'budget_exhausted',
    [
      [{ spend: 99.99 }, false],
      [{ spend: 100 }, true],
      [{ spend: 0, budget: 0 }, false],
      [{ spend: 120, daysToEnd: -1 }, false],
    ],
  ],
  [
    'volume_anomaly',
    [
      [{ soFar: { impressions: 1300, clicks: 65 } }, true],
      [{ soFar: { impressions: 1100, clicks: 55 } }, false],
      [{ soFar: { impressions: 700, clicks: 35 } }, true],
      // What varied as much before is not unusual.
      [
        { soFar: { impressions: 700, clicks: 35 }, before: [600, 1400].map((n) => ({ impressions: n, clicks: 0 })) },
        false,
      ],
      // One week is no habit, twenty impressions are chance.
      [{ soFar: { impressions: 9999, clicks: 500 }, before: [{ impressions: 1000, clicks: 50 }] }, false],
      [{ soFar: { impressions: 90, clicks: 5 }, before: [20, 20].map((n) => ({ impressions: n, clicks: 1 })) }, false],
      [{ soFar: { impressions: 9999, clicks: 500 }, daysSinceStart: 13 }, false],
    ],
  ],
  [
    'ctr_anomaly',
    [
      [{ soFar: { impressions: 1000, clicks: 110 } }, true],
      [{ soFar: { impressions: 1000, clicks: 60 } }, false],
      [{ soFar: { impressions: 1000, clicks: 5 } }, true],
      [{ soFar: { impressions: 0, clicks: 0 } }, false],
      [{ soFar: { impressions: 10, clicks: 40 } }, false],
    ],
  ],
  [
    'clicks_exceed_impressions',
    [
      [{ today: { impressions: 10, clicks: 10 } }, false],
      [{ today: { impressions: 10, clicks: 11 } }, true],
    ],
  ],
])('%s', (kind, cases) => {
  test.each(cases)('%j: %s', (changes, isTold) => {
    const found = kinds(changes);
    expect(found.includes(kind)).toBe(isTold);
  });
});

test('whatever the figures: no NaN is told, no kind twice, a budget is low or exhausted', () => {
  const count = fc.integer({ min: 0, max: 1_000_000 });
  const part = fc.record({ impressions: count, clicks: count });
  const day = fc.option(fc.integer({ min: -400, max: 400 }));
  const cents = fc.integer({ min: 0, max: 1e8 }).map((n) => n / 100);
  const amount = fc.double({ min: -1000, max: 1e6, noNaN: true });
  const measures = fc.record({
    id: fc.integer(),
    name: fc.string(),
    budget: cents,
    daysSinceStart: day,
    daysToEnd: day,
    hoursToday: fc.integer({ min: 0, max: 23 }),
    spend: amount,
    flightSpend: amount,
    due: fc.option(cents),
    recentImpressions: count,
    today: part,
    soFar: part,
    before: fc.array(part, { minLength: 0, maxLength: 4 }),
  });
  fc.assert(
    fc.property(measures, (given) => {
      const found = examineCampaign(given, THRESHOLDS);
      expect(new Set(found.map(({ kind }) => kind)).size).toBe(found.length);
      for (const { message, facts } of found) {
        expect(message.replace(given.name, '')).not.toMatch(/NaN|Infinity|undefined/);
        for (const value of Object.values(facts))
          if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
      }
      const budgets = found.filter(({ kind }) => kind.startsWith('budget'));
      expect(budgets.length).toBeLessThan(2);
    }),
  );
});

test('a copy that is stale, or differs, is told; one that was never followed is not', () => {
  const copy: CopyMeasures = { day: '2026-03-18', isIncomplete: false, staleSeconds: 0, verified: null };
  const found = (changes: Partial<CopyMeasures>): string[] =>
    examineCopy({ ...copy, ...changes }, THRESHOLDS).map(({ kind }) => kind);
  expect(found({})).toEqual([]);
  expect(found({ staleSeconds: null })).toEqual([]);
  expect(found({ staleSeconds: 300 })).toEqual([]);
  expect(found({ staleSeconds: 300.5 })).toEqual(['stale_data']);
  const at = '2026-03-18 10:00:00.000';
  expect(found({ verified: { verdict: 'equal', differences: 0, at } })).toEqual([]);
  expect(found({ verified: { verdict: 'repaired', differences: 2, at } })).toEqual([]);
  expect(found({ verified: { verdict: 'different', differences: 2, at } })).toEqual(['verify_difference']);
});
