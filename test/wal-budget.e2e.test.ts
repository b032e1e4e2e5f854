/** The source is safe: what it keeps for the copy is watched, told early, and given up if the operator chose that. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import type { Status } from '../src/pipeline/status.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { inspectSlot } from '../src/source/slot.ts';
import { openLog } from '../src/telemetry/log.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { ownClickHouse } from './support/own-clickhouse.ts';
import { startPipeline } from './support/pipeline.ts';
import { millrace } from './support/command.ts';
import { PipelineProcess } from './support/process.ts';
import { waitFor } from './support/wait.ts';

const MIB = 2 ** 20;

/** A log that is kept. */
function keptLog() {
  const lines: { level: string; msg: string; percent: number }[] = [];
  const stream = { write: (line: string) => lines.push(JSON.parse(line) as (typeof lines)[0]) };
  return { log: openLog({ level: 'info', stream }), lines };
}

async function retained(pg: TemporaryPostgres): Promise<number> {
  return Number((await inspectSlot(pg.client, pg.database))?.retainedBytes ?? 0);
}

/** A transaction that has written something: while it is open, no slot can let go of what came after that. */
async function holdWal(pg: TemporaryPostgres): Promise<() => Promise<void>> {
  const session = await connectPostgres(pg.url);
  await pgRows(session, 'BEGIN');
  await pgRows(session, `SELECT pg_logical_emit_message(true, 'noise', 'begun')`);
  return async () => {
    await session.end();
  };
}

/** WAL that concerns nobody. */
async function writeWal(pg: TemporaryPostgres, bytes: number): Promise<void> {
  await pgRows(
    pg.client,
    `SELECT count(pg_logical_emit_message(false, 'noise', repeat('x', 262144))) FROM generate_series(1, $1::int)`,
    [Math.ceil(bytes / 262_144)],
  );
}

test('GIVEN a transaction that holds WAL WHEN it passes half and all of the budget THEN each is told once, and that it is over', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
  const { log, lines } = keptLog();
  const told = (percent: number) => lines.filter((line) => line.level === 'warn' && line.percent >= percent).length;
  await using pipeline = startPipeline(pg, ch, { walBudget: 32 * MIB, log });
  await pipeline.caughtUp();
  const release = await holdWal(pg);
  await writeWal(pg, 17 * MIB);
  await waitFor(() => told(50) > 0, { what: 'a warning at half of the budget' });
  await writeWal(pg, 20 * MIB);
  await waitFor(() => told(100) === 1, { what: 'a warning at the budget' });
  await release();
  const isWell = (): boolean => lines.some(({ msg }) => msg.includes('little WAL'));
  await waitFor(async () => (await pgRows(pg.client, 'CHECKPOINT')) && isWell(), { what: 'the end of the warning' });
  // At most: soon, half, four fifths, all. How many of them are met depends on when it looked.
  expect(lines.filter(({ level }) => level === 'warn').length).toBeLessThanOrEqual(4);
  expect(told(100)).toBe(1);
  await pipeline.caughtUp();
});

test('GIVEN the operator chose “drop” WHEN the budget is used up THEN the slot is gone, the pipeline says so, and the next start does', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
  await using pipeline = startPipeline(pg, ch, { walBudget: 8 * MIB, walBudgetAction: 'drop' });
  await pipeline.caughtUp();
  const release = await holdWal(pg);
  await writeWal(pg, 9 * MIB);
  await expect(pipeline.ended()).rejects.toMatchObject({ code: 'WAL_BUDGET', exitCode: 2 });
  expect(await inspectSlot(pg.client, pg.database)).toBeNull();
  await release();
  await using next = startPipeline(pg, ch);
  await expect(next.caughtUp()).rejects.toMatchObject({ code: 'SLOT_LOST' });
});

test('GIVEN ClickHouse is down for long WHEN traffic goes on THEN memory stays flat, the source keeps the WAL, that is told, and nothing is lost', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await ownClickHouse();
  await pg.client.query(
    `INSERT INTO advertiser (id, name) VALUES (1, 'a');
     INSERT INTO campaign (id, name, bid, budget, advertiser_id) SELECT n, 'c', 1, 100, 1 FROM generate_series(1, 50) AS n;
     CREATE TABLE note (id bigserial PRIMARY KEY, body text STORAGE EXTERNAL)`,
  );
  const settings = { MILLRACE_WAL_BUDGET: '32 MiB', MILLRACE_BATCH_MAX_BYTES: '2 MiB' };
  await using pipeline = new PipelineProcess(pg, ch, settings);
  await pipeline.caughtUp();
  await ch.kill();
  await writeTraffic(pg, 4 * MIB);
  const before = rssMiB(pipeline);
  await writeTraffic(pg, 56 * MIB);
  await waitFor(() => /"percent":[1-9][0-9][0-9]/.test(pipeline.output), { what: 'the warning in the log' });
  await waitFor(() => /"what":"(insert into|store the checkpoint)/.test(pipeline.output), { what: 'the reason' });
  expect(pipeline.isRunning).toBe(true);
  expect(rssMiB(pipeline) - before).toBeLessThan(28);

  const { stdout, exitCode } = await millrace(['status', '--json', '--wal-budget', '32 MiB'], pg, ch);
  expect(exitCode).toBe(2);
  const status = JSON.parse(stdout) as Status;
  expect(status).toMatchObject({
    phase: 'unreachable',
    slot: { active: true },
    wal: { level: 'over', action: 'warn' },
  });
  expect(status.clickhouseError).toContain('ClickHouse');
  expect((await millrace(['status'], pg, ch)).stdout).toContain('ClickHouse  unreachable');

  await ch.start();
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  expect(await notesInCopy(ch)).toEqual(await notesInSource(pg));
}, 120_000);

/** Rows of all kinds until the slot keeps so much WAL; most of it values that a queue without a bound would keep. */
async function writeTraffic(pg: TemporaryPostgres, bytes: number): Promise<void> {
  while ((await retained(pg)) < bytes) {
    await pg.client.query(
      `INSERT INTO impressions (campaign_id, created_at)
         SELECT 1 + n % 50, timestamp '2026-01-01' + n * interval '1 second' FROM generate_series(1, 500) AS n;
       INSERT INTO note (body) SELECT repeat(md5(n::text), 200) FROM generate_series(1, 1000) AS n`,
    );
  }
}

async function notesInSource({ client }: TemporaryPostgres): Promise<string[]> {
  const rows = await pgRows<{ id: string; md5: string }>(client, 'SELECT id, md5(body) FROM note ORDER BY id');
  return rows.map(({ id, md5 }) => `${id} ${md5}`);
}

async function notesInCopy({ client }: TemporaryClickHouse): Promise<string[]> {
  const rows = await client.rows<{ id: string; md5: string }>(
    'SELECT id, lower(hex(MD5(body))) AS md5 FROM ads.note_current ORDER BY id',
  );
  return rows.map(({ id, md5 }) => `${id} ${md5}`);
}

function rssMiB(pipeline: PipelineProcess): number {
  const status = readFileSync(`/proc/${pipeline.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
