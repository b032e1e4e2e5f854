/** `millrace rebuild rollups`: what was damaged is right again at once, while changes stream and readers read. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { ControlStore } from '../src/destination/control.ts';
import { connectPostgres } from '../src/source/connection.ts';
import { request } from '../src/verify/ask.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { millrace } from './support/command.ts';
import {
  temporaryClickHouse,
  type TemporaryClickHouse,
  temporaryPostgres,
  type TemporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { waitFor } from './support/wait.ts';

/** More buckets than ClickHouse writes in one block by itself. */
const MANY_BUCKETS = 1_200_000;

async function ask(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  month: string | null,
  signal = new AbortController().signal,
) {
  const store = new ControlStore(ch.client, { database: ch.database, internal: ch.internal }, pg.database);
  const message = { kind: 'rebuild', id: randomUUID(), month } as const;
  return await request(message, { control: pg.client, store, waitMs: 60_000, signal });
}

async function plant(pg: TemporaryPostgres, ch: TemporaryClickHouse, ...statements: string[]): Promise<void> {
  const settings = await presentWriter(ch, pg.database);
  for (const sql of statements) await ch.client.command(sql, { settings });
}

/** Buckets of campaigns that do not exist, in hours that no event has. */
function manyBuckets({ database }: TemporaryClickHouse): string {
  return `INSERT INTO ${database}.campaign_hourly SELECT 1000 + number % 1000, toDateTime64('2020-01-01 00:00:00', 0, 'UTC') + 3600 * intDiv(number, 1000), 1, 1, 2, 3 FROM numbers(${MANY_BUCKETS})`;
}

/** Adds, takes away, changes money, and has buckets of events without campaign or time. */
function damage({ database }: TemporaryClickHouse): string[] {
  return [
    `INSERT INTO ${database}.campaign_hourly SELECT campaign_id, hour, 5, -3, 1.25, -0.5 FROM ${database}.campaign_hourly WHERE campaign_id = 2`,
    `INSERT INTO ${database}.campaign_hourly VALUES (NULL, '2026-03-05 07:00:00', 7, 0, 0, 0), (3, NULL, 0, 9, 9, 0), (NULL, NULL, 1, 1, 0, 0)`,
    `ALTER TABLE ${database}.campaign_hourly DELETE WHERE campaign_id = 4 SETTINGS mutations_sync = 1`,
  ];
}

/** Inserts, updates and deletes events of campaigns 1 to 3 until the returned function is called. */
async function busy(url: string): Promise<() => Promise<void>> {
  const end = new AbortController();
  const work = (async () => {
    const client = await connectPostgres(url, { applicationName: 'test' });
    for (let i = 0; !end.signal.aborted; i++) {
      // Fast enough to be met at every step, slow enough for a busy machine to follow.
      await pause(20);
      await client.query(
        `INSERT INTO impressions (campaign_id, created_at) VALUES (${1 + (i % 3)}, '2026-03-05 07:10')`,
      );
      await client.query(
        `UPDATE impressions SET campaign_id = ${1 + (i % 3)} WHERE id = ${1 + (i % 500)} AND campaign_id < 4`,
      );
      await client.query(`DELETE FROM clicks WHERE id = ${1 + (i % 300)} AND campaign_id < 4`);
      if (i % 50 === 0) await client.query('UPDATE campaign SET bid = bid + 0.1 WHERE id = 1');
    }
    await client.end();
  })();
  return async () => {
    end.abort();
    await work;
  };
}

test('a damaged rollup is right again while changes stream; readers see it as it was or right, never in between', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  // Nobody changes events of campaigns from 4 on: what readers may see of them is known.
  const figures = `SELECT concat(toString(sum(impressions)), ' ', toString(sum(clicks)), ' ', toString(sum(spend_cpc)), ' ', toString(countIf(impressions != 0))) AS text
    FROM (SELECT campaign_id, hour, sum(impressions) AS impressions, sum(clicks) AS clicks, sum(spend_cpc) AS spend_cpc FROM ${ch.database}.campaign_hourly WHERE campaign_id >= 4 GROUP BY campaign_id, hour)`;
  const read = async (): Promise<string> => (await ch.client.rows<{ text: string }>(figures))[0]!.text;
  const right = await read();
  await plant(pg, ch, ...damage(ch), manyBuckets(ch));
  const damaged = await read();
  expect(damaged).not.toBe(right);
  const rest = await busy(pg.url);
  const seen: string[] = [];
  const reading = new AbortController();
  const readers = (async () => {
    while (!reading.signal.aborted) seen.push(await read());
  })();
  const answer = await ask(pg, ch, null);
  reading.abort();
  await readers;
  await rest();
  expect(answer).toMatchObject({ kind: 'rebuilt' });
  expect(answer.rows).toBeGreaterThan(MANY_BUCKETS);
  expect(await read()).toBe(right);
  expect([...new Set(seen)].filter((text) => text !== right && text !== damaged)).toEqual([]);
  expect(seen[0]).toBe(damaged);
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await pg.client.query('UPDATE impressions SET campaign_id = 1 + id % 6; DELETE FROM clicks WHERE id % 3 = 0');
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  expect(await ask(pg, ch, null)).toMatchObject({ kind: 'rebuilt', rows: 0 });
}, 120_000);

