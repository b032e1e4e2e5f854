/** `millrace verify` as a command: with and without a running pipeline, what it prints, how it ends. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { packageRoot } from '../src/model/package-root.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { waitFor } from './support/wait.ts';
import { tableStates } from './support/tables.ts';

let pg: TemporaryPostgres;
let ch: TemporaryClickHouse;

beforeAll(async () => {
  pg = await temporaryAdSource();
  ch = await temporaryClickHouse();
  await pg.client.query(
    `${FIRST_ROWS}; CREATE TABLE other (id int PRIMARY KEY, t text, d date); INSERT INTO other VALUES (1, 'a')`,
  );
});

afterAll(async () => {
  await ch[Symbol.asyncDispose]();
  await pg[Symbol.asyncDispose]();
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function millrace(...args: string[]): Promise<Ended> {
  return await run('verify', ...args);
}

async function run(...args: string[]): Promise<Ended> {
  const env = {
    PATH: process.env['PATH'],
    MILLRACE_POSTGRES_URL: pg.url,
    MILLRACE_CLICKHOUSE_URL: ch.url,
    MILLRACE_SLOT: pg.database,
    MILLRACE_DATABASE: ch.database,
    MILLRACE_INTERNAL_DATABASE: ch.internal,
  };
  const command = [join(packageRoot(), 'dist/src/cli/main.js'), '--log-level', 'error', ...args];
  return await new Promise((resolve) => {
    execFile(process.execPath, command, { env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function databases(): Promise<string[]> {
  const rows = await ch.client.rows<{ name: string }>("SELECT name FROM system.databases WHERE name LIKE '%_verify'");
  return rows.map(({ name }) => name).filter((name) => name.startsWith(ch.internal));
}

test('GIVEN no copy THEN that is said, code 2', async () => {
  const { code, err } = await millrace();
  expect(err).toContain('there is no copy');
  expect(code).toBe(2);
});

test('GIVEN no running pipeline THEN the command runs one; damage ends with code 1, repair with 0; nothing is left behind', async () => {
  const pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await pipeline.stop();
  await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1)');

  const equal = await millrace('--json');
  expect(equal).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(equal.out)).toMatchObject({
    verdict: 'equal',
    mode: 'full',
    differing: 0,
    rollup: { leftOut: null },
  });

  await ch.client.command(`INSERT INTO ${ch.database}.other VALUES (2, 'extra', NULL, 0, 0)`, {
    settings: await presentWriter(ch, pg.database),
  });
  const damaged = await millrace('--quiet', '--tables', 'public.o*');
  expect(damaged.code).toBe(1);
  expect(damaged.out).toMatch(/public\.other +2 +extra/);
  expect(damaged.out).not.toContain('public.clicks');

  const repaired = await millrace('--quiet', '--repair');
  expect(repaired).toMatchObject({ code: 0 });
  expect(repaired.out).toContain('repaired');

  const last = await millrace('--last', '--json');
  expect(JSON.parse(last.out)).toMatchObject({ verdict: 'repaired', differing: 1, repaired: 1 });
  const status = await run('status', '--json');
  expect(JSON.parse(status.out)).toMatchObject({ verified: { verdict: 'repaired', mode: 'full', differing: 1 } });
  expect((await run('status')).out).toMatch(/verified +repaired, 1 differences \(full\) at [0-9A-F]+\//);
  expect(await databases()).toEqual([]);
});

test('GIVEN a quarantined table THEN it is left out and named, and the others are proved; alone it proves nothing, code 2', async () => {
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await pg.client.query("INSERT INTO other VALUES (3, 'c', 'infinity')");
  const isQuarantined = async (): Promise<boolean> =>
    (await tableStates(pg, ch)).get('public.other')?.phase === 'quarantined';
  await waitFor(isQuarantined, { what: 'the quarantine' });
  const partial = await millrace('--quick', '--json');
  expect(partial).toMatchObject({ code: 0, err: '' });
  const found = JSON.parse(partial.out) as { verdict: string; tables: { table: string; leftOut: string | null }[] };
  expect(found.verdict).toBe('partial');
  expect(found.tables.filter(({ leftOut }) => leftOut !== null)).toEqual([
    expect.objectContaining({ table: 'public.other', leftOut: expect.stringContaining('quarantined') }),
  ]);
  expect((await millrace('--tables', 'public.other', '--quiet')).code).toBe(2);
});
