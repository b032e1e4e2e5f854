import type pg from 'pg';
import { expect, test } from 'vitest';
import { temporaryAdSource } from '../../test/support/ad-source.ts';
import { waitFor } from '../../test/support/wait.ts';
import { connectPostgres, pgRows } from '../source/connection.ts';
import { isSourceEmpty, seedDemo } from './demo.ts';
import { resetSource } from './reset.ts';
import { readStatistics } from './statistics.ts';
import { committedRows, type TrafficCounts } from './traffic-kinds.ts';
import { runTraffic } from './traffic.ts';

/** Traffic until its counts satisfy the condition. */
async function trafficUntil(
  url: string,
  isEnough: (counts: TrafficCounts) => boolean,
  options: { ratePerSecond?: number } = {},
): Promise<TrafficCounts> {
  const controller = new AbortController();
  return runTraffic({
    url,
    ratePerSecond: options.ratePerSecond ?? 100_000,
    signal: controller.signal,
    seed: 1,
    onTick: (counts) => isEnough(counts) && controller.abort(),
  });
}

/** Every kind of change and every shape of transaction came. */
function hasAll(counts: TrafficCounts): boolean {
  return [...Object.values(counts.rows), ...Object.values(counts.transactions)].every((count) => count > 0);
}

async function sessionsOfTraffic(client: pg.Client): Promise<number> {
  const rows = await pgRows<{ n: string }>(
    client,
    `SELECT count(*) AS n FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'millrace traffic'`,
  );
  return Number(rows[0]?.n);
}

test('GIVEN an empty source WHEN there is traffic THEN every kind and shape comes, no conflicts, and the rows add up', async () => {
  await using source = await temporaryAdSource();
  const counts = await trafficUntil(source.url, hasAll);
  expect(hasAll(counts)).toBe(true);
  expect(counts.rowsTakenBack).toBeGreaterThan(0);
  expect(counts.conflicts).toBe(0);
  const { impressions, clicks, campaigns, advertisers } = await readStatistics(source.client);
  const { impression, click, lateEvent, futureClick, unattributedEvent, eventDeleted } = counts.rows;
  expect(impressions + clicks).toBe(impression + click + lateEvent + futureClick + unattributedEvent - eventDeleted);
  expect(campaigns).toBe(9 + counts.rows.campaignAdded);
  expect(advertisers).toBe(3 + counts.rows.advertiserAdded);
});

test('GIVEN traffic WHEN its rows are looked at THEN there are late, future and unattributed events, and changed campaigns', async () => {
  await using source = await temporaryAdSource();
  // At this rate each event is a statement of its own: 20 future clicks are 20 different times ahead.
  await trafficUntil(
    source.url,
    ({ rows }) => rows.unattributedEvent > 0 && rows.futureClick >= 20 && rows.lateEvent >= 20 && rows.bidChange > 10,
    { ratePerSecond: 600 },
  );
  const [seen] = await pgRows(
    source.client,
    `SELECT (SELECT count(*) FROM impressions WHERE created_at < now() - interval '10 minutes') > 0 AS late,
            (SELECT count(*) FROM clicks WHERE created_at > now()) > 0 AS future,
            (SELECT count(*) FROM impressions WHERE campaign_id IS NULL)
              + (SELECT count(*) FROM clicks WHERE campaign_id IS NULL) > 0 AS unattributed,
            (SELECT count(*) FROM campaign WHERE updated_at IS NOT NULL) > 0 AS touched`,
  );
  expect(seen).toEqual({ late: 't', future: 't', unattributed: 't', touched: 't' });
});

test('GIVEN traffic WHEN the signal fires THEN it ends and leaves no session', async () => {
  await using source = await temporaryAdSource();
  const controller = new AbortController();
  const counts = await runTraffic({
    url: source.url,
    ratePerSecond: 300,
    signal: controller.signal,
    seed: 2,
    onTick: (counts) => committedRows(counts) >= 100 && controller.abort(),
  });
  expect(committedRows(counts)).toBeGreaterThanOrEqual(100);
  expect(await sessionsOfTraffic(source.client)).toBe(0);
});

test('GIVEN a signal that has fired WHEN traffic is asked for THEN nothing changes but what it needs', async () => {
  await using source = await temporaryAdSource();
  const counts = await runTraffic({ url: source.url, ratePerSecond: 10, signal: AbortSignal.abort(), seed: 1 });
  expect(committedRows(counts)).toBe(0);
  expect(await sessionsOfTraffic(source.client)).toBe(0);
});

