/** Functions that make values of a row of several others of it: the same in the load, the stream, after a kill, in a repair. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type RowRule, transformRows } from '../src/config/define-config.ts';
import { copiedTables } from '../src/config/table-rules.ts';
import type { RowValue } from '../src/model/table-rule.ts';
import { pgRows } from '../src/source/connection.ts';
import { verify } from '../src/verify/verify.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { pipelineOptions, startPipeline } from './support/pipeline.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { tableState } from './support/tables.ts';
import { verifyOptions } from './support/verification.ts';

type Rules = NonNullable<Parameters<typeof startPipeline>[2]>;

const COLUMNS = `(id int, email text, country char(2), age int, score real, points bigint, ok boolean, attrs jsonb, note text)`;
const row = (i: string): string =>
  `${i}, 'Someone' || ${i} || '@Example.COM', (ARRAY['DE', 'FR', NULL])[1 + ${i} % 3], nullif(${i} % 80, 7), ${i} / 7.0, 9007199254740993 * ${i}, ${i} % 2 = 0,
   jsonb_build_object('tier', ${i} % 4, 'π', 'ü'), repeat('Note' || ${i}, 1000)`;
const rows = (from: number, to: number): string =>
  `INSERT INTO t SELECT ${row('i')} FROM generate_series(${from}, ${to}) i`;
/** The long note lies out of line: updates of other columns leave it out. */
const TABLE = `CREATE TABLE t ${COLUMNS}; ALTER TABLE t ALTER note SET STORAGE EXTERNAL; ${rows(1, 200)}; INSERT INTO t (id) VALUES (500)`;

const RULE = transformRows({
  reads: {
    id: 'text',
    email: 'text',
    country: 'text',
    age: 'number',
    score: 'number',
    points: 'bigint',
    ok: 'boolean',
    attrs: 'json',
    note: 'text',
  },
  sets: ['email', 'age', 'note', 'points'],
  row: ({ id, email, country, age, score, points, ok, attrs, note }) => ({
    email: country === 'DE' ? null : (email?.toLowerCase() ?? `nobody ${id}`),
    age: age === null ? -1 : Math.floor(age / 10) * 10,
    note: `${note?.slice(0, 7) ?? 'none'}/${score}/${ok}/${(attrs as { tier: number } | null)?.tier}`,
    points: points === null ? null : points + BigInt(age ?? 0),
  }),
});
const RULES: Rules = { tables: [{ match: 'public.t', transform: RULE }] };

/** What the copy should hold, from the same function and the values as this file reads them. */
async function expected(pg: TemporaryPostgres): Promise<unknown[]> {
  const found = await pgRows(
    pg.client,
    `SELECT id::text, email, country::text, age::text, score::text, points::text, ok::text, attrs::text, note FROM t ORDER BY t.id, t.points`,
  );
  return found.map(({ id, email, country, age, score, points, ok, attrs, note }) => {
    const made = RULE.row({
      id,
      email,
      country,
      age: age === null ? null : Number(age),
      score: score === null ? null : Math.fround(Number(score)),
      points: points === null ? null : BigInt(String(points)),
      ok: ok === null ? null : ok === 'true',
      attrs: attrs === null ? null : (JSON.parse(String(attrs)) as unknown),
      note,
    }) as { [name: string]: RowValue };
    return {
      id: Number(id),
      country,
      ...made,
      points: made['points'] === null ? null : String(made['points']),
    };
  });
}

async function copied(ch: TemporaryClickHouse): Promise<unknown[]> {
  return await ch.client.rows(
    `SELECT id, country, email, age, note, toString(points) AS points FROM ${ch.database}.t_current ORDER BY id, t_current.points`,
  );
}

/** With the large value and without it; several of one row; rows that come and go. */
const CHANGES = `UPDATE t SET age = age + 10 WHERE id % 3 = 0; UPDATE t SET country = 'FR' WHERE id % 3 = 0; UPDATE t SET note = 'short' WHERE id % 9 = 0;
  UPDATE t SET score = 0.1, attrs = NULL WHERE id % 5 = 0; DELETE FROM t WHERE id % 7 = 0; ${rows(600, 620)};
  BEGIN; ${rows(700, 705)}; UPDATE t SET ok = NOT ok WHERE id > 650; UPDATE t SET points = NULL WHERE id = 702; COMMIT; DELETE FROM t WHERE id = 700`;

