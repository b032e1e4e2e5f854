/** The projections of the rollup: figures are read from them, and say what the rollup itself says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { land, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import type { TemporaryClickHouse } from '../../test/support/databases.ts';
import type { Settings } from '../destination/client.ts';
import { type KpiName, KPIS } from './definitions.ts';
import { withSources } from './short-cuts.ts';
import { knownSources, PRESENT, type Sources } from './sources.ts';
import { reportBody, reportStatement } from './statement.ts';

const CAMPAIGNS = 40;
const HOURS = 24 * 60;
const PARAMS = {
  from: '2026-03-05',
  to: '2026-04-20',
  now: '2026-04-20 14:30:00',
  grain: 'week',
  by: 'campaign',
  pricing_model: 'cpc',
  budget_kind: 'daily',
  hours: '6',
};

let ch: TemporaryClickHouse;

beforeAll(async () => {
  ch = await temporaryAdCopy();
  const campaigns = Array.from({ length: CAMPAIGNS }, (_, i) => ({
    id: i + 1,
    name: `c${i}`,
    bid: 1,
    budget: 50 + i,
    start_date: '2026-03-10',
    advertiser_id: 1 + (i % 3),
  }));
  await land(ch, 'campaign', campaigns);
  // Every bucket in three parts that partly cancel, some of them entirely; one part without campaign or time.
  for (const sign of [3, -1, -2]) {
    await ch.client.command(
      `INSERT INTO ${ch.database}.campaign_hourly SELECT 1 + number % ${CAMPAIGNS}, toDateTime64('2026-03-01 00:00:00', 0, 'UTC') + 3600 * intDiv(number, ${CAMPAIGNS}),
         ${sign} * (number % 7) + (number % 3), intDiv(${sign} * (number % 11), 4), ${sign} * 0.25 + 1, 0.001 * (number % 5) FROM numbers(${CAMPAIGNS * HOURS})`,
    );
  }
  await ch.client.command(
    `INSERT INTO ${ch.database}.campaign_hourly VALUES (NULL, '2026-03-07 23:00:00', 5, 1, 0, 0), (2, NULL, 3, 4, 0, 0), (NULL, NULL, 1, 0, 0, 0), (3, '1969-12-31 23:00:00', 2, 1, 0.5, 0.1)`,
  );
});
afterAll(async () => {
  await ch[Symbol.asyncDispose]();
});

async function ask(name: KpiName, timezone: string, settings: Settings, explain = ''): Promise<unknown[]> {
  return await askOf(name, { timezone }, { settings, explain });
}

async function askOf(
  name: KpiName,
  asked: Partial<typeof PARAMS> & { timezone: string },
  { settings = {}, explain = '', sources = PRESENT }: { settings?: Settings; explain?: string; sources?: Sources },
): Promise<unknown[]> {
  const kpi = KPIS[name];
  const values = { ...PARAMS, ...asked };
  const body = reportBody(kpi, { by: values.by, hasRules: sources === PRESENT });
  const sql = reportStatement(kpi, `(${withSources(body, sources)})`);
  const params = Object.fromEntries(kpi.params.map((param) => [param, values[param]]));
  return await ch.client.rows(explain + sql.replaceAll('${database}', ch.database), { params, settings });
}

describe.each([
  ['in parts that have not met', '', ['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'Pacific/Honolulu']],
  ['merged', 'OPTIMIZE TABLE db.campaign_hourly FINAL', ['UTC', 'Pacific/Auckland']],
])('GIVEN a rollup %s', (_, statement, timezones) => {
  beforeAll(async () => {
    if (statement !== '') await ch.client.command(statement.replace('db', ch.database));
  });

  test.each(timezones)('THEN in %s every figure is the same with and without projections', async (timezone) => {
    for (const name of Object.keys(KPIS) as KpiName[]) {
      const without = await ask(name, timezone, { optimize_use_projections: 0 });
      expect({ name, rows: await ask(name, timezone, {}) }).toEqual({ name, rows: without });
    }
  });
});

test.each([
  { budget_kind: 'lifetime', by: 'campaign', grain: 'week' },
  { budget_kind: 'daily', by: 'advertiser', grain: 'hour', from: '2026-04-10' },
  { budget_kind: 'lifetime', by: 'platform', grain: 'day', pricing_model: 'cpm' },
])('GIVEN that nobody has rules WHEN asked with %o THEN what is known changes no figure', async (asked) => {
  for (const timezone of ['UTC', 'Europe/Berlin']) {
    const known = {
      isUtc: timezone === 'UTC',
      hasRules: false,
      hasFewCampaigns: true,
      budgetKind: asked.budget_kind as 'lifetime' | 'daily',
      at: { lsn: null, commit_time: null, loading: false },
    };
    const sources = knownSources(known);
    // Where it says nothing for many campaigns, it is asked as for few.
    const many = knownSources({ ...known, hasFewCampaigns: false });
    for (const name of Object.keys(KPIS) as KpiName[]) {
      const rows = await askOf(name, { ...asked, timezone }, {});
      expect({ name, rows: await askOf(name, { ...asked, timezone }, { sources }) }).toEqual({ name, rows });
      if (withSources(KPIS[name].sql, many) === withSources(KPIS[name].sql, sources)) continue;
      expect({ name, rows: await askOf(name, { ...asked, timezone }, { sources: many }) }).toEqual({ name, rows });
    }
  }
});

test.each([
  ['ctr', 'UTC', 'by_da'],
  ['ranking', 'Europe/Berlin', 'by_da'],
  ['spend', 'America/New_York', 'by_da'],
  ['advertisers', 'UTC', 'by_da'],
  ['share', 'Europe/Berlin', 'by_da'],
  ['delivery', 'UTC', 'by_da'],
  ['budget', 'UTC', 'by_da'],
  ['pacing', 'UTC', 'by_da'],
  ['health', 'UTC', 'by_da'],
  ['quality', 'UTC', 'by_da'],
  ['campaign_days', 'UTC', 'by_da'],
  ['daily', 'Europe/Berlin', 'by_hour'],
  ['hourly', 'America/New_York', 'by_hour'],
  ['heatmap', 'Europe/Berlin', 'by_hour'],
] as const)('THEN %s in %s is read from the projection %s', async (name, timezone, projection) => {
  // By day or by date: they have the same sums in another order.
  const isOf = (from: string): boolean => from.startsWith(projection);
  expect((await readFrom(name, timezone)).some(isOf)).toBe(true);
  // Without choice the same reads are of the rollup itself: the plan does say it.
  expect((await readFrom(name, timezone, { optimize_use_projections: 0 })).some(isOf)).toBe(false);
});

/** What the plan of a figure reads. */
async function readFrom(name: KpiName, timezone: string, settings: Settings = {}): Promise<string[]> {
  const plan = (await ask(name, timezone, settings, 'EXPLAIN ')) as { explain: string }[];
  return plan.flatMap(({ explain }) => /ReadFromMergeTree \((.*)\)/.exec(explain)?.[1] ?? []);
}

test('GIVEN parts of a few hours in which a local day ends WHEN figures are asked THEN an index leaves no hour out', async () => {
  await ch.client.command(`SYSTEM STOP MERGES ${ch.database}.campaign_hourly`);
  for (const hours of [
    [2, 13],
    [11, 13],
    [4, 9],
  ]) {
    const values = hours.map((hour) => `(1, '2026-04-20 ${String(hour).padStart(2, '0')}:00:00', 1000, 100, 0, 0)`);
    await ch.client.command(`INSERT INTO ${ch.database}.campaign_hourly VALUES ${values.join(', ')}`);
  }
  for (const timezone of ['America/New_York', 'Pacific/Auckland', 'UTC']) {
    for (const name of Object.keys(KPIS) as KpiName[]) {
      const rows = await ask(name, timezone, { use_primary_key: 0 });
      expect({ name, timezone, rows: await ask(name, timezone, {}) }).toEqual({ name, timezone, rows });
    }
  }
});
