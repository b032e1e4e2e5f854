/** `verify`: damage is found, named, repaired; an undamaged copy is never called damaged, whatever happens meanwhile. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { connectPostgres } from '../src/source/connection.ts';
import type { VerifyOptions } from '../src/verify/options.ts';
import { VerificationStore } from '../src/verify/store.ts';
import type { Verification } from '../src/verify/verification.ts';
import { verify } from '../src/verify/verify.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { type RunningPipeline, startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';

/** Tables whose keys have no order that both engines share. */
const OTHER_TABLES = `
  CREATE TABLE notes (id text PRIMARY KEY, body text, weight numeric(8,3), seen timestamptz);
  INSERT INTO notes SELECT 'note ' || n, CASE WHEN n % 3 > 0 THEN repeat('x', n % 3 - 1) END, n / 7.0, '2026-01-01Z'::timestamptz + n * interval '1 hour' FROM generate_series(1, 400) n;
  CREATE TABLE pairs (shop int, code uuid, amount double precision, PRIMARY KEY (shop, code));
  INSERT INTO pairs SELECT n % 3, md5(n::text)::uuid, n / 3.0 FROM generate_series(1, 400) n;
  CREATE TABLE marks (id uuid PRIMARY KEY, data jsonb);
  INSERT INTO marks SELECT md5(n::text)::uuid, jsonb_build_object('n', n) FROM generate_series(1, 400) n`;

let pg: TemporaryPostgres;
let ch: TemporaryClickHouse;
let pipeline: RunningPipeline;
let endTraffic: () => Promise<void>;

beforeAll(async () => {
  pg = await temporaryAdSource();
  ch = await temporaryClickHouse();
  await pg.client.query(`${FIRST_ROWS}; ${OTHER_TABLES}`);
  pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  endTraffic = await startTraffic(2);
});

afterAll(async () => {
  await endTraffic();
  await pipeline[Symbol.asyncDispose]();
  await ch[Symbol.asyncDispose]();
  await pg[Symbol.asyncDispose]();
});

/** Sessions that change rows over and over; rows with ids from 2000 on, and campaigns 4 to 6, stay as they are. */
async function startTraffic(sessions: number): Promise<() => Promise<void>> {
  const end = new AbortController();
  const work = Array.from({ length: sessions }, async (_, session) => {
    const client = await connectPostgres(pg.url, { applicationName: 'test' });
    for (let i = 0; !end.signal.aborted; i++) {
      // Fast enough to be met at every step, slow enough for a busy machine to follow.
      await pause(5);
      const id = 1 + session * 500 + (i % 500);
      await client.query(`INSERT INTO impressions (campaign_id, created_at) VALUES (${1 + (i % 3)}, '2026-01-01')`);
      await client.query(`UPDATE impressions SET campaign_id = ${1 + (i % 3)}, created_at = now() WHERE id = ${id}`);
      await client.query(`UPDATE campaign SET bid = ${(i % 90) / 10 + 0.1} WHERE id = ${1 + session}`);
      await client.query(`DELETE FROM impressions WHERE id = ${id + 250}`);
      await client.query(`INSERT INTO notes (id, body) VALUES ('traffic ${session} ${i}', '') ON CONFLICT DO NOTHING`);
      await client.query(`UPDATE pairs SET amount = amount + 1 WHERE code = md5('${100 + (i % 100)}')::uuid`);
    }
    await client.end();
  });
  return async () => {
    end.abort();
    await Promise.all(work);
  };
}

function optionsOf(overrides: Partial<VerifyOptions> = {}): VerifyOptions {
  return {
    postgresUrl: pg.url,
    replicaUrl: null,
    clickhouseUrl: ch.url,
    names: { database: ch.database, internal: ch.internal },
    slot: pg.database,
    patterns: { include: ['public.*'], exclude: ['public.flyway_schema_history'] },
    only: [],
    unfitPolicy: 'fail',
    maxLoad: 2,
    statementTimeoutMs: 30_000,
    sample: null,
    limit: 20,
    repair: false,
    waitMs: 30_000,
    signal: new AbortController().signal,
    ...overrides,
  };
}

