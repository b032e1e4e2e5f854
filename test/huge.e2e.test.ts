/**
 * Large transactions through the whole pipeline. PostgreSQL streams them from 64 kB on here, so that small ones
 * do: several in progress at once, rolled back whole and in part, killed while they are spooled and while they are replayed.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { waitFor } from './support/wait.ts';

/** A process starts three times here, and a busy machine takes its time. */
const TIMEOUT_MS = 120_000;

/** A source whose transactions stream early, with rows in it. */
async function source(): Promise<TemporaryPostgres> {
  const database = await temporaryAdSource();
  await database.client.query(`ALTER DATABASE ${database.database} SET logical_decoding_work_mem = '64kB'`);
  await database.client.query(FIRST_ROWS);
  return database;
}

/** Three sessions with a transaction each. */
async function sessions(database: TemporaryPostgres) {
  const open = async (): Promise<pg.Client> => {
    const session = await connectPostgres(database.url, { applicationName: 'test' });
    await session.query('BEGIN');
    return session;
  };
  const list: [pg.Client, pg.Client, pg.Client] = [await open(), await open(), await open()];
  const end = async (): Promise<void> => void (await Promise.all(list.map((session) => session.end())));
  return { list, [Symbol.asyncDispose]: end };
}

/** 3,000 events of a campaign: three times what PostgreSQL holds in memory here. */
const events = (campaign: number): string =>
  `INSERT INTO impressions (campaign_id, created_at)
   SELECT ${campaign}, timestamp '2026-01-01' + i * interval '1 minute' FROM generate_series(1, 3000) i`;

/** How often the server has streamed a part of a transaction; a commit flushes what it may send. */
async function parts(database: TemporaryPostgres): Promise<number> {
  await pgRows(database.client, "SELECT pg_logical_emit_message(true, 'flush', '')");
  const [row] = await pgRows(
    database.client,
    'SELECT stream_count AS n FROM pg_stat_replication_slots WHERE slot_name = $1',
    [database.database],
  );
  return Number(row?.['n'] ?? 0);
}

/** Waits until the server has streamed some parts more. */
async function streamed(database: TemporaryPostgres, before: number): Promise<void> {
  await waitFor(async () => (await parts(database)) >= before + 3, { what: 'transactions in progress to be streamed' });
}

test('several in progress, some rolled back, small ones among them', { timeout: TIMEOUT_MS }, async () => {
  await using database = await source();
  await using copy = await temporaryClickHouse();
  const spoolDir = await mkdtemp(join(tmpdir(), 'millrace-huge-'));
  await using pipeline = startPipeline(database, copy, { batchMaxBytes: 65_536, spoolDir });
  await pipeline.caughtUp();
  await using open = await sessions(database);
  const [first, second, lost] = open.list;
  const before = await parts(database);
  for (let round = 0; round < 3; round++) {
    await first.query(events(1));
    await database.client.query('INSERT INTO clicks (campaign_id) VALUES (2)');
    await second.query(`SAVEPOINT part; ${events(2)}; ${events(3)}`);
    await lost.query(`${events(3)}; ${events(4)}`);
    await streamed(database, before);
    if (round === 1) await second.query('ROLLBACK TO part');
  }
  await first.query("UPDATE impressions SET created_at = created_at - interval '2 hours' WHERE id % 5 = 0");
  await first.query('UPDATE impressions SET id = id + 1000000 WHERE id % 7 = 0');
  await pipeline.caughtUp();
  expect(pipeline.progress()?.spooledBytes).toBeGreaterThan(100_000);
  expect(await readdir(spoolDir)).toEqual([]);
  expect(await adDifferences(database, copy)).toEqual([]);

  await lost.query('ROLLBACK');
  await second.query('UPDATE campaign SET bid = bid + 1; COMMIT');
  await pipeline.caughtUp();
  expect(await adDifferences(database, copy)).toEqual([]);
  await first.query('TRUNCATE clicks; INSERT INTO clicks (campaign_id) SELECT 1 FROM generate_series(1, 2000); COMMIT');
  await pipeline.caughtUp();
  await waitFor(() => pipeline.progress()?.spooledBytes === 0, { what: 'the spool to be empty' });
  await pipeline.stop();
  expect(await adDifferences(database, copy)).toEqual([]);
  const [row] = await copy.client.rows(
    `SELECT count() AS n FROM ${copy.database}.impressions WHERE campaign_id = 4 AND id BETWEEN 10000 AND 999999`,
  );
  expect(Number(row?.['n'])).toBe(0);
  await rm(spoolDir, { recursive: true });
});

test('killed while it spools, and again while it replays', { timeout: TIMEOUT_MS }, async () => {
  await using database = await source();
  await using copy = await temporaryClickHouse();
  const spoolDir = await mkdtemp(join(tmpdir(), 'millrace-huge-'));
  const settings = { MILLRACE_BATCH_MAX_BYTES: '65536', MILLRACE_SPOOL_DIR: spoolDir };
  await using pipeline = new PipelineProcess(database, copy, settings);
  await pipeline.caughtUp();
  await using open = await sessions(database);
  const [first, second, lost] = open.list;
  const before = await parts(database);
  for (const [campaign, session] of open.list.entries()) await session.query(events(1 + campaign));
  await streamed(database, before);
  await pipeline.end('SIGKILL');
  expect(await readdir(spoolDir)).toEqual([]);
  await lost.query('ROLLBACK');
  await second.query('DELETE FROM impressions WHERE id % 3 = 0');

  // Pieces of a transaction are applied one by one: the process dies before the third, between the second and its commit.
  pipeline.start('landed:3');
  await second.query('COMMIT');
  await first.query('COMMIT');
  await pipeline.died();
  await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  expect(await adDifferences(database, copy)).toEqual([]);
  expect(await readdir(spoolDir)).toEqual([]);
  await rm(spoolDir, { recursive: true });
});
