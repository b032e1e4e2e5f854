/** `millrace kpi` as it is built: filters, formats, files, and the past. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../src/model/package-root.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { commandEnvironment, millrace } from './support/command.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { type RunningPipeline, startPipeline } from './support/pipeline.ts';

const ROWS = `INSERT INTO advertiser (id, name) VALUES (1, 'A'), (2, 'B');
  INSERT INTO campaign (id, name, bid, budget, advertiser_id) VALUES (1, 'one', 0.5, 10, 1), (2, 'two', 2, 20, 2);
  INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i % 2, timestamp '2026-03-01 23:30' + make_interval(hours => i) FROM generate_series(0, 99) i;
  INSERT INTO clicks (campaign_id, created_at) SELECT 1 + i % 2, timestamp '2026-03-01 23:30' + make_interval(hours => i) FROM generate_series(0, 99, 9) i`;

let pg: TemporaryPostgres;
let ch: TemporaryClickHouse;
let pipeline: RunningPipeline;
let directory: string;

beforeAll(async () => {
  pg = await temporaryAdSource();
  ch = await temporaryClickHouse();
  directory = await mkdtemp(join(tmpdir(), 'millrace-kpi-'));
  await pg.client.query(ROWS);
  pipeline = startPipeline(pg, ch, { eventHistory: 'on' });
  await pipeline.caughtUp();
});
afterAll(async () => {
  await pipeline[Symbol.asyncDispose]();
  await pg[Symbol.asyncDispose]();
  await ch[Symbol.asyncDispose]();
});

const kpi = (...args: string[]) => millrace(['kpi', ...args], pg, ch);
const json = async (...args: string[]) => {
  const { stdout, stderr, exitCode } = await kpi(...args, '--json');
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  return JSON.parse(stdout) as { rows: Record<string, unknown>[]; asOf: { lsn: string }; timezone: string };
};

test('filters narrow, the time zone and the kind of budget come from flags', async () => {
  const all = await json('delivery', '--grain', 'total', '--by', 'campaign');
  expect(all.rows.map((row) => [row['campaign'], Number(row['impressions'])])).toEqual([
    ['one', 50],
    ['two', 50],
  ]);
  const one = await json(
    'delivery',
    '--grain',
    'day',
    '--advertiser',
    '2',
    '--from',
    '2026-03-02',
    '--to',
    '2026-03-02',
  );
  expect(one.rows.map((row) => Number(row['impressions']))).toEqual([12]);
  const berlin = await json('delivery', '--timezone', 'Europe/Berlin', '--to', '2026-03-02');
  expect(berlin.timezone).toBe('Europe/Berlin');
  expect(berlin.rows.map((row) => Number(row['impressions']))).toEqual([24]);
  const daily = await json('budget', '--budget-kind', 'daily', '--campaign', '1');
  expect(daily.rows.map((row) => row['budget_kind'])).toEqual(['daily']);
  expect(await kpi('ctr', '--timezone', 'Europe/Berlim')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('time zone'),
  });
});

test('a table for a pipe has neither colours nor trend lines', async () => {
  const { stdout } = await kpi('delivery');
  expect(stdout).toContain('2026-03-01');
  expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}▁-█]/u);
});

test('Parquet is a file that ClickHouse reads back, with exact money; nothing is left of it beside', async () => {
  const file = join(directory, 'spend.parquet');
  expect(await kpi('spend', '--format', 'parquet', '--output', file)).toMatchObject({
    exitCode: 0,
    stdout: '',
    stderr: '',
  });
  const bytes = await readFile(file);
  expect([bytes.subarray(0, 4).toString(), bytes.subarray(-4).toString()]).toEqual(['PAR1', 'PAR1']);
  await ch.client.command(
    `CREATE TABLE ${ch.database}.back (campaign String, est_spend Decimal(38, 6), as_of_lsn String) ENGINE = Memory`,
  );
  await ch.client.insert(`INSERT INTO ${ch.database}.back FORMAT Parquet`, [bytes], {
    settings: { input_format_parquet_case_insensitive_column_matching: 0 },
  });
  const back = await ch.client.rows(`SELECT campaign, est_spend FROM ${ch.database}.back ORDER BY campaign`);
  const { rows } = await json('spend');
  const expected = rows.map(({ campaign, est_spend }) => ({ campaign, est_spend }));
  expect(back).toEqual(expected.toSorted((a, b) => String(a.campaign).localeCompare(String(b.campaign))));
  expect(await readdir(directory)).toEqual(['spend.parquet']);
  expect(await kpi('spend', '--format', 'parquet', '--output', join(directory, 'no', 'where'))).toMatchObject({
    exitCode: 2,
  });
  expect(await kpi('list', '--format', 'parquet')).toMatchObject({ exitCode: 2 });
});

test('CSV goes to a file, too', async () => {
  const file = join(directory, 'daily.csv');
  expect(await kpi('daily', '--format', 'csv', '--output', file)).toMatchObject({ exitCode: 0, stdout: '' });
  expect((await readFile(file, 'utf8')).split('\r\n').length).toBeGreaterThan(4);
});

test('watching tells every change, a line of JSON per look, and ends well at Ctrl-C', async () => {
  const args = [join(packageRoot(), 'dist/src/cli/main.js'), 'kpi', 'quality', '--watch', '0.2', '--json'];
  const child = spawn(process.execPath, args, { env: commandEnvironment(pg, ch), stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const seen: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const { rows } = JSON.parse(line) as { rows: { impressions: string }[] };
    const impressions = rows.reduce((sum, row) => sum + Number(row.impressions), 0);
    if (seen.at(-1) === impressions) continue;
    seen.push(impressions);
    if (seen.length === 2) child.kill('SIGINT');
    else await pg.client.query("INSERT INTO impressions (campaign_id, created_at) VALUES (1, '2026-03-04')");
  }
  expect(seen[1]).toBe((seen[0] ?? 0) + 1);
  expect(await ended).toBe(0);
  expect(await kpi('ctr', '--watch', '--output', 'x')).toMatchObject({ exitCode: 2 });
  expect(await kpi('ctr', '--watch', '0')).toMatchObject({ exitCode: 2 });
});

test('as of a position and of a time', async () => {
  await pipeline.caughtUp();
  const before = await json('campaigns');
  await pg.client.query('UPDATE campaign SET bid = 9.99');
  await pipeline.caughtUp();
  expect((await json('campaigns')).rows.map(({ bid }) => bid)).toEqual(['9.99', '9.99']);
  const past = await json('campaigns', '--as-of', before.asOf.lsn);
  expect(past.rows).toEqual(before.rows);
  expect(await kpi('ctr', '--as-of', '0/1')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('past of the copy begins'),
  });
});

test('columns and rows are chosen, by names that the figure has', async () => {
  const { stdout } = await kpi('ctr', '--columns', 'clicks,campaign', '--limit', '1', '--format', 'csv');
  expect(stdout.split('\r\n').slice(0, 2)).toEqual([
    'clicks,campaign,as_of,as_of_lsn',
    expect.stringMatching(/^\d,(one|two),/),
  ]);
  expect(stdout.split('\r\n')).toHaveLength(3);
  const refused = await kpi('ctr', '--columns', 'click');
  expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('has no column “click”') });
  expect(await kpi('ctr', '--limit', '1', '--format', 'parquet', '--output', '/nowhere')).toMatchObject({
    exitCode: 2,
  });
});