/** Runs statements as the pipeline could: `db` stands for the copy's database. */
async function plant(statements: readonly string[]): Promise<void> {
  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  for (const sql of statements) await ch.client.command(sql.replaceAll('db.', `${ch.database}.`), { settings });
}

/** “table key kind: column expected → found”, sorted. */
function told(found: Verification): string[] {
  return found.differences
    .flatMap(({ table, key, kind, values }) => {
      const head = `${table} ${key.join('/')} ${kind}`;
      if (kind === 'missing' || kind === 'extra' || values.length === 0) return [head];
      return values.map(
        ({ column, expected, found: was }) => `${head}: ${column} ${expected} → ${was === '' ? "''" : was}`,
      );
    })
    .toSorted();
}

/** What is done behind the pipeline's back, and what is told of it besides buckets that follow from it. */
const DAMAGE: Readonly<Record<string, { sql: readonly string[]; told: readonly (string | RegExp)[] }>> = {
  'a row is missing': {
    sql: ['ALTER TABLE db.impressions DELETE WHERE id = 2500'],
    told: ['public.impressions 2500 missing'],
  },
  'a row was deleted in the copy alone': {
    sql: ['INSERT INTO db.clicks SELECT id, campaign_id, created_at, _version + 1, 1 FROM db.clicks FINAL WHERE id = 100'],
    told: ['public.clicks 100 missing'],
  },
  'a row is there that the source does not have': {
    sql: ["INSERT INTO db.impressions VALUES (-5, 2, '2026-02-02', 0, 0), (2147483647, 2, '2026-02-02', 0, 0)"],
    told: ['public.impressions -5 extra', 'public.impressions 2147483647 extra'],
  },
  'a row is older than it should be': {
    sql: [
      'ALTER TABLE db.campaign DELETE WHERE id = 5',
      "INSERT INTO db.campaign SELECT id, 'an old name', bid, budget, start_date, end_date, advertiser_id, updated_at, created_at, 0, 0 FROM db.campaign_history WHERE id = 5 LIMIT 1",
    ],
    told: [/^public.campaign 5 different: name .* → an old name$/, /^public.campaign 5 history: name an old name → /],
  },
  'a value is wrong': {
    sql: ['INSERT INTO db.impressions SELECT id, 6, created_at, _version, 0 FROM db.impressions FINAL WHERE id = 2600'],
    told: [/^public.impressions 2600 different: campaign_id \d → 6$/],
  },
  'NULL is an empty text, and a time is off by a microsecond': {
    sql: [
      "INSERT INTO db.notes SELECT id, '', weight, seen, _version, 0 FROM db.notes FINAL WHERE id = 'note 3'",
      "INSERT INTO db.notes SELECT id, body, weight, addMicroseconds(seen, 1), _version, 0 FROM db.notes FINAL WHERE id = 'note 4'",
    ],
    told: [
      "public.notes note 3 different: body null → ''",
      'public.notes note 4 different: seen 2026-01-01 04:00:00.000000+00 → 2026-01-01 04:00:00.000001+00',
    ],
  },
  'rows with composite and uuid keys are damaged': {
    sql: [
      "ALTER TABLE db.pairs DELETE WHERE code = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'",
      "INSERT INTO db.pairs VALUES (7, 'c4ca4238-a0b9-2382-0dcc-509a6f75849b', 1, 0, 0)",
      "INSERT INTO db.marks SELECT id, '{}', _version, 0 FROM db.marks FINAL WHERE id = 'c4ca4238-a0b9-2382-0dcc-509a6f75849b'",
      "ALTER TABLE db.marks DELETE WHERE id = 'c81e728d-9d4c-2f63-6f06-7f89cc14862c'",
    ],
    told: [
      'public.pairs 1/c4ca4238-a0b9-2382-0dcc-509a6f75849b missing',
      'public.pairs 7/c4ca4238-a0b9-2382-0dcc-509a6f75849b extra',
      'public.marks c4ca4238-a0b9-2382-0dcc-509a6f75849b different: data {"n": 1} → {}',
      'public.marks c81e728d-9d4c-2f63-6f06-7f89cc14862c missing',
    ],
  },
  'a bucket of the rollup is off by one': {
    sql: ["INSERT INTO db.campaign_hourly VALUES (5, '2026-02-02 03:00:00', 1, 0, 0, 0)"],
    told: ['campaign_hourly 5/2026-02-02 03:00 rollup: impressions 0 → 1'],
  },
  'a part of the rollup is there twice': {
    sql: ['INSERT INTO db.campaign_hourly SELECT campaign_id, hour, impressions, clicks, spend_cpc, spend_cpm FROM db.campaign_hourly WHERE campaign_id = 4 LIMIT 1'],
    told: [/^campaign_hourly 4\/.* rollup: (?:impressions|clicks|spend_cpc|spend_cpm) [\d.]+ → [\d.]+$/],
  },
  'spend is wrong': {
    sql: ["INSERT INTO db.campaign_hourly VALUES (5, '2026-02-02 04:00:00', 0, 0, 0.01, 0)"],
    told: ['campaign_hourly 5/2026-02-02 04:00 rollup: spend_cpc 0 → 0.01'],
  },
  'a history ends with another bid': {
    sql: ['INSERT INTO db.campaign_history SELECT * REPLACE (99 AS bid) FROM db.campaign_history WHERE id = 6 ORDER BY _version DESC LIMIT 1'],
    told: [/^public.campaign 6 history: bid .* → 99.00$/],
  },
}; // prettier-ignore

