import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { land, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import { DIFFICULT_WEEK, landWithAudit } from '../../test/support/ad-scenes.ts';
import { temporaryAdSource } from '../../test/support/ad-source.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from '../../test/support/databases.ts';
import type { Asked } from '../chaos/oracle/asked.ts';
import { everyKpiDifferences } from '../chaos/oracle/every-kpi.ts';
import type { Cells } from '../chaos/oracle/rows.ts';
import { differences } from '../destination/rollups.ts';
import { pgRows } from '../source/connection.ts';
import { resultText } from '../cli/commands/kpi.ts';
import { type KpiDefinition, PARAMS, type ParamName } from './definition.ts';
import { type KpiName, KPIS } from './definitions.ts';
import { answerSchema } from './json-schema.ts';
import { type KpiRequest, queryKpi } from './query.ts';

const WEEK = { from: '2026-03-01', to: '2026-03-07' };

/** Ways to ask for days; filters and levels take turns. */
const asked = (days: { from: string; to: string }, more: Partial<Asked>): Asked => ({
  ...days,
  now: '2026-03-07 10:00:00',
  timezone: 'UTC',
  grain: 'day',
  by: 'campaign',
  pricingModel: 'cpc',
  budgetKind: 'lifetime',
  hours: 6,
  ...more,
});

let source: TemporaryPostgres;
let ch: TemporaryClickHouse;

beforeAll(async () => {
  source = await temporaryAdSource();
  ch = await temporaryAdCopy();
  await source.client.query(DIFFICULT_WEEK);
  await landWithAudit(source, ch, '2026-03-07 10:00:00');
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await ch[Symbol.asyncDispose]();
});

const ask = (name: KpiName, request: Partial<KpiRequest> = {}) =>
  queryKpi(ch.client, ch, name, { pricingModel: 'cpc', ...request });

test.each([
  ['a week', WEEK, {}],
  ['a week of one advertiser', WEEK, { advertiser: 2 }],
  ['a day without impressions', { from: '2026-03-04', to: '2026-03-04' }, { campaign: 2, budgetKind: 'daily' }],
  ['days without any event', { from: '2150-12-25', to: '2151-01-02' }, { grain: 'hour', by: 'platform' }],
  ['the days around 1905', { from: '1904-12-30', to: '1905-01-03' }, { grain: 'hour', by: 'advertiser' }],
  ['all time', { from: '1900-01-01', to: '2299-12-31' }, { grain: 'total', pricingModel: 'cpm' }],
] as const)('GIVEN %s of difficult data THEN every figure equals the source', async (_, days, more) => {
  const ways = [asked(days, more), asked(days, { ...more, throughView: true })];
  expect(await everyKpiDifferences(source, ch, ways)).toEqual([]);
});

test('THEN the rollup equals the mirrors, Σ daily = Σ hourly = ctr, and budgets are counted once', async () => {
  expect(await differences(ch.client, ch)).toBe(0);
  const total = (rows: readonly Cells[], name: string): number => rows.reduce((sum, row) => sum + Number(row[name]), 0);
  const [ctr, daily, hourly, advertisers] = [
    await ask('ctr', WEEK),
    await ask('daily', WEEK),
    await ask('hourly', WEEK),
    await ask('advertisers', WEEK),
  ];
  const dated = (rows: readonly Cells[], name: string) => rows.filter((row) => row[name] !== null);
  expect(total(dated(daily.rows, 'day'), 'clicks')).toBe(total(ctr.rows, 'clicks'));
  expect(total(dated(hourly.rows, 'hour'), 'impressions')).toBe(total(ctr.rows, 'impressions'));
  const [row] = await pgRows(source.client, 'SELECT sum(budget)::float8 AS budget FROM campaign');
  expect(total(advertisers.rows, 'budget')).toBe(Number(row?.['budget']));
});

test('WHEN narrowed to a campaign or advertiser THEN only theirs are counted', async () => {
  expect((await ask('ctr', { ...WEEK, advertiser: 2 })).rows.map((row) => row['campaign_id'])).toEqual(
    expect.arrayContaining([3, 4, 7]),
  );
  expect((await ask('advertisers', { ...WEEK, advertiser: 3 })).rows).toMatchObject([
    { advertiser: 'idle', impressions: '0', ctr: null, campaigns: '0' },
  ]);
});

test('THEN every answer in JSON is what its schema says, and the schema would notice', async () => {
  for (const kpi of Object.values<KpiDefinition>(KPIS)) {
    const ways = [WEEK, { ...WEEK, by: 'campaign', grain: 'hour', budgetKind: 'daily' }] as const;
    for (const request of ways) {
      const name = kpi.name as KpiName;
      const answer = JSON.parse(resultText(name, await ask(name, request), 'json')) as { rows: Cells[] };
      expect([kpi.name, answerSchema(kpi).safeParse(answer).error]).toEqual([kpi.name, undefined]);
      const [first] = answer.rows;
      if (first === undefined) continue;
      for (const { name: column } of kpi.columns) {
        const rows = [{ ...first, [column]: {} }];
        expect([column, answerSchema(kpi).safeParse({ ...answer, rows }).success]).toEqual([column, false]);
      }
    }
  }
});

test('WHEN no range is given THEN it is that of the data, and the answer says up to where it holds', async () => {
  const ctr = await ask('ctr');
  expect(ctr).toMatchObject({ range: { from: '1905-01-01', to: '2150-12-31' }, loading: false });
  expect(ctr.asOf).toEqual({ lsn: '1/A', commitTime: '2026-03-07 10:00:00.000000' });
  expect((await ask('hourly')).range?.from).toMatch(/^20/);
  expect((await ask('daily', { from: '2026-03-06' })).range?.from).toBe('2026-03-06');
});

test('GIVEN buckets that have come to zero WHEN they lie in hours that a time zone cuts THEN nobody meets them', async () => {
  await using empty = await temporaryAdCopy();
  const event = { id: 1, campaign_id: 9, created_at: '2026-07-01 10:40:00' };
  await empty.client.command(`SYSTEM STOP MERGES ${empty.database}.campaign_hourly`);
  await land(empty, 'impressions', [event]);
  await land(empty, 'impressions', [{ ...event, _version: 1, _deleted: 1, _sign: -1 }]);
  const zones = { timezone: 'Asia/Kolkata', now: '2026-07-02 00:00:00', pricingModel: 'cpc' } as const;
  expect(await queryKpi(empty.client, empty, 'quality', zones)).toMatchObject({ rows: [] });
  expect(await queryKpi(empty.client, empty, 'heatmap', zones)).toMatchObject({ rows: [], range: null });
  expect(
    (
      await queryKpi(empty.client, empty, 'heatmap', {
        ...zones,
        from: '2026-07-01',
        to: '2026-07-01',
        campaign: 9,
        timezone: 'UTC',
      })
    ).rows,
  ).toEqual([]);
  // Local midnight is at 18:30 UTC: the last event is of the day after, the hour of it of both.
  await land(empty, 'impressions', [{ ...event, id: 2, created_at: '2026-07-01 18:40:00' }]);
  expect((await queryKpi(empty.client, empty, 'share', zones)).range).toEqual({ from: '2026-07-02', to: '2026-07-02' });
});

test('GIVEN an empty copy THEN there are no rows and no range, and with a range only what exists', async () => {
  await using empty = await temporaryAdCopy();
  for (const name of Object.keys(KPIS) as KpiName[]) {
    expect(await queryKpi(empty.client, empty, name, { pricingModel: 'cpc' })).toMatchObject({
      rows: [],
      range: null,
      asOf: { lsn: null },
    });
    expect((await queryKpi(empty.client, empty, name, { ...WEEK, by: 'campaign', pricingModel: 'cpc' })).rows).toEqual(
      [],
    );
  }
});

test.each([
  ['nope', {}],
  ['ctr', { from: '2026-02-30' }],
  ['ctr', { from: '1899-12-31' }],
  ['ctr', { to: '1 March' }],
  ['ctr', { from: '2026-03-02', to: '2026-03-01' }],
  ['hourly', { from: '2026-01-01', to: '2026-12-31' }],
  ['advertisers', { campaign: 1 }],
  ['ctr', { campaign: 2 ** 31 }],
  ['spend', { pricingModel: 'cpa' }],
])('WHEN %s is asked with %j THEN that is refused', async (name, request) => {
  await expect(ask(name as KpiName, request as KpiRequest)).rejects.toMatchObject({ code: 'USAGE' });
});

const OTHER_SETTINGS = {
  join_use_nulls: 1,
  enable_extended_results_for_datetime_functions: 0,
  session_timezone: 'Asia/Tokyo',
  transform_null_in: 1,
};

/** Arguments of every view. */
const ARGUMENTS: Record<ParamName, string | number> = {
  ...WEEK,
  timezone: 'UTC',
  now: '2026-03-07 10:00:00',
  grain: 'week',
  by: 'campaign',
  pricing_model: 'cpc',
  budget_kind: 'lifetime',
  hours: 6,
};

test.each(Object.values(KPIS))(
  'GIVEN a session with other settings THEN the view of $name says the same',
  async (kpi) => {
    const args = kpi.params.map((name) => `${name} = '${ARGUMENTS[name]}'`).join(', ');
    const sql = `SELECT * EXCEPT (as_of_lsn) FROM ${ch.database}.${kpi.view}${args === '' ? '' : `(${args})`} ORDER BY ALL`;
    const found = await ch.client.rows(sql);
    expect(found.length).toBeGreaterThan(0);
    expect(await ch.client.rows(sql, { settings: OTHER_SETTINGS })).toEqual(found);
  },
);

test.each([
  ['spend', 'pricing_model', "'cpx'"],
  ['budget', 'budget_kind', "'weekly'"],
  ['delivery', 'grain', "'year'"],
  ['delivery', 'by', "'nobody'"],
  ['daily', 'timezone', "'Asia/Kolkata'"],
] as const)('WHEN the view of %s is asked with an unknown %s THEN it refuses', async (name, param, value) => {
  const args = KPIS[name].params.map((each) => `${each} = ${each === param ? value : `'${ARGUMENTS[each]}'`}`);
  await expect(ch.client.rows(`SELECT * FROM ${ch.database}.kpi_${name}(${args.join(', ')})`)).rejects.toMatchObject({
    code: 'CLICKHOUSE_FAILED',
  });
});

test.each(Object.values(KPIS))(
  'THEN the report in the SQL file of $name runs as it stands and tells the same',
  async (kpi) => {
    const lines = (await readFile(`sql/kpi/${kpi.name}.sql`, 'utf8')).split('\n');
    const report = lines.filter((line) => line.startsWith('--   ')).map((line) => line.slice(5));
    let sql = report.join('\n').replaceAll(/\bads\./g, `${ch.database}.`);
    for (const name of kpi.params)
      sql = sql.replace(`${name} = '${PARAMS[name].example}'`, `${name} = '${ARGUMENTS[name]}'`);
    const rows = await ch.client.rows(sql);
    const { now, grain, by } = ARGUMENTS;
    const request = { ...WEEK, now, grain, by } as Partial<KpiRequest>;
    expect(rows).toEqual((await ask(kpi.name as KpiName, request)).rows);
  },
);
