/**
 * Two processes on one copy: what the one that was replaced still sends is refused by ClickHouse, whatever it is and
 * whenever it arrives.
 */
import { expect, test } from 'vitest';
import { Fence } from '../src/destination/fence.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { adDifferences } from '../src/chaos/compare.ts';
import { startPipeline } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { endStream } from './support/slot.ts';

/** Touches every kind of statement the writer sends: inserts of events and prices, a reconcile, an emptied mirror, checkpoints. */
const CHANGES = `
  BEGIN;
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 300) i;
  UPDATE impressions SET campaign_id = 2, created_at = created_at - interval '2 hours' WHERE id % 3 = 0;
  UPDATE campaign SET bid = bid + 1, name = name || '+';
  INSERT INTO clicks (campaign_id, created_at) SELECT 1 + i % 6, now() at time zone 'utc' + interval '1 hour' FROM generate_series(1, 100) i;
  COMMIT;
  BEGIN; DELETE FROM impressions WHERE id % 7 = 0; TRUNCATE clicks; INSERT INTO clicks (campaign_id) VALUES (1), (2); COMMIT`;

/** Statements by a text that stands in their request. */
const STATEMENTS: [what: string, text: string][] = [
  ['an insert of events', 'impressions_in'],
  ['an insert of prices', 'campaign_in'],
  ['a checkpoint', 'checkpoint+%28'],
  ['a reconcile', 'INSERT INTO `@`.campaign_hourly'],
  ['the emptying of a mirror', 'DELETE WHERE joinGet'],
];

test.each(STATEMENTS)(
  'GIVEN %s is held up on its way WHEN another process takes over THEN it is refused',
  async (_what, text) => {
    await using pg = await temporaryAdSource();
    await using ch = await temporaryClickHouse();
    await using proxy = await openProxy(ch.url);
    await pg.client.query(FIRST_ROWS);
    await using first = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
    await first.caughtUp();
    const hold = proxy.hold(text.replace('@', ch.database));
    await pg.client.query(CHANGES);
    await hold.reached();
    await endStream(pg);
    await using second = startPipeline(pg, ch);
    await second.caughtUp();
    await pg.client.query('UPDATE clicks SET campaign_id = 3');
    await second.caughtUp();
    hold.release();
    await expect(first.caughtUp()).rejects.toMatchObject({ code: 'FENCED' });
    expect(await adDifferences(pg, ch)).toEqual([]);
    await pg.client.query(CHANGES);
    await second.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
  },
);

test('GIVEN a process that sleeps in the middle of its work WHEN it wakes behind its successor THEN it writes nothing and ends with FENCED', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(FIRST_ROWS);
  await using zombie = new PipelineProcess(pg, { ...ch, url: proxy.url }, {});
  await zombie.caughtUp();
  const hold = proxy.hold('impressions_in');
  await pg.client.query(CHANGES);
  await hold.reached();
  await zombie.pause();
  await endStream(pg);
  await using successor = new PipelineProcess(pg, ch, {});
  await successor.caughtUp();
  await pg.client.query(CHANGES);
  await successor.caughtUp();
  const before = await writes(ch);
  hold.release();
  zombie.resume();
  expect(await zombie.died()).toBe(2);
  expect(zombie.output).toContain('FENCED');
  expect(await writes(ch)).toEqual(before);
  expect(successor.isRunning).toBe(true);
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('GIVEN a process that slept with nothing in hand WHEN it comes back and finds its place taken THEN it ends with FENCED', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using zombie = new PipelineProcess(pg, ch, {});
  await zombie.caughtUp();
  await zombie.pause();
  await endStream(pg);
  await pg.client.query(CHANGES);
  await using successor = new PipelineProcess(pg, ch, {});
  await successor.caughtUp();
  zombie.resume();
  expect(await zombie.died()).toBe(2);
  expect(zombie.output).toContain('FENCED');
  await pg.client.query(CHANGES);
  await successor.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

test('GIVEN two writers WHEN the earlier one raises the fence later THEN it is told, and the fence stays', async () => {
  await using ch = await temporaryClickHouse();
  await ch.client.command(`CREATE DATABASE ${ch.internal}`);
  await ch.client.command(
    `CREATE TABLE ${ch.internal}.fence (pipeline String, epoch UInt64) ENGINE = Join(ANY, LEFT, pipeline) SETTINGS join_any_take_last_row = 1`,
  );
  const [earlier, later] = [new Fence(ch.client, ch, 'p'), new Fence(ch.client, ch, 'p')];
  await earlier.raise(100n, 0n);
  await later.raise(101n, 0n);
  await expect(earlier.assertHeld()).rejects.toMatchObject({ code: 'FENCED' });
  await later.assertHeld();
  expect(await later.read()).toBe(101n);
});

/** What a write of the zombie would change: whose checkpoint counts, rows of mirror and history, the sum of the rollup. */
async function writes(ch: { client: { rows(sql: string): Promise<unknown[]> }; database: string; internal: string }) {
  return await ch.client.rows(
    `SELECT (SELECT argMax(epoch, seq) FROM ${ch.internal}.checkpoint) AS epoch, (SELECT count() FROM ${ch.database}.impressions FINAL) AS impressions,
      (SELECT sum(impressions) FROM ${ch.database}.campaign_hourly) AS counted, (SELECT count() FROM ${ch.database}.campaign_history FINAL) AS versions`,
  );
}
