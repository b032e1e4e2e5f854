import pg from 'pg';
import { expect, test, vi } from 'vitest';
import { temporaryAdSource } from '../../test/support/ad-source.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from '../../test/support/databases.ts';
import { pipelineOptions, startPipeline } from '../../test/support/pipeline.ts';
import { isDefinition, objectOf } from '../destination/planned-objects.ts';
import { pgRows } from '../source/connection.ts';
import type { PipelineOptions } from './options.ts';
import { planStart, type StartPlan } from './plan.ts';
import { openCopy, prepare } from './prepare.ts';

type Engines = [TemporaryPostgres, TemporaryClickHouse];
type Overrides = Partial<PipelineOptions>;

async function plan([pgs, ch]: Engines, overrides: Overrides = {}): Promise<StartPlan> {
  const options = { ...pipelineOptions(pgs, ch, overrides), signal: new AbortController().signal };
  const copy = openCopy(options);
  await using _ = copy.clickhouse;
  return await planStart(copy, options);
}

/** Applies, and tells the statements that found something to do. */
async function apply(
  [pgs, ch]: Engines,
  overrides: Overrides = {},
): Promise<Pick<StartPlan, 'postgres' | 'clickhouse'>> {
  const options = { ...pipelineOptions(pgs, ch, overrides), signal: new AbortController().signal };
  const copy = openCopy(options);
  await using _ = copy.clickhouse;
  const clickhouse: string[] = [];
  const command = copy.clickhouse.command.bind(copy.clickhouse);
  copy.clickhouse.command = async (sql, given) => {
    if (isDefinition(sql) && !(await isDone(ch, sql)))
      clickhouse.push(sql.replaceAll(/PASSWORD '[^']*'/g, "PASSWORD '***'"));
    return await command(sql, given);
  };
  const query = vi.spyOn(pg.Client.prototype, 'query');
  try {
    await (await prepare(copy, options, new Map()))[Symbol.asyncDispose]();
    const sent = query.mock.calls.map(([sql]) => String(sql as unknown));
    return { clickhouse, postgres: sent.filter((sql) => /^(CREATE|ALTER|DROP) PUBLICATION/.test(sql)) };
  } finally {
    query.mockRestore();
  }
}

async function isDone({ client }: TemporaryClickHouse, statement: string): Promise<boolean> {
  const sql = statement.replace(/^(\s*--.*\n)*\s*/, '');
  const object = objectOf(sql);
  const [database = object?.database ?? '', name] =
    object === null ? [/`(.*)`/.exec(sql)?.[1]] : [object.database, object.name];
  const rows =
    name === undefined
      ? await client.rows('SELECT 1 FROM system.databases WHERE name = {database:String}', { params: { database } })
      : await client.rows('SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {name:String}', {
          params: { database, name },
        });
  if (sql.includes(' IF NOT EXISTS ') && sql.startsWith('CREATE')) return rows.length > 0;
  return sql.startsWith('DROP') && sql.includes(' IF EXISTS ') && rows.length === 0;
}

async function expectAsPlanned(engines: Engines, overrides: Overrides = {}): Promise<StartPlan> {
  const planned = await plan(engines, overrides);
  const done = await apply(engines, overrides);
  expect(done.postgres).toEqual(planned.postgres);
  expect(done.clickhouse.map(withoutPosition)).toEqual(planned.clickhouse.map(withoutPosition));
  return planned;
}

/** A table that is built beside its rows is named by the end of the source's log, one that is altered by the epoch. */
function withoutPosition(sql: string): string {
  return sql
    .replace(/built at [0-9A-F]+\/[0-9A-F]+/, 'built at …')
    .replaceAll(/`altered_(\d+)_\d+(_shown)?`/g, '`altered_$1$2`');
}

const EMPTY = { changes: false, tables: [], postgres: [], clickhouse: [], makesSlot: false };

test('GIVEN a source WHEN planned, applied and planned again THEN apply executes what was planned, and nothing is left to do', async () => {
  await using source = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  const engines: Engines = [source, ch];
  await source.client.query(
    `CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE log (t text); CREATE UNLOGGED TABLE b (id int PRIMARY KEY);
     CREATE TABLE "Odd \`name" (id int PRIMARY KEY, "x y" text)`,
  );
  const first = await expectAsPlanned(engines);
  expect(first).toMatchObject({ changes: true, makesSlot: true });
  expect(first.tables.map(({ table, fate }) => [table, fate])).toEqual([
    ['public.Odd `name', 'loaded'],
    ['public.a', 'loaded'],
    ['public.advertiser', 'loaded'],
    ['public.b', 'quarantined'],
    ['public.campaign', 'loaded'],
    ['public.clicks', 'loaded'],
    ['public.impressions', 'loaded'],
    ['public.log', 'loaded'],
  ]);
  expect(first.tables[1]?.statements).toHaveLength(4);
  const scripts = new Set(first.others.map(({ script }) => script));
  expect([...scripts]).toEqual(
    expect.arrayContaining(['V1__internal.sql', 'V2__ad_mirrors.sql', 'R__campaign_price.sql']),
  );
  expect(first.findings.map(({ object, remedy }) => [object, remedy])).toEqual(
    expect.arrayContaining([['public.log', 'ALTER TABLE "public"."log" REPLICA IDENTITY FULL;']]),
  );
  expect(await plan(engines)).toMatchObject(EMPTY);
});

test('GIVEN a copy WHEN tables come, go, change names, columns and rules THEN each is told, applied as planned, and at last nothing is left to do', async () => {
  await using source = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  const engines: Engines = [source, ch];
  await source.client.query(
    `CREATE TABLE kept (id int PRIMARY KEY); CREATE TABLE former (id int PRIMARY KEY, v text); CREATE TABLE gone (id int PRIMARY KEY);
     CREATE TABLE typed (id int PRIMARY KEY, v int); CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE y (id int PRIMARY KEY);
     CREATE TABLE widened (id int PRIMARY KEY, v int); CREATE TABLE ruled (id int PRIMARY KEY, v text); CREATE TABLE left_out (id int PRIMARY KEY)`,
  );
  {
    await using pipeline = startPipeline(...engines);
    await pipeline.caughtUp();
    expect(await plan(engines)).toMatchObject(EMPTY);
  }
  await source.client.query(
    `CREATE TABLE fresh (id int PRIMARY KEY); ALTER TABLE former RENAME TO named; DROP TABLE gone;
     ALTER TABLE typed ALTER v TYPE text, ADD w int; ALTER TABLE widened ADD n text; ALTER TABLE widened RENAME v TO u; ALTER TABLE x RENAME TO z; ALTER TABLE y RENAME TO x; ALTER TABLE z RENAME TO y`,
  );
  const overrides: Overrides = {
    excludeTables: ['public.left_out'],
    tables: [
      { match: 'public.ruled', columns: { v: { as: 'text' } }, orderBy: 'id', settings: { index_granularity: 1024 } },
    ],
  };
  const planned = await expectAsPlanned(engines, overrides);
  const fates = planned.tables.map(({ table, fate }) => [table, fate]);
  expect(fates).toEqual([
    ['public.fresh', 'loaded'],
    ['public.gone', 'dropped'],
    ['public.left_out', 'excluded'],
    ['public.named', 'renamed'],
    ['public.ruled', 'rebuilt'],
    ['public.typed', 'rebuilt'],
    ['public.widened', 'altered'],
    ['public.x', 'renamed'],
    ['public.y', 'renamed'],
  ]);
  const typed = planned.tables.find(({ table }) => table === 'public.typed');
  expect(typed?.columns).toEqual([
    { column: 'v', what: expect.stringMatching(/^is Nullable\(Int32\) in the copy, and becomes .*String/) as string },
    { column: 'w', what: 'is not in the copy: Nullable(Int32)' },
  ]);
  expect(typed?.later[0]).toMatch(/^EXCHANGE TABLES/);
  await using pipeline = startPipeline(...engines, overrides);
  await pipeline.caughtUp();
  await pipeline.stop();
  expect(await plan(engines, overrides)).toMatchObject(EMPTY);
  expect(
    await pgRows(source.client, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'millrace plan'"),
  ).toEqual([]);
});
