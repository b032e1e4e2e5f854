/** The projections of the rollup: figures are read from them, and say what the rollup itself says. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { land, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import type { TemporaryClickHouse } from '../../test/support/databases.ts';
import type { Settings } from '../destination/client.ts';
import { type KpiName, KPIS } from './definitions.ts';
import { withSources } from './short-cuts.ts';
import { PRESENT } from './sources.ts';
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
  const kpi = KPIS[name];
  const sql = reportStatement(kpi, `(${withSources(reportBody(kpi, {}) ?? kpi.sql, PRESENT)})`);
  const params = Object.fromEntries(kpi.params.map((param) => [param, { ...PARAMS, timezone }[param]]));
  return await ch.client.rows(explain + sql.replaceAll('${database}', ch.database), { params, settings });
}

describe.each([
  ['in parts that have not met', ''],
  ['merged', 'OPTIMIZE TABLE db.campaign_hourly FINAL'],
])('GIVEN a rollup %s', (_, statement) => {
  beforeAll(async () => {
    if (statement !== '') await ch.client.command(statement.replace('db', ch.database));
  });

  test.each(['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'Pacific/Honolulu'])(
    'THEN in %s every figure is the same with and without projections',
    async (timezone) => {
      for (const name of Object.keys(KPIS) as KpiName[]) {
        const without = await ask(name, timezone, { optimize_use_projections: 0 });
        expect({ name, rows: await ask(name, timezone, {}) }).toEqual({ name, rows: without });
      }
    },
  );
});

test.each([
  ['ctr', 'UTC', 'by_day'],
  ['ranking', 'Europe/Berlin', 'by_day'],
  ['spend', 'America/New_York', 'by_day'],
  ['advertisers', 'UTC', 'by_day'],
  ['share', 'Europe/Berlin', 'by_day'],
  ['delivery', 'UTC', 'by_day'],
  ['budget', 'UTC', 'by_day'],
  ['pacing', 'UTC', 'by_day'],
  ['health', 'UTC', 'by_day'],
  ['quality', 'UTC', 'by_day'],
  ['campaign_days', 'UTC', 'by_day'],
  ['daily', 'Europe/Berlin', 'by_hour'],
  ['hourly', 'America/New_York', 'by_hour'],
  ['heatmap', 'Europe/Berlin', 'by_hour'],
] as const)('THEN %s in %s is read from the projection %s', async (name, timezone, projection) => {
  expect(await readFrom(name, timezone)).toContain(projection);
  // Without choice the same reads are of the rollup itself: the plan does say it.
  expect(await readFrom(name, timezone, { optimize_use_projections: 0 })).not.toContain(projection);
});

/** What the plan of a figure reads. */
async function readFrom(name: KpiName, timezone: string, settings: Settings = {}): Promise<string[]> {
  const plan = (await ask(name, timezone, settings, 'EXPLAIN ')) as { explain: string }[];
  return plan.flatMap(({ explain }) => /ReadFromMergeTree \((.*)\)/.exec(explain)?.[1] ?? []);
}