/** Damage of tables and histories at the same time, then damage of the rollup: what differs in a bucket is then its own. */
const isOfRollup = ([name]: [string, unknown]): boolean => /rollup|spend/.test(name);
const GROUPS = [
  ['tables and histories', Object.entries(DAMAGE).filter((damage) => !isOfRollup(damage))],
  ['the rollup', Object.entries(DAMAGE).filter(isOfRollup)],
] as const;

test.each(GROUPS)(
  'GIVEN traffic WHEN %s are damaged THEN all is told, and only that; repaired; and proved equal again',
  async (group, damages) => {
    for (const [, { sql }] of damages) await plant(sql);
    const found = await verify(optionsOf({ repair: true, limit: 1000 }));
    const lines = told(found).filter((line) => group === 'the rollup' || !line.startsWith('campaign_hourly'));
    const expected = damages.flatMap(([, damage]) => damage.told);
    const isTold = (line: string): boolean =>
      expected.some((wanted) => (typeof wanted === 'string' ? wanted === line : wanted.test(line)));
    expect(lines.filter((line) => !isTold(line))).toEqual([]);
    for (const line of expected)
      expect(lines).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line));
    expect(found).toMatchObject({ verdict: 'repaired', repaired: found.differing });
    const again = await verify(optionsOf());
    expect(told(again)).toEqual([]);
    expect(again.verdict).toBe('equal');
  },
);

test('an undamaged copy is equal under traffic, every time, and the result is kept', async () => {
  for (let i = 0; i < 4; i++) {
    const found = await verify(optionsOf(i % 2 === 0 ? {} : { sample: { ranges: 2, seed: i } }));
    expect(found.differing).toBe(0);
    expect(found.verdict).toBe('equal');
    const last = await new VerificationStore(ch.client, ch, pg.database).readLast();
    expect(last).toEqual(found);
  }
});

test('a row stored under a version above the position is told; deleted there, it can be repaired', async () => {
  await plant([
    'INSERT INTO db.clicks SELECT id, campaign_id, created_at, 4611686018427387904, 0 FROM db.clicks FINAL WHERE id = 200',
  ]);
  const found = await verify(optionsOf({ repair: true }));
  expect(told(found)).toEqual(['public.clicks 200 ahead']);
  expect(found).toMatchObject({ verdict: 'different', differing: 1, repaired: 0 });
  await plant(['ALTER TABLE db.clicks DELETE WHERE id = 200']);
  expect((await verify(optionsOf({ repair: true, only: ['public.clicks'] }))).verdict).toBe('repaired');
});

test('a verification that is stopped leaves no clones, and the pipeline goes on', async () => {
  const controller = new AbortController();
  const stopped = verify(optionsOf({ signal: controller.signal, onProgress: ({ stage }) => {
    if (stage === 'comparing') controller.abort();
  } })); // prettier-ignore
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  const clones = await ch.client.rows(`SELECT 1 FROM system.databases WHERE name = '${ch.internal}_verify'`);
  expect(clones).toEqual([]);
  expect((await verify(optionsOf())).verdict).toBe('equal');
});
