/** The commands on single tables, as somebody types them; and a process that dies while it serves them. */
import { expect, test } from 'vitest';
import { adDifferences, tableDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { ask, lookAgain } from './support/ask-tables.ts';
import { millrace } from './support/command.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';
import { tableStates } from './support/tables.ts';

test(
  'GIVEN a running pipeline WHEN commands are typed THEN they are served, told in status and check, and refused with a reason',
  { timeout: 240_000 },
  async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(
      `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)`,
    );
    await using pipeline = startPipeline(pg, ch);
    await pipeline.caughtUp();
    const paused = await millrace(['pause', 'public.a', '--json'], pg, ch);
    expect(JSON.parse(paused.stdout)).toMatchObject({ action: 'pause', tables: ['public.a'], status: 'done' });
    const check = await millrace(['check'], pg, ch);
    expect(check.stdout).toContain('millrace resume public.a');
    const status = await millrace(['status'], pg, ch);
    expect(status.stdout).toMatch(/public\.a +paused/);
    const refused = await millrace(['resume', 'public.b'], pg, ch);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('public.b is live, not paused')]);
    expect((await millrace(['resume', 'public.a'], pg, ch)).stdout).toContain('is built anew');
    expect((await millrace(['resync', 'public.b', '--yes'], pg, ch)).stdout).toContain('is built anew');
    await pipeline.caughtUp();
    for (const table of ['a', 'b']) expect(await tableDifferences(pg, ch, table)).toEqual([]);
    expect((await millrace(['drop', 'public.b', '--purge'], pg, ch)).stderr).toContain('--yes');
    await pipeline.stop();
    const noted = await millrace(['drop', 'public.b', '--purge', '--yes'], pg, ch);
    expect(noted.stdout).toContain('done at its next start');
  },
);

test('GIVEN the ad schema WHEN a table of it is paused, resumed and resynced while others stream THEN mirrors, history and rollup are exact', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  expect(await ask(pg, ch, 'pause', ['public.clicks'])).toMatchObject({ status: 'done' });
  await pg.client.query(
    `DELETE FROM clicks WHERE id % 3 = 0; UPDATE clicks SET campaign_id = 2 WHERE id % 5 = 0; UPDATE impressions SET campaign_id = 3 WHERE id % 7 = 0`,
  );
  expect(await ask(pg, ch, 'resume', ['public.clicks'])).toMatchObject({ status: 'done' });
  await pg.client.query(`UPDATE clicks SET campaign_id = 1 WHERE id % 11 = 0; UPDATE campaign SET bid = bid + 1`);
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  const settings = { ...(await presentWriter(ch, pg.database)), mutations_sync: 1 };
  await ch.client.command(`ALTER TABLE ${ch.database}.impressions DELETE WHERE id % 5 = 0`, { settings });
  expect(await ask(pg, ch, 'resync', ['public.impressions'])).toMatchObject({ status: 'done' });
  await pg.client.query(`DELETE FROM impressions WHERE id % 13 = 0`);
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
});

const CHANGES = `BEGIN; UPDATE one SET n = n + 1; DELETE FROM one WHERE id % 17 = 3; INSERT INTO one SELECT max(id) + 1, 0 FROM one; UPDATE two SET n = n + 1 WHERE id % 2 = 0; COMMIT`;

test(
  'GIVEN tables that exchange their names WHEN the process dies at each step THEN each is followed by what it is',
  { timeout: 600_000 },
  async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(`CREATE TABLE one (id int PRIMARY KEY, n int); CREATE TABLE two (id int PRIMARY KEY, n int);
    INSERT INTO one SELECT i, i FROM generate_series(1, 300) i; INSERT INTO two SELECT i, -i FROM generate_series(1, 100) i`);
    await using pipeline = new PipelineProcess(pg, ch);
    await pipeline.caughtUp({ plain: true });
    for (const point of [
      'tables-lined-up:1',
      'mirror-moved:1',
      'fence-raised:1',
      'tables-made:1',
      'publication-made:1',
    ]) {
      await pipeline.end('SIGTERM');
      await pg.client.query(
        `${CHANGES}; BEGIN; ALTER TABLE one RENAME TO x; ALTER TABLE two RENAME TO one; ALTER TABLE x RENAME TO two; COMMIT; ${CHANGES}`,
      );
      pipeline.start(point);
      await pipeline.died();
      expect(pipeline.ending, `${point} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
      await pg.client.query(CHANGES);
      await pipeline.caughtUp({ plain: true });
      for (const table of ['one', 'two']) expect(await tableDifferences(pg, ch, table)).toEqual([]);
      expect((await tableStates(pg, ch)).size).toBe(2);
    }
    await pg.client.query('ALTER TABLE two RENAME TO three');
    await lookAgain(pg);
    await pg.client.query('DELETE FROM three WHERE id < 20');
    await pipeline.caughtUp({ plain: true });
    for (const table of ['one', 'three']) expect(await tableDifferences(pg, ch, table)).toEqual([]);
    expect([...(await tableStates(pg, ch)).keys()].toSorted()).toEqual(['public.one', 'public.three']);
  },
);

test(
  'GIVEN a request to build a table anew WHEN the process dies as it has stored it THEN it is served',
  { timeout: 240_000 },
  async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(
      `CREATE TABLE one (id int PRIMARY KEY, n int); INSERT INTO one SELECT i, i FROM generate_series(1, 300) i`,
    );
    await using pipeline = new PipelineProcess(pg, ch);
    await pipeline.caughtUp({ plain: true });
    await pipeline.end('SIGTERM');
    expect(await ask(pg, ch, 'resync', ['public.one'])).toMatchObject({ status: 'asked' });
    pipeline.start('tables-lined-up');
    await pipeline.died();
    expect(pipeline.ending).toBe('SIGKILL');
    await pg.client.query('UPDATE one SET n = 0; DELETE FROM one WHERE id = 7');
    await pipeline.caughtUp({ plain: true });
    expect(await tableDifferences(pg, ch, 'one')).toEqual([]);
    expect((await tableStates(pg, ch)).get('public.one')?.generation).toBeGreaterThan(1);
  },
);
