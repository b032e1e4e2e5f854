/** Alerts beside a running pipeline, and the command that lists them. */
import { expect, test } from 'vitest';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { millrace } from './support/command.ts';
import { temporaryClickHouse } from './support/databases.ts';
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