const IDENTITIES = [
  ['a key', 'ALTER TABLE t ADD PRIMARY KEY (id)'],
  ['a key, under REPLICA IDENTITY FULL', 'ALTER TABLE t ADD PRIMARY KEY (id); ALTER TABLE t REPLICA IDENTITY FULL'],
  ['no key, under REPLICA IDENTITY FULL', 'ALTER TABLE t REPLICA IDENTITY FULL'],
] as const;

describe.each(IDENTITIES)('GIVEN a table with %s and a function for its rows', (_, identity) => {
  test('THEN load and stream give what the function gives, also of values that an update left out', async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(`${TABLE}; ${identity}`);
    await using pipeline = startPipeline(pg, ch, RULES);
    await pipeline.caughtUp();
    expect(await copied(ch)).toEqual(await expected(pg));
    await pg.client.query(CHANGES);
    await pipeline.caughtUp();
    expect(await copied(ch)).toEqual(await expected(pg));
    const proof = await verify(verifyOptions(pg, ch, { patterns: copiedTables(pipelineOptions(pg, ch, RULES)) }));
    expect(proof).toMatchObject({ verdict: 'partial', differing: 0 });
    expect(proof.tables[0]?.notCompared).toBe(
      ['email', 'age', 'points', 'note'].map((name) => `“${name}”, which is transformed`).join(', '),
    );
  });
});

