/** Key figures as of the past: what they were then, by plain SQL on the source and by the copy itself. `TEST_RANDOM_SEED` says where they begin, `TEST_LONG=1` asks more. */
import { expect, test } from 'vitest';
import { type KpiName, KPIS } from '../src/kpi/definitions.ts';
import { type KpiRequest, queryKpi } from '../src/kpi/query.ts';
import { formatLsn } from '../src/model/lsn.ts';
import { pgRows } from '../src/source/connection.ts';
import { currentLsn } from '../src/source/slot.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { type Asked, ORACLE_NAMES, oracleSql, randomMonth } from './support/kpi-oracle.ts';
import { texts } from './support/kpi-rows.ts';
import { startPipeline } from './support/pipeline.ts';

const SEED = Number(process.env['TEST_RANDOM_SEED'] ?? 4_711);

const ASKED: readonly Asked[] = (
  [
    ['UTC', 'day', 'campaign', 'cpc', 'lifetime'],
    ['Asia/Kathmandu', 'week', 'advertiser', 'cpm', 'daily'],
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

/**
 * A few random transactions. Bids change now, so events of March keep the first one and those of 2100 have the last:
 * what `price` says to the oracle.
 */
function randomSteps(seed: number): string[] {
  const some = (modulus: number): string => `(id * 7919 + ${seed}) % ${modulus} = 0`;
  const reprice = (where: string): string => `UPDATE campaign SET bid = bid + 0.37 WHERE ${where};
    DELETE FROM price WHERE valid_from = '2099-01-01' AND campaign_id IN (SELECT id FROM campaign WHERE ${where});
    INSERT INTO price SELECT id, '2099-01-01', bid FROM campaign WHERE ${where}`;
  return [
    `INSERT INTO impressions (campaign_id, created_at) SELECT 1 + (i * ${seed}) % 12, timestamp '2026-03-25' + make_interval(mins => i * 7) FROM generate_series(1, 60) i`,
    `UPDATE impressions SET campaign_id = 1 + (campaign_id + ${seed}) % 12 WHERE ${some(31)}`,
    `DELETE FROM impressions WHERE ${some(37)}; DELETE FROM clicks WHERE ${some(17)}`,
    reprice(some(3)),
    `INSERT INTO clicks (campaign_id, created_at) SELECT 1 + (i * ${seed}) % 12, timestamp '2100-01-01' + make_interval(mins => i) FROM generate_series(1, 30) i`,
    `UPDATE clicks SET created_at = created_at + interval '13 hours' WHERE ${some(11)};
     UPDATE clicks SET created_at = NULL WHERE ${some(101)}`,
    `UPDATE campaign SET name = name || '${seed}', budget = budget * 1.1, advertiser_id = 1 + (id + ${seed}) % 3 WHERE ${some(4)}`,
    `INSERT INTO impressions (campaign_id, created_at) VALUES (2, '2026-03-26 10:00');
     UPDATE impressions SET campaign_id = 3 WHERE id = (SELECT max(id) FROM impressions);
     DELETE FROM clicks WHERE id = (SELECT max(id) FROM clicks)`,
    `UPDATE advertiser SET name = name || '${seed}' WHERE ${some(2)}`,
    reprice('id % 2 = 0'),
  ];
}

/** The others are the oracle's. */
const AD_TABLES = ['public.advertiser', 'public.campaign', 'public.impressions', 'public.clicks'];

/** In short some positions, each one way in turn; with TEST_LONG=1 all of them, all ways. */
const isLong = process.env['TEST_LONG'] === '1';
const someOf = (i: number): readonly Asked[] => (isLong ? ASKED : ASKED.slice(i % 2, (i % 2) + 1));

const PLAIN_NAMES = (ORACLE_NAMES as KpiName[]).filter((name) => name !== 'changes');

function request(name: KpiName, asked: Asked): KpiRequest {
  const { from, to, ...rest } = asked;
  return (KPIS[name].params as readonly string[]).includes('from') ? { ...rest, from, to } : rest;
}

/** What the source says of every figure, and where its log was. */
async function recordSource(pg: TemporaryPostgres, asked = ASKED) {
  const answers = [];
  for (const one of asked)
    for (const name of PLAIN_NAMES)
      answers.push({ name, asked: one, rows: await pgRows(pg.client, oracleSql(name, one)) });
  return { lsn: await currentLsn(pg.client), answers };
}

/** What the copy says of every figure at present. */
async function recordCopy(pg: TemporaryPostgres, ch: TemporaryClickHouse, asked = ASKED) {
  const answers = [];
  for (const one of asked)
    for (const name of (Object.keys(KPIS) as KpiName[]).filter((one) => KPIS[one].source !== 'copy'))
      answers.push({ name, asked: one, rows: (await queryKpi(ch.client, ch, name, request(name, one))).rows });
  return { lsn: await currentLsn(pg.client), answers };
}

type Recorded = Awaited<ReturnType<typeof recordCopy>>;

async function differences(ch: TemporaryClickHouse, { lsn, answers }: Recorded): Promise<string[]> {
  const wrong: string[] = [];
  for (const { name, asked, rows: wanted } of answers) {
    const { rows } = await queryKpi(ch.client, ch, name, { ...request(name, asked), asOf: formatLsn(lsn) });
    const columns = Object.keys(wanted[0] ?? {}).filter((column) => !column.startsWith('_'));
    const [found, expected] = [new Set(texts(rows, columns)), new Set(texts(wanted, columns))];
    const place = `${name} in ${asked.timezone} at ${formatLsn(lsn)}`;
    wrong.push(...[...expected].filter((row) => !found.has(row)).map((row) => `${place}: then ${row}`));
    wrong.push(...[...found].filter((row) => !expected.has(row)).map((row) => `${place}: as of ${row}`));
    if (rows.length !== wanted.length) wrong.push(`${place}: ${rows.length} rows, not ${wanted.length}`);
  }
  return wrong;
}

test('GIVEN random changes of all tables WHEN every figure is asked as of positions and times between them THEN it is what it was', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(randomMonth(SEED));
  await pg.client.query("DELETE FROM price WHERE valid_from > '-infinity'");
  const options = { eventHistory: 'on', includeTables: AD_TABLES } as const;
  let pipeline = startPipeline(pg, ch, options);
  await pipeline.caughtUp();
  for (const { scope, id, pricing_model, budget_kind } of await pgRows(pg.client, 'SELECT * FROM rule')) {
    await ch.client.command(
      `INSERT INTO ${ch.database}.pricing_rules (scope, id, pricing_model, budget_kind) VALUES ('${scope}', ${id}, '${pricing_model ?? ''}', '${budget_kind ?? ''}')`,
    );
  }
  const recorded: Recorded[] = isLong ? [await recordSource(pg)] : [];
  const times: { at: string; of: Recorded }[] = [];
  // Nothing waits for the copy here: transactions of one batch are told from each other.
  for (const [i, step] of randomSteps(SEED).entries()) {
    await pg.client.query(`BEGIN; ${step}; COMMIT`);
    if (!isLong && i % 4 !== 2) continue;
    const record = await recordSource(pg, someOf(i / 2));
    recorded.push(record);
    const [clock] = await pgRows(
      pg.client,
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at",
    );
    times.push({ at: String(clock?.['at']), of: record });
  }
  await pipeline.caughtUp();
  // A restart goes on with what was kept; a campaign goes and comes again, a table is emptied.
  await pipeline.stop();
  pipeline = startPipeline(pg, ch, options);
  await using _ = pipeline;
  for (const [i, step] of [
    'DELETE FROM campaign WHERE id = 4; UPDATE campaign SET advertiser_id = NULL WHERE advertiser_id = 1; DELETE FROM advertiser WHERE id = 1',
    "INSERT INTO campaign (id, name, bid, budget) VALUES (4, 'again', 2.22, 7); UPDATE campaign SET id = 77 WHERE id = 5",
    'TRUNCATE clicks',
    "INSERT INTO clicks (campaign_id, created_at) SELECT 6, timestamp '2026-03-25' + make_interval(mins => i) FROM generate_series(1, 20) i",
  ].entries()) {
    await pg.client.query(`BEGIN; ${step}; COMMIT`);
    await pipeline.caughtUp();
    if (isLong || i % 2 === 0) recorded.push(await recordCopy(pg, ch, someOf(i / 2)));
  }
  await pg.client.query('TRUNCATE impressions; DELETE FROM campaign');
  await pipeline.caughtUp();

  const wrong: string[] = [];
  for (const record of recorded) wrong.push(...(await differences(ch, record)));
  expect(wrong).toEqual([]);
  const ask = (asOf: string) => queryKpi(ch.client, ch, 'ctr', { pricingModel: 'cpc', asOf });
  for (const { at, of } of times) expect((await ask(at)).asOf, at).toEqual((await ask(formatLsn(of.lsn))).asOf);
  await expect(ask('0/1')).rejects.toThrow(/where the past of the copy begins/);
  await expect(ask('2020-01-01')).rejects.toThrow(/where the past of the copy begins/);
  await expect(ask('FFFF/0')).rejects.toThrow(/not in the copy yet/);
  await expect(ask('2199-01-01 10:00')).rejects.toThrow(/not in the copy yet/);
  await expect(ask('yesterday')).rejects.toThrow(/neither a position/);
}, 240_000);

test('GIVEN a copy that kept nothing WHEN events are kept from now on THEN its past begins there, and ends when they are not', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    "INSERT INTO campaign (id, name, bid, budget) VALUES (1, 'one', 1, 10); INSERT INTO impressions (campaign_id, created_at) VALUES (1, '2026-03-25')",
  );
  const impressions = async (asOf: string): Promise<unknown> => {
    const { rows } = await queryKpi(ch.client, ch, 'delivery', { pricingModel: 'cpc', grain: 'total', asOf });
    return Number(rows[0]?.['impressions']);
  };
  const before = startPipeline(pg, ch);
  await before.caughtUp();
  await pg.client.query("INSERT INTO impressions (campaign_id, created_at) VALUES (1, '2026-03-26')");
  await before.caughtUp();
  await expect(impressions('0/1')).rejects.toThrow(/keeps no versions of events/);
  await before.stop();
  const kept = startPipeline(pg, ch, { eventHistory: 'on' });
  await kept.caughtUp();
  const two = formatLsn(await currentLsn(pg.client));
  await pg.client.query("INSERT INTO impressions (campaign_id, created_at) VALUES (1, '2026-03-27')");
  await kept.caughtUp();
  await pg.client.query('DELETE FROM impressions');
  await kept.caughtUp();
  expect(await impressions(two)).toEqual(2);
  await kept.stop();
  await using off = startPipeline(pg, ch);
  await off.caughtUp();
  await expect(impressions(two)).rejects.toThrow(/keeps no versions of events/);
}, 120_000);
