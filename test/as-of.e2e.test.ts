/** Key figures as of the past: what they were then, by plain SQL on the source. `TEST_RANDOM_SEED` says where they begin, `TEST_LONG=1` asks at every step. Through kills: kpi-histories.e2e. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { auditFromNow, dateByCommit, instant } from '../src/chaos/audit.ts';
import type { Asked } from '../src/chaos/oracle/asked.ts';
import { type Answer, answersOfSource, differencesFrom } from '../src/chaos/oracle/every-kpi.ts';
import { ControlStore } from '../src/destination/control.ts';
import { queryKpi } from '../src/kpi/query.ts';
import { formatLsn, parseLsn } from '../src/model/lsn.ts';
import { pgRows } from '../src/source/connection.ts';
import { currentLsn } from '../src/source/slot.ts';
import { request } from '../src/verify/ask.ts';
import { verify } from '../src/verify/verify.ts';
import { randomMonth, writeRules } from './support/ad-scenes.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { IS_LONG } from './support/long.ts';
import { presentWriter } from './support/plant.ts';
import { resyncTables } from './support/resync.ts';
import { verifyOptions } from './support/verification.ts';
import { waitFor } from './support/wait.ts';

const SEED = Number(process.env['TEST_RANDOM_SEED'] ?? 4_711);

/** They take turns. */
const WAYS: readonly Asked[] = (
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

/** A few random transactions. Bids change now, so events of March keep the first one and those of 2100 have the last. */
function randomSteps(seed: number): string[] {
  const some = (modulus: number): string => `(id * 7919 + ${seed}) % ${modulus} = 0`;
  return [
    `INSERT INTO impressions (campaign_id, created_at) SELECT 1 + (i * ${seed}) % 12, timestamp '2026-03-25' + make_interval(mins => i * 7) FROM generate_series(1, 60) i`,
    `UPDATE impressions SET campaign_id = 1 + (campaign_id + ${seed}) % 12 WHERE ${some(31)}`,
    `DELETE FROM impressions WHERE ${some(37)}; DELETE FROM clicks WHERE ${some(17)}; UPDATE campaign SET bid = bid + 0.37 WHERE ${some(3)}`,
    `INSERT INTO clicks (campaign_id, created_at) SELECT 1 + (i * ${seed}) % 12, timestamp '2100-01-01' + make_interval(mins => i) FROM generate_series(1, 30) i`,
    `UPDATE clicks SET created_at = created_at + interval '13 hours' WHERE ${some(11)};
     UPDATE clicks SET created_at = NULL WHERE ${some(101)}`,
    `UPDATE campaign SET name = name || '${seed}', budget = budget * 1.1, advertiser_id = 1 + (id + ${seed}) % 3 WHERE ${some(4)}`,
    `INSERT INTO impressions (campaign_id, created_at) VALUES (2, '2026-03-26 10:00');
     UPDATE impressions SET campaign_id = 3 WHERE id = (SELECT max(id) FROM impressions);
     DELETE FROM clicks WHERE id = (SELECT max(id) FROM clicks)`,
    `UPDATE advertiser SET name = name || '${seed}' WHERE ${some(2)}; UPDATE campaign SET bid = bid + 0.37 WHERE id % 2 = 0`,
  ];
}

/** After a restart: a campaign goes and comes again, one gets another id, tables are emptied. */
const LATER_STEPS = [
  'DELETE FROM campaign WHERE id = 4; UPDATE campaign SET advertiser_id = NULL WHERE advertiser_id = 1; DELETE FROM advertiser WHERE id = 1',
  "INSERT INTO campaign (id, name, bid, budget) VALUES (4, 'again', 2.22, 7); UPDATE campaign SET id = 77 WHERE id = 5",
  'TRUNCATE clicks',
  "INSERT INTO clicks (campaign_id, created_at) SELECT 6, timestamp '2026-03-25' + make_interval(mins => i) FROM generate_series(1, 20) i",
];

/** What the source says of every figure, and when. */
interface Recorded {
  readonly lsn: string;
  readonly at: string;
  readonly answers: readonly Answer[];
}

async function record(pg: TemporaryPostgres, ways: readonly Asked[]): Promise<Recorded> {
  await dateByCommit(pg);
  const lsn = formatLsn(await currentLsn(pg.client));
  return { lsn, at: await instant(pg), answers: await answersOfSource(pg, ways) };
}

test('GIVEN random changes of all tables WHEN every figure is asked as of positions and times between them THEN it is what it was', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(randomMonth(SEED));
  await auditFromNow(pg);
  const options = { eventHistory: 'on' } as const;
  let pipeline = startPipeline(pg, ch, options);
  await pipeline.caughtUp();
  await writeRules(pg, ch);
  const recorded: Recorded[] = [];
  // Nothing waits for the copy here: transactions of one batch are told from each other.
  const run = async (steps: readonly string[], when: readonly number[]): Promise<void> => {
    for (const [i, step] of steps.entries()) {
      await pg.client.query(`BEGIN; ${step}; COMMIT`);
      if (IS_LONG) recorded.push(await record(pg, WAYS));
      else if (when.includes(i))
        recorded.push(await record(pg, WAYS.slice(recorded.length % 2, (recorded.length % 2) + 1)));
    }
  };
  await run(randomSteps(SEED), [3, 6]);
  await pipeline.caughtUp();
  // A restart goes on with what was kept.
  await pipeline.stop();
  pipeline = startPipeline(pg, ch, options);
  await using _ = pipeline;
  await run(LATER_STEPS, [1, 3]);
  await pg.client.query('TRUNCATE impressions; DELETE FROM campaign');
  await pipeline.caughtUp();

  const wrong: string[] = [];
  for (const { lsn, answers } of recorded) wrong.push(...(await differencesFrom(ch, answers, { asOf: lsn })));
  expect(wrong).toEqual([]);
  const ask = (asOf: string) => queryKpi(ch.client, ch, 'campaigns', { pricingModel: 'cpc', asOf });
  for (const { at, lsn } of recorded) expect((await ask(at)).asOf, at).toEqual((await ask(lsn)).asOf);
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

test('GIVEN moments of the past WHEN the copy is repaired, computed anew, loaded again or altered THEN they are told as they were, or refused where they cannot be', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  const options = { eventHistory: 'on', catalogPollMs: 100 } as const;
  let pipeline = startPipeline(pg, ch, options);
  await pipeline.caughtUp();
  const ask = async (asOf?: string) => queryKpi(ch.client, ch, 'campaigns', { pricingModel: 'cpc', asOf });
  const tell = async (asOf?: string): Promise<unknown> => {
    const asked = {
      pricingModel: 'cpc',
      by: 'campaign',
      grain: 'total',
      from: '2020-01-01',
      to: '2029-01-01',
    } as const;
    const { rows } = await queryKpi(ch.client, ch, 'delivery', { ...asked, asOf });
    return { rows, campaigns: (await ask(asOf)).rows };
  };
  /** The copy as it is now, checked; and something that changes it afterwards. */
  const moment = async (): Promise<{ lsn: string; was: unknown }> => {
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
    const was = { lsn: formatLsn(await currentLsn(pg.client)), was: await tell() };
    await pg.client.query(
      'DELETE FROM clicks WHERE id % 7 = 0; UPDATE campaign SET bid = bid + 1; UPDATE impressions SET campaign_id = 1 + id % 5 WHERE id % 3 = 0; INSERT INTO clicks (campaign_id) VALUES (2)',
    );
    await pipeline.caughtUp();
    expect(await tell()).not.toEqual(was.was);
    return was;
  };
  const expectTold = async ({ lsn, was }: { lsn: string; was: unknown }): Promise<void> =>
    expect(await tell(lsn)).toEqual(was);
  const expectRefused = async ({ lsn }: { lsn: string }): Promise<void> =>
    await expect(tell(lsn)).rejects.toMatchObject({ code: 'AS_OF_UNKNOWN' });
  const repair = async (...damage: readonly string[]): Promise<void> => {
    const settings = await presentWriter(ch, pg.database);
    for (const sql of damage) await ch.client.command(sql, { settings });
    expect((await verify(verifyOptions(pg, ch, { repair: true }))).verdict).toBe('repaired');
  };
  const restart = async (between: () => Promise<unknown>): Promise<void> => {
    await pipeline.stop();
    await between();
    pipeline = startPipeline(pg, ch, options);
    await pipeline.caughtUp();
  };

  // A rollup that is wrong, and a row of a mirror that is: their histories were right.
  const first = await moment();
  await repair(
    `INSERT INTO ${ch.database}.campaign_hourly VALUES (1, '2026-01-01 00:00:00', 5, 5, 5, 5)`,
    `INSERT INTO ${ch.database}.impressions SELECT id, 6, created_at, _version, 0 FROM ${ch.database}.impressions FINAL WHERE id = 9`,
  );
  expect(await rebuildRollups(pg, ch)).toMatchObject({ kind: 'rebuilt' });
  await expectTold(first);
  // A version that is gone from the history: nobody knows since when.
  await repair(`ALTER TABLE ${ch.database}.impressions_history DELETE WHERE id = 9 SETTINGS mutations_sync = 1`);
  await expectRefused(first);
  // Without any commit since: the repaired rows are of this moment already.
  const lsn = await currentLsn(pg.client);
  // Others write to the log too: a position behind which nothing is pending is stored within a second.
  await waitFor(async () => parseLsn((await ask()).asOf.lsn ?? '0/0') >= lsn, { what: `${lsn} to be stored` });
  const repaired = formatLsn(lsn);
  const present = await tell();
  expect(await tell(repaired)).toEqual(present);
  const second = await moment();
  await expectTold({ lsn: repaired, was: present });
  await expectTold(second);
  // One table is loaded again.
  await restart(async () => resyncTables(pg, ch, ['public.clicks']));
  await expectRefused(second);
  const third = await moment();
  await expectTold(third);
  // Rewritten, which no change tells.
  await pg.client.query(
    "ALTER TABLE impressions ALTER COLUMN created_at TYPE timestamp USING created_at - interval '1 hour'",
  );
  await waitFor(async () => (await adDifferences(pg, ch)).length === 0, { what: 'the table to be loaded again' });
  await expectRefused(third);
  const fourth = await moment();
  await expectTold(fourth);
  // The slot is lost, and the copy knows of commits that this source, which was taken back, never had.
  await restart(async () => {
    await pgRows(pg.client, 'SELECT pg_drop_replication_slot($1)', [pg.database]);
    const [strange, far] = [(await currentLsn(pg.client)) + 500_000n, (await currentLsn(pg.client)) + (1n << 40n)];
    const settings = await presentWriter(ch, pg.database);
    await ch.client.command(
      `INSERT INTO ${ch.internal}.commits VALUES ('${pg.database}', ${strange}, '2199-01-01 00:00:00')`,
      { settings },
    );
    await ch.client.command(
      `INSERT INTO ${ch.internal}.event_history (pipeline, from_lsn) VALUES ('${pg.database}', ${far})`,
      {
        settings,
      },
    );
    await resyncTables(pg, ch);
    await pg.client.query("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))");
  });
  await expectRefused(fourth);
  const fifth = await moment();
  await expectTold(fifth);
  expect((await ask(fifth.lsn)).asOf.commitTime).not.toMatch(/^2199/);
  await pipeline.stop();
}, 240_000);

async function rebuildRollups(pg: TemporaryPostgres, ch: TemporaryClickHouse) {
  const store = new ControlStore(ch.client, ch, pg.database);
  const control = { control: pg.client, store, waitMs: 60_000, signal: new AbortController().signal };
  return await request({ kind: 'rebuild', id: randomUUID(), month: null }, control);
}
