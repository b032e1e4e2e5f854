/** Every key figure against plain SQL on PostgreSQL, on random months. `TEST_RANDOM_RUNS` says how many, `TEST_RANDOM_SEED` where they begin. */
import { describe, expect, test } from 'vitest';
import { temporaryAdCopy } from '../../test/support/ad-copy.ts';
import { landWithAudit, randomMonth } from '../../test/support/ad-scenes.ts';
import { temporaryAdSource } from '../../test/support/ad-source.ts';
import type { Asked } from '../chaos/oracle/asked.ts';
import { everyKpiDifferences } from '../chaos/oracle/every-kpi.ts';

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 1);
const SEED = Number(process.env['TEST_RANDOM_SEED'] ?? 20_261);

/** Clocks change on 29 March in Berlin, on 8 March in New York, on 5 April by half an hour on Lord Howe. */
const ASKED: readonly Asked[] = (
  [
    ['Europe/Berlin', 'hour', 'platform', 'cpm', 'daily', {}],
    ['America/New_York', 'month', 'campaign', 'cpc', 'daily', { campaign: 2 }],
    ['Asia/Kathmandu', 'week', 'advertiser', 'cpc', 'lifetime', { advertiser: 1 }],
    ['Australia/Lord_Howe', 'hour', 'advertiser', 'cpm', 'lifetime', {}],
    ['UTC', 'total', 'campaign', 'cpm', 'lifetime', { advertiser: 5, campaign: 9 }],
  ] as const
).map(([timezone, grain, by, pricingModel, budgetKind, filters]) => ({
  timezone,
  grain,
  by,
  pricingModel,
  budgetKind,
  from: '2026-03-20',
  to: '2026-04-05',
  now: '2026-03-31 14:35:10.250000',
  hours: 6,
  ...filters,
}));

describe.each(Array.from({ length: RUNS }, (_, i) => SEED + i))('GIVEN the random month %i', (seed) => {
  test('THEN every figure equals the source', async () => {
    await using source = await temporaryAdSource();
    await using ch = await temporaryAdCopy();
    await source.client.query(randomMonth(seed));
    await landWithAudit(source, ch, '2026-03-31 14:35:10');
    expect(await everyKpiDifferences(source, ch, ASKED)).toEqual([]);
  }, 600_000);
});