test('GIVEN rows that are lost, another function, or other columns THEN the copy is again what the function gives', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLE}; ${IDENTITIES[0][1]}`);
  const first = startPipeline(pg, ch, RULES);
  await first.caughtUp();
  const options = verifyOptions(pg, ch, { patterns: copiedTables(pipelineOptions(pg, ch, RULES)) });
  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  await ch.client.command(`ALTER TABLE ${ch.database}.t DELETE WHERE id IN (8, 9)`, { settings });
  expect(await verify({ ...options, repair: true })).toMatchObject({ verdict: 'repaired', repaired: 2 });
  expect(await copied(ch)).toEqual(await expected(pg));
  // A column that is read goes, and another one has its name: nothing of any row is told by the stream.
  await pg.client.query(
    `ALTER TABLE t DROP COLUMN country, ADD COLUMN country char(2) DEFAULT 'FR'; UPDATE t SET age = 1 WHERE id = 3`,
  );
  await first.caughtUp();
  await expect.poll(async () => await copied(ch), { timeout: 60_000 }).toEqual(await expected(pg));
  // One that is set likewise.
  await pg.client.query(
    `ALTER TABLE t DROP COLUMN email, ADD COLUMN email text DEFAULT 'New@X'; UPDATE t SET age = 2 WHERE id = 3`,
  );
  await first.caughtUp();
  await expect.poll(async () => await copied(ch), { timeout: 60_000 }).toEqual(await expected(pg));
  // Two that are read, one of them set, exchange their names.
  await pg.client.query(
    `ALTER TABLE t RENAME email TO x; ALTER TABLE t RENAME country TO email; ALTER TABLE t RENAME x TO country; UPDATE t SET age = 3 WHERE id = 3`,
  );
  await first.caughtUp();
  await expect.poll(async () => await copied(ch), { timeout: 60_000 }).toEqual(await expected(pg));
  await first.stop();

  const other = transformRows({
    reads: { ok: 'boolean' },
    sets: ['email'],
    row: ({ ok }) => ({ email: ok === true ? 'yes' : 'no' }),
  });
  await using second = startPipeline(pg, ch, { tables: [{ match: 'public.t', transform: other }] });
  await second.caughtUp();
  await expect.poll(async () => (await tableState(pg, ch, 'public.t')).building, { timeout: 30_000 }).toBe(false);
  await second.caughtUp();
  const found = await ch.client.rows<{ email: string; age: number | null }>(
    `SELECT email, age FROM ${ch.database}.t_current ORDER BY id`,
  );
  const wanted = await pgRows(
    pg.client,
    `SELECT CASE WHEN ok THEN 'yes' ELSE 'no' END AS email, age FROM t ORDER BY id`,
  );
  expect(found).toEqual(wanted.map(({ email, age }) => ({ email, age: age === null ? null : Number(age) })));
});

test('GIVEN a function in a configuration file WHEN the process is killed in the load and in the stream THEN every row is made once', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const folder = await mkdtemp(join(tmpdir(), 'millrace-rows-'));
  try {
    const transform = `{ reads: ${JSON.stringify(RULE.reads)}, sets: ${JSON.stringify(RULE.sets)}, row: ${String(RULE.row)} }`;
    await writeFile(
      join(folder, 'millrace.config.mjs'),
      `export default { tables: [{ match: 'public.t', transform: ${transform} }] };`,
    );
    await pg.client.query(`${TABLE}; ${IDENTITIES[0][1]}`);
    await using pipeline = new PipelineProcess(pg, ch, {}, folder);
    pipeline.start('chunk-landed');
    await pipeline.closed();
    expect(pipeline.ending).toBe('SIGKILL');
    await pipeline.caughtUp({ plain: true });
    await pipeline.end('SIGTERM');
    await pg.client.query(CHANGES);
    for (const [i, point] of ['incomplete-noted', 'stored'].entries()) {
      pipeline.start(point);
      await pipeline.closed();
      expect(pipeline.ending).toBe('SIGKILL');
      await pg.client.query(`${rows(800 + i, 800 + i)}; UPDATE t SET age = ${i} WHERE id % 11 = ${i}`);
    }
    await pipeline.caughtUp({ plain: true });
    expect(await copied(ch)).toEqual(await expected(pg));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('GIVEN functions that fail, or rules that do not fit THEN the table is quarantined with the reason, or its values are NULL and counted', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const names = ['throws', 'extra', 'short', 'typed', 'absent', 'kind', 'keyed', 'nulls'];
  await pg.client.query(
    names
      .map(
        (name) =>
          `CREATE TABLE ${name} (id int PRIMARY KEY, name text, n numeric(10,2)); INSERT INTO ${name} VALUES (1, 'secret 4711', 2.5)`,
      )
      .join(';'),
  );
  const reads = { name: 'text', n: 'text' } as const;
  const throwing = (): never => {
    throw new RangeError('secret 4711');
  };
  const rule = (match: string, rest: object): NonNullable<Rules['tables']>[number] => ({
    match: `public.${match}`,
    transform: { reads, sets: ['name'], row: throwing, ...rest },
  });
  await using pipeline = startPipeline(pg, ch, {
    tables: [
      rule('throws', {}),
      rule('extra', { row: () => ({ name: 'x', id: 4 }) }),
      rule('short', { row: () => ({}) }),
      rule('typed', { sets: ['n'], row: () => ({ n: 'no number' }) }),
      rule('absent', { sets: ['gone'] }),
      rule('kind', { reads: { n: 'number' } }),
      rule('keyed', { sets: ['id'] }),
      { ...rule('nulls', { sets: ['name', 'n'] }), columns: { '*': { unfit: 'null' } } },
    ],
  });
  await pipeline.caughtUp();
  const states = async (): Promise<{ phase: string; reason: string }[]> =>
    await Promise.all(names.map(async (name) => await tableState(pg, ch, `public.${name}`)));
  const phases = async (): Promise<string[]> => (await states()).map(({ phase }) => phase);
  await expect.poll(phases, { timeout: 30_000 }).toEqual([...names.slice(1).map(() => 'quarantined'), 'live']);
  const found = await states();
  expect(found.map(({ reason }) => reason)).toEqual([
    expect.stringContaining('column name: the transform of public.throws threw RangeError'),
    expect.stringContaining('the transform of public.extra gave “id”, which is not among its `sets`'),
    expect.stringContaining('column name: the transform of public.short gave no value for it'),
    expect.stringContaining('column n: its transform gave no value of'),
    expect.stringContaining('no column “gone” that is copied, which its transform needs'),
    expect.stringContaining('“n” of type numeric(10,2), which its transform cannot read as number'),
    expect.stringContaining('“id” in its key, which can be hashed, not transformed'),
    '',
  ]);
  expect(found.map(({ reason }) => reason).join()).not.toContain('4711');
  expect(await ch.client.rows(`SELECT * FROM ${ch.database}.nulls_current`)).toEqual([{ id: 1, name: null, n: null }]);
  expect(
    await ch.client.rows(
      `SELECT column, reason, sample, sum(values)::String AS values FROM ${ch.internal}.losses GROUP BY ALL ORDER BY column`,
    ),
  ).toEqual(
    ['n', 'name'].map((column) => ({
      column,
      reason: 'the transform of public.nulls threw RangeError',
      sample: '(withheld)',
      values: '1',
    })),
  );
});

test('GIVEN tables that key figures are made of THEN a function makes what they have besides, changes of it are exact, and one that reads long values wants REPLICA IDENTITY FULL', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `ALTER TABLE impressions ADD device int, ADD label text; ALTER TABLE clicks ADD page text, ADD label text; INSERT INTO advertiser (name) VALUES ('A');
     INSERT INTO campaign (name, bid, budget, advertiser_id) SELECT 'c' || i, i, 10, 1 FROM generate_series(1, 3) i;
     INSERT INTO impressions (campaign_id, device, label) SELECT 1 + i % 3, i % 7, 'raw' FROM generate_series(1, 200) i; INSERT INTO clicks (campaign_id, page) VALUES (1, 'p')`,
  );
  const labelled = (column: string, as: 'number' | 'text'): RowRule =>
    transformRows({
      reads: { campaign_id: 'number', [column]: as },
      sets: ['label'],
      row: (given) => ({ label: `${String(given['campaign_id'])}/${String(given[column])}` }),
    });
  const impressions = { match: 'public.impressions', transform: labelled('device', 'number') };
  const pipeline = startPipeline(pg, ch, { tables: [impressions] });
  await pipeline.caughtUp();
  await pg.client.query(
    `UPDATE impressions SET device = 9 WHERE id % 5 = 0; UPDATE impressions SET campaign_id = 1 + (campaign_id + id) % 3 WHERE id % 3 = 0; DELETE FROM impressions WHERE id % 7 = 0;
     INSERT INTO impressions (campaign_id, device) VALUES (2, NULL), (NULL, 4)`,
  );
  await pipeline.caughtUp();
  const label = `coalesce(campaign_id::text, 'null') || '/' || coalesce(device::text, 'null')`;
  const wanted = await pgRows(
    pg.client,
    `SELECT id::int AS id, campaign_id, device, ${label} AS label FROM impressions ORDER BY id`,
  );
  const found = await ch.client.rows(
    `SELECT id, campaign_id, device, label FROM ${ch.database}.impressions_current ORDER BY id`,
  );
  const text = (value: string | number | null = null): string | null => (value === null ? null : String(value));
  expect(found).toEqual(
    wanted.map((row) => ({
      ...row,
      id: Number(row['id']),
      campaign_id: row['campaign_id'] === null ? null : Number(row['campaign_id']),
      device: row['device'] === null ? null : Number(row['device']),
    })),
  );
  const counts = await pgRows(
    pg.client,
    'SELECT campaign_id AS id, count(*) AS n FROM impressions GROUP BY 1 ORDER BY 1 NULLS LAST',
  );
  const sums = await ch.client.rows<{ id: number | null; n: string }>(
    `SELECT campaign_id AS id, sum(impressions) AS n FROM ${ch.database}.campaign_hourly GROUP BY 1 HAVING n != 0 ORDER BY 1 NULLS LAST`,
  );
  expect(sums.map(({ id, n }) => [text(id), text(n)])).toEqual(counts.map(({ id, n }) => [text(id), text(n)]));
  await pipeline.stop();
  const clicks = { match: 'public.clicks', transform: labelled('page', 'text') };
  await using second = startPipeline(pg, ch, { tables: [impressions, clicks] });
  await second.caughtUp();
  expect(await tableState(pg, ch, 'public.clicks')).toMatchObject({
    phase: 'quarantined',
    reason: expect.stringContaining('reads “page”, which updates may leave out') as string,
  });
});

test('GIVEN a row that is read again because an update left a value out WHEN the function fails for it THEN that table is quarantined, and the others go on', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${TABLE}; ${IDENTITIES[0][1]}; CREATE TABLE other (id int PRIMARY KEY)`);
  const failing = transformRows({
    reads: { age: 'number', note: 'text' },
    sets: ['note'],
    row: ({ age, note }) => {
      if (age === 666) throw new RangeError(String(note));
      return { note: note?.slice(0, 3) ?? null };
    },
  });
  await using pipeline = startPipeline(pg, ch, { tables: [{ match: 'public.t', transform: failing }] });
  await pipeline.caughtUp();
  await pg.client.query('UPDATE t SET age = 666 WHERE id = 3; INSERT INTO other VALUES (1)');
  await pipeline.caughtUp();
  await expect
    .poll(async () => await tableState(pg, ch, 'public.t'), { timeout: 30_000 })
    .toMatchObject({ phase: 'quarantined', reason: 'column note: the transform of public.t threw RangeError' });
  expect(await ch.client.rows(`SELECT id FROM ${ch.database}.other_current`)).toEqual([{ id: 1 }]);
});
