/** Alerts beside a running pipeline, and the command that lists them. */
import { expect, test } from 'vitest';
import { openProxy } from '../src/chaos/proxy.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { millrace } from './support/command.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { startReceiver } from './support/receiver.ts';
import { waitFor } from './support/wait.ts';

/** Six campaigns that have delivered, and a seventh that has not. */
const ROWS = `${FIRST_ROWS};
  INSERT INTO campaign (id, name, bid, budget, advertiser_id) VALUES (7, 'silent', 1, 100, 1);
  INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i % 6, now() at time zone 'utc' FROM generate_series(1, 60) i`;

test('a process that dies while it sends has lost no alert: the next one sends it', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using receiver = await startReceiver();
  await pg.client.query(ROWS);
  const settings = { MILLRACE_ALERT_WEBHOOK: receiver.url, MILLRACE_ALERT_INTERVAL: '1' };
  await using pipeline = new PipelineProcess(pg, ch, settings);
  receiver.behaviour = 'stall';
  pipeline.start();
  await waitFor(() => receiver.seen.length > 0, { what: 'an alert to be on its way' });
  await pipeline.end('SIGKILL');
  receiver.behaviour = 200;
  await pipeline.caughtUp();
  const id = `${pg.database}:zero_delivery:7:`;
  await waitFor(() => receiver.taken.some(({ key }) => key.startsWith(id)), { what: 'the alert to be sent' });

  const listed = await millrace(['alerts', '--open', '--json'], pg, ch);
  expect(listed.exitCode).toBe(0);
  const alerts = JSON.parse(listed.stdout) as { kind: string; campaign: { id: number } | null }[];
  expect(alerts.filter(({ kind }) => kind === 'zero_delivery').map(({ campaign }) => campaign?.id)).toEqual([7]);

  await pg.client.query("INSERT INTO impressions (campaign_id, created_at) VALUES (7, now() at time zone 'utc')");
  await waitFor(() => receiver.taken.some(({ key }) => key.startsWith(id) && key.endsWith(':resolved')), {
    what: 'the end to be told',
  });
  await pipeline.end('SIGTERM');
  expect(pipeline.ending).toBe('code 0');
  expect(pipeline.output).not.toMatch(/s3cr3t/);
}, 120_000);

test('stale data and a difference that verify finds are told once a day and told to be over, whatever dies between storing, sending and noting', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using receiver = await startReceiver();
  await using toPostgres = await openProxy(pg.url);
  await pg.client.query(ROWS);
  await using pipeline = new PipelineProcess({ ...pg, url: toPostgres.url }, ch, {
    MILLRACE_ALERT_WEBHOOK: receiver.url,
    MILLRACE_ALERT_INTERVAL: '1',
    MILLRACE_ALERT_STALE: '10',
  });
  const keys = (list: 'seen' | 'taken', kind: string, event: string): string[] =>
    receiver[list].filter(({ body }) => body['kind'] === kind && body['event'] === event).map(({ key }) => key);
  const told = async (kind: string, event: string, list: 'seen' | 'taken' = 'taken'): Promise<void> => {
    await waitFor(() => keys(list, kind, event).length > 0, {
      what: `${kind} to be told as ${event}; the process wrote: ${pipeline.output.slice(-1500)}`,
      timeoutMs: 60_000,
    });
  };
  await pipeline.caughtUp();

  // The source is away, and the receiver stalls: the alert is stored, and a process that dies has not told it.
  receiver.behaviour = ({ body }) => (body['kind'] === 'stale_data' ? 'stall' : 200);
  toPostgres.setRefusing(true);
  toPostgres.cut();
  await told('stale_data', 'opened', 'seen');
  await pipeline.end('SIGKILL');
  // The next one dies when it has told it and not noted that.
  receiver.behaviour = ({ body }) => {
    if (body['kind'] === 'stale_data') pipeline.signal('SIGKILL');
    return 200;
  };
  toPostgres.setRefusing(false);
  pipeline.start();
  await told('stale_data', 'opened');
  await pipeline.died();
  receiver.behaviour = 503;
  await pipeline.caughtUp();
  await waitFor(() => receiver.seen.at(-1) !== undefined && keys('seen', 'stale_data', 'opened').length > 2, {
    what: 'it to be told again',
  });
  receiver.behaviour = 200;
  await told('stale_data', 'resolved');

  const settings = await presentWriter(ch, pg.database);
  await ch.client.command(
    `INSERT INTO ${ch.database}.clicks SELECT id, 6, created_at, _version, 0 FROM ${ch.database}.clicks FINAL WHERE id = 1`,
    { settings },
  );
  expect((await millrace(['verify'], pg, ch)).exitCode).toBe(1);
  await told('verify_difference', 'opened');
  expect((await millrace(['verify', '--repair'], pg, ch)).exitCode).toBe(0);
  await told('verify_difference', 'resolved');

  const listed = await millrace(['alerts', '--json'], pg, ch);
  const alerts = JSON.parse(listed.stdout) as {
    id: string;
    kind: string;
    day: string;
    campaign: { id: number } | null;
  }[];
  const causes = alerts.map(({ kind, day, campaign }) => `${kind} ${campaign?.id ?? 'copy'} ${day}`);
  expect(new Set(causes).size, 'one alert per kind, campaign and day').toBe(alerts.length);
  expect(new Set(alerts.map(({ id }) => id)).size).toBe(alerts.length);
  // Told again is told under the same key; what was noted as told is not told again.
  expect(new Set(keys('taken', 'stale_data', 'opened')).size).toBe(1);
  expect(keys('taken', 'stale_data', 'opened').length).toBe(2);
  for (const [kind, event] of [
    ['stale_data', 'resolved'],
    ['verify_difference', 'opened'],
    ['verify_difference', 'resolved'],
  ] as const)
    expect(keys('taken', kind, event).length, `${kind} ${event}`).toBe(1);
}, 180_000);

test('the command looks by itself, and says so when there is nothing to look at', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  expect(await millrace(['alerts'], pg, ch)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('no copy') });
  expect(await millrace(['alerts', '--evaluate'], pg, ch)).toMatchObject({ exitCode: 2 });
  await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_ALERT_INTERVAL: '0' });
  pipeline.start();
  await pipeline.caughtUp();
  expect(await millrace(['alerts'], pg, ch)).toMatchObject({ exitCode: 0, stdout: 'no alerts\n' });
  const evaluated = await millrace(['alerts', '--evaluate'], pg, ch);
  expect(evaluated.stdout).toMatch(/open +critical +zero_delivery +– +Campaign “silent” \(7\) is in flight/);
  expect(await millrace(['alerts', '--since', 'yesterday'], pg, ch)).toMatchObject({ exitCode: 2 });
});
