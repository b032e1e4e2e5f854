/** Two processes that start at the same moment on a slot that does not exist yet: one of them makes the copy. */
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { lockStart } from '../src/source/start-lock.ts';
import { connectPostgres } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';

/** Starts side by side, in rounds: each finds the two at other places. */
const ROUNDS = 4;

test('GIVEN nothing WHEN two processes start at once THEN one is refused, the other makes an exact copy', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await using pg = await temporaryAdSource();
    await using ch = await temporaryClickHouse();
    await pg.client.query(FIRST_ROWS);
    await using one = new PipelineProcess(pg, ch);
    await using other = new PipelineProcess(pg, ch);
    one.start();
    other.start();
    const refused = await Promise.race([one.died().then(() => one), other.died().then(() => other)]);
    const winner = refused === one ? other : one;
    expect(refused.output).toContain('SLOT_BUSY');
    expect(winner.isRunning).toBe(true);
    await pg.client.query('INSERT INTO impressions (campaign_id) SELECT 1 FROM generate_series(1, 50)');
    await winner.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
  }
});

test('GIVEN a start that waits for an older transaction WHEN another one starts THEN it is refused and nothing is made twice', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  const older = await connectPostgres(pg.url);
  await older.query('BEGIN; INSERT INTO clicks (campaign_id) VALUES (1)');
  await using first = startPipeline(pg, ch);
  await expect.poll(() => first.progress()?.waitingFor, { timeout: 20_000 }).toContain('pid');
  await using second = startPipeline(pg, ch);
  await expect(second.caughtUp()).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  await older.query('COMMIT');
  await older.end();
  await first.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('GIVEN two sessions WHEN each takes the lock in its turn THEN the later ticket is higher', async () => {
  await using pg = await temporaryAdSource();
  const [a, b] = [await connectPostgres(pg.url), await connectPostgres(pg.url)];
  const first = await lockStart(a, 'x');
  await expect(lockStart(b, 'x')).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  await lockStart(b, 'y');
  await a.end();
  await expect.poll(() => lockStart(b, 'x'), { timeout: 20_000 }).toBeGreaterThan(first);
  await b.end();
});
