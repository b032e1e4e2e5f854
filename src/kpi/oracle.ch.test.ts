/** Every key figure against plain SQL on PostgreSQL, on random months. `TEST_RANDOM_RUNS` says how many, `TEST_RANDOM_SEED` where they begin. */
import { describe, expect, test } from 'vitest';
import { checkpoint, land, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import { temporaryAdSource } from '../../test/support/ad-source.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from '../../test/support/databases.ts';
import { type Asked, ORACLE_NAMES, oracleSql, randomMonth } from '../../test/support/kpi-oracle.ts';
import { texts } from '../../test/support/kpi-rows.ts';
import { reloadPrices } from '../destination/rollups.ts';
import { pgRows } from '../source/connection.ts';
import { type KpiName, KPIS } from './definitions.ts';
import { type KpiRequest, queryKpi } from './query.ts';

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 1);
const SEED = Number(process.env['TEST_RANDOM_SEED'] ?? 20_261);

/** Clocks change on 29 March in Berlin, on 8 March in New York, on 5 April by half an hour on Lord Howe. */
const ASKED: readonly Asked[] = (
  [
    ['UTC', 'day', 'platform', 'cpc', 'lifetime'],
    ['Europe/Berlin', 'hour', 'platform', 'cpm', 'daily'],
    ['America/New_York', 'month', 'campaign', 'cpc', 'daily'],
    ['Asia/Kathmandu', 'week', 'advertiser', 'cpc', 'lifetime'],
    ['Australia/Lord_Howe', 'hour', 'advertiser', 'cpm', 'lifetime'],
    ['Asia/Kolkata', 'total', 'campaign', 'cpc', 'daily'],
  ] as const
).map(([timezone, grain, by, pricingModel, budgetKind]) => ({
  timezone,
  grain,
  by,
  pricingModel,
  budgetKind,
  from: '2026-03-20',
  to: '2026-04-05',
  now: '2026-03-31 14:35:10.250000',
  hours: 6,
}));

describe.each(Array.from({ length: RUNS }, (_, i) => SEED + i))('GIVEN the random month %i', (seed) => {
  test('THEN every figure equals the source', async () => {
    await using source = await temporaryAdSource();
    await using ch = await temporaryAdCopy();
    await source.client.query(randomMonth(seed));
    await copy(source, ch);
    const wrong: string[] = [];
    for (const asked of ASKED) {
      for (const name of ORACLE_NAMES as KpiName[]) {
        const wanted = await pgRows(source.client, oracleSql(name, asked));
        const { rows } = await queryKpi(ch.client, ch, name, request(name, asked));
        const columns = Object.keys(wanted[0] ?? {}).filter((column) => !column.startsWith('_'));
        const [found, expected] = [new Set(texts(rows, columns)), new Set(texts(wanted, columns))];
        const place = `${name} in ${asked.timezone} by ${asked.grain} and ${asked.by}`;
        wrong.push(...[...expected].filter((row) => !found.has(row)).map((row) => `${place}: source ${row}`));
        wrong.push(...[...found].filter((row) => !expected.has(row)).map((row) => `${place}: copy ${row}`));
        if (rows.length !== wanted.length) wrong.push(`${place}: ${rows.length} rows, not ${wanted.length}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 600_000);
});

function request(name: KpiName, asked: Asked): KpiRequest {
  const { from, to, ...rest } = asked;
  return (KPIS[name].params as readonly string[]).includes('from') ? { ...rest, from, to } : rest;
}

async function copy(source: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  await land(ch, 'advertiser', await pgRows(source.client, 'SELECT * FROM advertiser'));
  const campaigns = await pgRows(source.client, 'SELECT * FROM campaign');
  await land(ch, 'campaign', campaigns);
  const changes = await pgRows(source.client, "SELECT * FROM price WHERE valid_from > '-infinity' ORDER BY valid_from");
  const rows = changes.map((change, i) => ({
    ...campaigns.find((row) => row['id'] === change['campaign_id']),
    bid: change['bid'] ?? null,
    _version: 100 + i,
    _committed_at: change['valid_from'] ?? null,
  }));
  await land(ch, 'campaign', rows);
  await reloadPrices(ch.client, ch);
  for (const table of ['impressions', 'clicks'])
    await land(ch, table, await pgRows(source.client, `SELECT * FROM ${table}`));
  for (const { scope, id, pricing_model, budget_kind } of await pgRows(source.client, 'SELECT * FROM rule')) {
    await ch.client.command(
      `INSERT INTO ${ch.database}.pricing_rules (scope, id, pricing_model, budget_kind) VALUES ('${scope}', ${id}, '${pricing_model ?? ''}', '${budget_kind ?? ''}')`,
    );
  }
  await checkpoint(ch, 0x100n, '2026-03-31 14:35:10');
}