test('one month, or the events without a time, are corrected alone', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(`${FIRST_ROWS};
    INSERT INTO impressions (campaign_id, created_at) VALUES (1, '2026-02-28 23:59:59.999999'), (1, '2026-03-01'), (1, '2026-03-31 23:59:59.999999'), (1, '2026-04-01'), (1, NULL)`);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const hours = [
    "'2026-02-28 23:00:00'",
    "'2026-03-01 00:00:00'",
    "'2026-03-31 23:00:00'",
    "'2026-04-01 00:00:00'",
    'NULL',
  ];
  await plant(
    pg,
    ch,
    `INSERT INTO ${ch.database}.campaign_hourly VALUES ${hours.map((hour) => `(1, ${hour}, 10, 0, 0, 0)`).join(', ')}`,
  );
  const impressions = async (): Promise<number[]> =>
    await Promise.all(
      hours.map(async (hour) => {
        const sql = `SELECT toInt32(sum(impressions)) AS n FROM ${ch.database}.campaign_hourly WHERE campaign_id = 1 AND isNotDistinctFrom(hour, ${hour}::Nullable(DateTime64(0, 'UTC')))`;
        return (await ch.client.rows<{ n: number }>(sql))[0]!.n;
      }),
    );
  expect(await impressions()).toEqual([11, 11, 11, 11, 11]);
  expect(await ask(pg, ch, '202603')).toMatchObject({ kind: 'rebuilt', rows: 2 });
  expect(await impressions()).toEqual([11, 1, 1, 11, 11]);
  expect(await ask(pg, ch, 'none')).toMatchObject({ kind: 'rebuilt', rows: 1 });
  expect(await impressions()).toEqual([11, 1, 1, 11, 1]);
  expect(await ask(pg, ch, null)).toMatchObject({ kind: 'rebuilt', rows: 2 });
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('a process killed in the midst of it leaves buckets as they were or right', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = new PipelineProcess(pg, ch);
  pipeline.start();
  await pipeline.caughtUp();
  await plant(pg, ch, ...damage(ch), manyBuckets(ch));
  const controller = new AbortController();
  const asking = ask(pg, ch, null, controller.signal);
  const running = `SELECT 1 FROM system.processes WHERE query LIKE 'INSERT INTO %${ch.database}%campaign_hourly%' AND query NOT LIKE '%system.processes%'`;
  await waitFor(async () => (await ch.client.rows(running)).length > 0, { what: 'the statement to run' });
  await pipeline.end('SIGKILL');
  // Whether the next process meets the request again depends on which position was stored before it.
  controller.abort();
  await expect(asking).rejects.toThrow();
  await pg.client.query('UPDATE impressions SET campaign_id = 1 + id % 6 WHERE id % 2 = 0');
  await pipeline.caughtUp();
  expect(await ask(pg, ch, null)).toMatchObject({ kind: 'rebuilt' });
  expect(await adDifferences(pg, ch)).toEqual([]);
}, 120_000);

test('the command works beside a pipeline and without one, and says what it did', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  const pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await plant(pg, ch, ...damage(ch));
  const beside = await millrace(['rebuild', 'rollups'], pg, ch);
  expect(beside).toMatchObject({ exitCode: 0 });
  expect(beside.stdout).toMatch(
    /^the rollup was corrected in [\d,]+ buckets, at [\dA-F]+\/[\dA-F]+; nothing else was applied for \d/,
  );
  expect(await adDifferences(pg, ch)).toEqual([]);
  await plant(pg, ch, ...damage(ch));
  await pipeline.stop();
  await pg.client.query('UPDATE impressions SET campaign_id = 1 + id % 6 WHERE id % 3 = 0');
  const alone = await millrace(['rebuild', 'rollups', '--json'], pg, ch);
  expect(alone).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(alone.stdout)).toMatchObject({ corrected: expect.any(Number), partition: null });
  expect(await adDifferences(pg, ch)).toEqual([]);
  const wrong = await millrace(['rebuild', 'rollups', '--partition', '202613'], pg, ch);
  expect(wrong).toMatchObject({ exitCode: 2 });
});

test('a copy without rollup refuses, in words', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query('CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1)');
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  expect(await ask(pg, ch, null)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('no rollup') });
});
