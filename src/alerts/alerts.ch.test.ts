/** Alerts on a real ClickHouse, told to a real HTTP server. */
import { expect, test } from 'vitest';
import { checkpoint, land, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import type { TemporaryClickHouse } from '../../test/support/databases.ts';
import { startReceiver, type TestReceiver } from '../../test/support/receiver.ts';
import { waitFor } from '../../test/support/wait.ts';
import { reloadPrices } from '../destination/rollups.ts';
import { openLog } from '../telemetry/log.ts';
import { measureCampaigns } from './measures.ts';
import { AlertStore } from './store.ts';
import { type AlertOptions, deliverOnce, lookOnce, watchAlerts } from './watch.ts';

const NOW = new Date('2026-03-18T15:30:00Z');
/** A receiver that is slow because the machine is must not be told twice. */
const PATIENCE = { timeoutMs: 20_000, firstWaitMs: 10, lastWaitMs: 50 };

/** Campaign 1 delivers, 2 does not, 3 has used up its budget, 4 has ended, 5 has more clicks than impressions. */
async function scene(ch: TemporaryClickHouse): Promise<void> {
  const campaign = (id: number, more: object): Record<string, string | number | null> => ({
    id,
    name: `c${id} <&>`,
    bid: 2,
    budget: 1000,
    start_date: '2026-03-17',
    end_date: null,
    advertiser_id: 1,
    ...more,
  });
  const ended = { start_date: '2026-01-01', end_date: '2026-03-17' };
  await land(ch, 'campaign', [
    campaign(1, {}),
    campaign(2, {}),
    campaign(3, { budget: 4 }),
    campaign(4, ended),
    campaign(5, {}),
  ]);
  await reloadPrices(ch.client, ch);
  const event = (id: number, campaignId: number, at: string) => ({ id, campaign_id: campaignId, created_at: at });
  await land(
    ch,
    'impressions',
    [1, 3, 5].map((id) => event(id, id, '2026-03-18 14:10:00')),
  );
  await land(ch, 'clicks', [
    event(1, 3, '2026-03-18 14:11:00'),
    event(2, 3, '2026-03-18 14:12:00'),
    event(3, 5, '2026-03-18 14:12:00'),
    event(4, 5, '2026-03-18 14:12:01'),
  ]);
  await checkpoint(ch, 100n, new Date().toISOString().slice(0, 23).replace('T', ' '));
}

function optionsOf(ch: TemporaryClickHouse, receiver: TestReceiver | null, lines: string[] = []): AlertOptions {
  return {
    clickhouse: ch.client,
    names: ch,
    pipeline: 'test',
    timezone: 'UTC',
    pricingModel: 'cpc',
    budgetKind: 'lifetime',
    thresholds: {
      zeroDeliveryHours: 6,
      pacingBelowPercent: 0,
      pacingAbovePercent: 10_000,
      budgetPercent: 90,
      anomalySigmas: 4,
      staleSeconds: 3600,
    },
    receivers:
      receiver === null
        ? []
        : [
            { to: 'webhook', url: receiver.url },
            { to: 'slack', url: receiver.url.replace('/hooks', '/slack') },
          ],
    patience: PATIENCE,
    log: openLog({ level: 'trace', stream: { write: (line: string) => lines.push(line) } }),
    signal: new AbortController().signal,
    now: () => NOW,
  };
}

const EXPECTED = [
  'test:budget_exhausted:3:2026-03-18',
  'test:clicks_exceed_impressions:3:2026-03-18',
  'test:clicks_exceed_impressions:5:2026-03-18',
  'test:zero_delivery:2:2026-03-18',
];

/** Tries until nothing is left. */
async function deliverAll(options: AlertOptions): Promise<void> {
  await waitFor(async () => (await deliverOnce(options)) === 0, { what: 'everything to be sent' });
}

test('what is wrong is stored once, told to each receiver once, and told when it is over', async () => {
  await using ch = await temporaryAdCopy();
  await using receiver = await startReceiver();
  await scene(ch);
  const options = optionsOf(ch, receiver);
  await lookOnce(options);
  expect(await lookOnce(options)).toEqual([]);
  const store = new AlertStore(ch.client, ch, 'test');
  expect((await store.list()).map(({ id }) => id).toSorted()).toEqual(EXPECTED);
  await deliverAll(options);
  await deliverAll(options);
  const hooks = receiver.taken.filter(({ path }) => path.startsWith('/hooks'));
  expect(hooks.map(({ key }) => key).toSorted()).toEqual(EXPECTED.map((id) => `${id}:opened`));
  expect(hooks.find(({ body }) => body['kind'] === 'zero_delivery')?.body).toEqual({
    version: 1,
    id: 'test:zero_delivery:2:2026-03-18',
    event: 'opened',
    kind: 'zero_delivery',
    severity: 'critical',
    title: 'No delivery',
    message: 'Campaign “c2 <&>” (2) is in flight and had no impression for 6 hours.',
    campaign: { id: 2, name: 'c2 <&>' },
    day: '2026-03-18',
    openedAt: '2026-03-18T15:30:00.000Z',
    resolvedAt: null,
    facts: { hours: 6 },
  });
  const slack = receiver.taken.filter(({ path }) => path.startsWith('/slack'));
  expect(slack.length).toBe(EXPECTED.length);
  expect(slack.map(({ body }) => body['text'])).toContain(
    'No delivery: Campaign “c2 &lt;&amp;&gt;” (2) is in flight and had no impression for 6 hours.',
  );

  await land(ch, 'impressions', [{ id: 9, campaign_id: 2, created_at: '2026-03-18 15:05:00' }]);
  expect((await lookOnce(options))?.map(({ id, resolution }) => [id, resolution])).toEqual([
    ['test:zero_delivery:2:2026-03-18', 'over'],
  ]);
  await deliverAll(options);
  expect(receiver.taken.at(-2)?.body).toMatchObject({ event: 'resolved', resolvedAt: '2026-03-18T15:30:00.000Z' });
  expect((await store.list({ open: true })).length).toBe(EXPECTED.length - 1);
  expect(await store.list({ sinceMs: NOW.getTime() + 1 })).toEqual([]);
});

test('a receiver that fails, stalls, is away and recovers misses nothing; its URL is in no log and no table', async () => {
  await using ch = await temporaryAdCopy();
  const lines: string[] = [];
  const receiver = await startReceiver();
  await scene(ch);
  const patient = optionsOf(ch, receiver, lines);
  const options = { ...patient, patience: { ...PATIENCE, timeoutMs: 200 } };
  await lookOnce(options);
  receiver.behaviour = 503;
  expect(await deliverOnce(options)).toBe(2 * EXPECTED.length);
  receiver.behaviour = 'stall';
  await waitFor(
    async () => {
      await deliverOnce(options);
      return lines.some((line) => line.includes('no answer within 0.2 s'));
    },
    { what: 'a stall to be noticed' },
  );
  receiver.behaviour = 200;
  await receiver[Symbol.asyncDispose]();
  const away = { ...options, receivers: options.receivers.map(({ to }) => ({ to, url: receiver.url })) };
  await waitFor(
    async () => {
      await deliverOnce(away);
      return lines.some((line) => line.includes('ECONNREFUSED'));
    },
    { what: 'an absence to be noticed' },
  );
  expect(receiver.taken).toEqual([]);
  const [stored] = await ch.client.rows<{ text: string }>(
    `SELECT toString(groupArray(tuple(*))) AS text FROM ${ch.internal}.alerts`,
  );
  expect(stored?.text).toContain('ECONNREFUSED');
  expect(lines.join('')).toContain('HTTP 503');
  expect(`${stored?.text} ${lines.join('')}`).not.toMatch(/s3cr3t/);
  await using recovered = await startReceiver();
  await deliverAll({
    ...patient,
    receivers: [
      { to: 'webhook', url: recovered.url },
      { to: 'slack', url: recovered.url },
    ],
  });
  expect(recovered.taken.length).toBe(2 * EXPECTED.length);
});

test('a receiver that refuses one alert gets the others', async () => {
  await using ch = await temporaryAdCopy();
  await using receiver = await startReceiver();
  await scene(ch);
  const options = { ...optionsOf(ch, receiver), receivers: [{ to: 'webhook' as const, url: receiver.url }] };
  await lookOnce(options);
  receiver.behaviour = ({ body }) => (body['kind'] === 'budget_exhausted' ? 400 : 200);
  expect(await deliverOnce(options)).toBe(1);
  expect(receiver.taken.length).toBe(EXPECTED.length - 1);
});

test('what was stored is told after a crash, and what was told but not noted is told again under the same id', async () => {
  await using ch = await temporaryAdCopy();
  await using receiver = await startReceiver();
  await scene(ch);
  // Crash between store and send: the one that looked is never heard of again.
  await lookOnce(optionsOf(ch, receiver));
  const other = { ...optionsOf(ch, receiver), receivers: [{ to: 'webhook' as const, url: receiver.url }] };
  // Crash between send and note: the signal ends it when the first request has come.
  const crash = new AbortController();
  receiver.behaviour = () => {
    crash.abort();
    return 200;
  };
  await expect(deliverOnce({ ...other, signal: crash.signal })).rejects.toThrow();
  receiver.behaviour = 200;
  await deliverAll(other);
  const keys = receiver.taken.map(({ key }) => key);
  expect([...new Set(keys)].toSorted()).toEqual(EXPECTED.map((id) => `${id}:opened`));
  expect(keys.length).toBe(EXPECTED.length + 1);
});

test('while the copy is stale nothing is said of campaigns, and their alerts stay', async () => {
  await using ch = await temporaryAdCopy();
  await scene(ch);
  const options = optionsOf(ch, null);
  await lookOnce(options);
  const strict = { ...options, thresholds: { ...options.thresholds, staleSeconds: -1, zeroDeliveryHours: 1 } };
  await land(ch, 'impressions', [{ id: 9, campaign_id: 2, created_at: '2026-03-18 15:05:00' }]);
  expect((await lookOnce(strict))?.map(({ kind }) => kind)).toEqual(['stale_data']);
  expect((await lookOnce(options))?.map(({ kind, resolution }) => [kind, resolution]).toSorted()).toEqual([
    ['stale_data', 'over'],
    ['zero_delivery', 'over'],
  ]);
});

test('a heartbeat that has nothing left to apply says that the copy is current', async () => {
  await using ch = await temporaryAdCopy();
  await scene(ch);
  await ch.client.command(
    `ALTER TABLE ${ch.internal}.checkpoint UPDATE applied_commit_time = now64(6) - 500 WHERE true SETTINGS mutations_sync = 1`,
  );
  const options = optionsOf(ch, null);
  const limited = { ...options, thresholds: { ...options.thresholds, staleSeconds: 300 } };
  expect((await lookOnce(limited))?.map(({ kind }) => kind)).toEqual(['stale_data']);
  const beat = (lag: number) =>
    `INSERT INTO ${ch.internal}.heartbeat (pipeline, holds_slot, phase, lag_bytes) VALUES ('test', true, 'streaming', ${lag})`;
  await ch.client.command(beat(10));
  expect(await lookOnce(limited)).toEqual([]);
  await ch.client.command(beat(0));
  expect((await lookOnce(limited))?.map(({ kind }) => kind)).toContain('zero_delivery');
});

test('days and hours are those of the reporting time zone', async () => {
  await using ch = await temporaryAdCopy();
  await scene(ch);
  const at = (created: string, id: number) => ({ id, campaign_id: 1, created_at: created });
  // Tokyo is UTC+09:00: its 19 March begins at 15:00 on the 18th.
  await land(ch, 'impressions', [
    at('2026-03-18 18:10:00', 20),
    at('2026-03-18 19:00:00', 21),
    at('2026-03-11 19:00:00', 22),
    at('2026-03-11 23:00:00', 23),
  ]);
  const options = { ...optionsOf(ch, null), now: new Date('2026-03-18T21:00:00Z'), zeroDeliveryHours: 3 };
  const [utc] = await measureCampaigns(ch.client, ch, options);
  const [tokyo] = await measureCampaigns(ch.client, ch, { ...options, timezone: 'Asia/Tokyo' });
  expect(utc).toMatchObject({
    daysSinceStart: 1,
    hoursToday: 21,
    today: { impressions: 3, clicks: 0 },
    recentImpressions: 2,
  });
  expect(utc?.before[0]).toEqual({ impressions: 1, clicks: 0 });
  expect(tokyo).toMatchObject({ daysSinceStart: 2, hoursToday: 6, today: { impressions: 2, clicks: 0 } });
  expect(tokyo?.before[0]).toEqual({ impressions: 1, clicks: 0 });
});

test('watching outlives a server that refuses, and ends with its signal', async () => {
  await using ch = await temporaryAdCopy();
  await using receiver = await startReceiver();
  const lines: string[] = [];
  await scene(ch);
  await ch.client.command(`RENAME TABLE ${ch.database}.campaign_hourly TO ${ch.database}.away`);
  const end = new AbortController();
  const watching = watchAlerts({ ...optionsOf(ch, receiver, lines), signal: end.signal }, 100);
  await waitFor(() => lines.some((line) => line.includes('cannot be evaluated')), { what: 'the trouble to be told' });
  await ch.client.command(`RENAME TABLE ${ch.database}.away TO ${ch.database}.campaign_hourly`);
  await waitFor(() => receiver.taken.length >= 2 * EXPECTED.length, { what: 'all to be sent' });
  end.abort();
  await watching;
});