test('GIVEN a locked table WHEN there is traffic THEN its transactions are counted as conflicts, and it can be ended', async () => {
  await using source = await temporaryAdSource();
  await seedDemo(source.client, { seed: 1 });
  await source.client.query('BEGIN');
  await source.client.query('LOCK TABLE clicks IN ACCESS EXCLUSIVE MODE');
  // Once traffic has begun, the table that it looks campaigns up in is locked too.
  let locked: Promise<unknown> | undefined;
  const counts = await trafficUntil(source.url, ({ conflicts }) => {
    locked ??= source.client.query('LOCK TABLE campaign IN ACCESS EXCLUSIVE MODE');
    return conflicts >= 10;
  });
  await locked;
  await source.client.query('ROLLBACK');
  expect(counts.conflicts).toBeGreaterThanOrEqual(10);
});

test('GIVEN traffic WHEN everything is deleted meanwhile THEN it goes on with new campaigns', async () => {
  await using source = await temporaryAdSource();
  await using other = disposable(await connectPostgres(source.url));
  let reset: Promise<unknown> | undefined;
  let rowsAtReset = Infinity;
  let isReset = false;
  const counts = await trafficUntil(
    source.url,
    (sofar) => {
      if (committedRows(sofar) > 200 && reset === undefined) {
        reset = resetSource(other.client).then(
          () => (isReset = true),
          // Campaigns got new events while they were deleted: the reset is refused, and asked for again.
          () => (reset = undefined),
        );
      }
      if (isReset && rowsAtReset === Infinity) rowsAtReset = committedRows(sofar);
      return committedRows(sofar) > rowsAtReset + 200;
    },
    { ratePerSecond: 1000 },
  );
  expect(committedRows(counts)).toBeGreaterThan(400);
  expect(await isSourceEmpty(source.client)).toBe(false);
});

test('GIVEN a source without tables WHEN there is traffic THEN it fails, and leaves no session', async () => {
  await using source = await temporaryAdSource();
  await source.client.query('DROP TABLE clicks');
  const traffic = runTraffic({
    url: source.url,
    ratePerSecond: 10_000,
    signal: new AbortController().signal,
    seed: 1,
  });
  await expect(traffic).rejects.toMatchObject({ code: 'POSTGRES_FAILED', details: { sqlState: '42P01' } });
  expect(await sessionsOfTraffic(source.client)).toBe(0);
});

test('GIVEN traffic WHEN its sessions are terminated THEN it fails as unreachable, and leaves no session', async () => {
  await using source = await temporaryAdSource();
  let killed: Promise<unknown> | undefined;
  const kill = async (): Promise<unknown> =>
    pgRows(
      source.client,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'millrace traffic'",
    );
  const traffic = trafficUntil(source.url, (counts) => {
    if (committedRows(counts) > 50) killed ??= kill();
    return false;
  });
  await expect(traffic).rejects.toMatchObject({ code: 'POSTGRES_UNREACHABLE' });
  await killed;
  expect(await sessionsOfTraffic(source.client)).toBe(0);
});

test.each([0, -1, 1.5, Number.NaN])('GIVEN a rate of %d WHEN traffic is asked for THEN it is refused', async (rate) => {
  const signal = new AbortController().signal;
  const url = 'postgres://nobody@127.0.0.1:1/none';
  await expect(runTraffic({ url, ratePerSecond: rate, signal, seed: 1 })).rejects.toMatchObject({ code: 'USAGE' });
});

function disposable(client: pg.Client): AsyncDisposable & { client: pg.Client } {
  return { client, [Symbol.asyncDispose]: async () => client.end() };
}

test('GIVEN a table that somebody else holds WHEN traffic begins THEN it waits for it, however long', async () => {
  await using source = await temporaryAdSource();
  const holder = await connectPostgres(source.url);
  await holder.query('BEGIN; LOCK TABLE campaign');
  const traffic = trafficUntil(source.url, ({ rows }) => rows.impression > 0);
  const waiting = `SELECT count(*) AS n FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'millrace traffic' AND wait_event_type = 'Lock' AND query_start > $1::timestamptz`;
  // Twice: the first attempt has given up at its lock timeout.
  const since = async (at: string): Promise<boolean> =>
    Number((await pgRows(source.client, waiting, [at]))[0]?.['n']) > 0;
  await waitFor(() => since('2000-01-01'), { what: 'the traffic to wait' });
  const [now] = await pgRows(source.client, 'SELECT clock_timestamp()::text AS at');
  await waitFor(() => since(String(now?.['at'])), { what: 'it to wait again' });
  await holder.query('COMMIT');
  expect((await traffic).rows.impression).toBeGreaterThan(0);
  await holder.end();
});
