/**
 * SIGTERM in any phase, whatever the servers do: the process ends in order, within 10 s, and the next one goes on from
 * there. The limit is that of the wait: a process that has not ended by then hangs.
 */
import { describe, expect, test } from 'vitest';
import { isClean } from '../src/destination/checkpoint.ts';
import { connectPostgres } from '../src/source/connection.ts';
import { CHANGES, INSERTS } from './support/crash.ts';
import { expectEqual, openScene, type Scene, sharedScene } from './support/scene.ts';
import { checkpointOf } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

const LIMIT_MS = 10_000;

/** Small, so that a process which falls behind has no batch full of them: it would be cut inside a transaction. */
const SMALL_CHANGES = `BEGIN; UPDATE impressions SET campaign_id = 1 + id % 4 WHERE id % 300 = 0;
  INSERT INTO impressions (campaign_id) VALUES (1), (2); UPDATE campaign SET bid = bid + 0.01 WHERE id = 1; COMMIT`;

/** Asks the process to end, and waits for that. */
async function stop({ pipeline }: Scene): Promise<void> {
  pipeline.signal('SIGTERM');
  await waitFor(() => !pipeline.isRunning, { what: 'the process to end', timeoutMs: LIMIT_MS }).catch(
    async (error: unknown) => {
      await pipeline.end('SIGKILL');
      throw new Error(`it hangs; it wrote: ${pipeline.output.slice(-1500)}`, { cause: error });
    },
  );
  await pipeline.closed();
  expect(pipeline.ending, pipeline.output.slice(-1500)).toBe('code 0');
}

/** It may run out of time on a busy machine: then it says so. */
async function expectNothingInDoubt({ pg, ch, pipeline }: Scene): Promise<void> {
  const { plannedLsn, recovering, dirty } = await checkpointOf(pg, ch);
  if (/the next session repeats/.test(pipeline.output)) return expect(plannedLsn).toBeGreaterThan(0n);
  expect({ plannedLsn, recovering, isClean: isClean(dirty) }).toEqual({
    plannedLsn: 0n,
    recovering: false,
    isClean: true,
  });
}

describe('GIVEN a first start', () => {
  const settings = { MILLRACE_CHUNK_ROWS: '1000' };

  test.each(['toPostgres', 'toClickHouse'] as const)('WHEN it is stopped while %s nothing comes back', async (side) => {
    await using scene = await openScene({ isLive: false, settings });
    scene[side].setWeather({ kind: 'silent' });
    scene.pipeline.start();
    await waitFor(() => scene[side].accepted > 0, { what: 'a connection' });
    await stop(scene);
    scene[side].setWeather({ kind: 'clear' });
    await expectEqual(scene);
  });

  test('WHEN it is stopped while the slot waits for an older transaction', async () => {
    await using scene = await openScene({ isLive: false, settings });
    const polls = scene.toPostgres.count('pg_snapshot_xmin');
    const older = await connectPostgres(scene.pg.url);
    await older.query('BEGIN; INSERT INTO impressions (campaign_id) VALUES (1)');
    scene.pipeline.start();
    await waitFor(() => polls() > 1, { what: 'the process to wait' });
    await stop(scene);
    await older.query('COMMIT');
    await older.end();
    await expectEqual(scene);
  });

  test.each([
    { phase: 'a chunk is read', side: 'toPostgres', text: "ctid >= '(0,0)'" },
    { phase: 'a chunk is sent', side: 'toClickHouse', text: '%60.%60impressions%60' },
    { phase: 'the state of a table is stored', side: 'toClickHouse', text: '.tables+' },
    { phase: 'the rollups are built', side: 'toClickHouse', text: 'campaign_hourly (campaign_id' },
    { phase: 'prices are loaded', side: 'toClickHouse', text: 'RELOAD DICTIONARY' },
  ] as const)('WHEN it is stopped while $phase, which takes for ever', async ({ side, text }) => {
    await using scene = await openScene({ isLive: false, settings });
    const hold = scene[side].hold(text);
    scene.pipeline.start();
    await hold.reached();
    await stop(scene);
    hold.release();
    await expectEqual(scene);
  });
});

describe('GIVEN a live copy', () => {
  const shared = sharedScene();

  test('WHEN it is stopped while changes stream at full rate THEN nothing is in doubt', async () => {
    const scene = shared();
    const landed = scene.toClickHouse.count('impressions_in');
    scene.pipeline.start();
    const end = new AbortController();
    const traffic = (async () => {
      while (!end.signal.aborted) await scene.pg.client.query(SMALL_CHANGES);
    })();
    await waitFor(() => landed() > 3, { what: 'changes to land' });
    await stop(scene).finally(() => end.abort());
    await traffic;
    await expectNothingInDoubt(scene);
    await expectEqual(scene);
  });

  test('WHEN it is stopped in the midst of a transaction of many pieces', async () => {
    await using scene = await openScene({ isLive: true, settings: { MILLRACE_BATCH_MAX_BYTES: '65536' } });
    const landed = scene.toClickHouse.count('impressions_in');
    scene.pipeline.start();
    const big = scene.pg.client.query(
      'INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 100000) i',
    );
    await waitFor(() => landed() > 3, { what: 'pieces to land' });
    await stop(scene);
    await big;
    await expectEqual(scene);
  });

  test('WHEN it is stopped while it recovers', async () => {
    const scene = shared();
    scene.pipeline.start('landed');
    await scene.pg.client.query(INSERTS);
    await scene.pipeline.died();
    const hold = scene.toClickHouse.hold('impressions_in');
    scene.pipeline.start();
    await hold.reached();
    await stop(scene);
    hold.release();
    await expectEqual(scene);
  });

  test.each([
    { phase: 'ClickHouse is silent', side: 'toClickHouse', kind: 'silent' },
    { phase: 'ClickHouse stalls', side: 'toClickHouse', kind: 'stalled' },
    { phase: 'PostgreSQL is silent', side: 'toPostgres', kind: 'silent' },
    { phase: 'PostgreSQL stalls', side: 'toPostgres', kind: 'stalled' },
  ] as const)('WHEN it is stopped while $phase', async ({ side, kind }) => {
    const scene = shared();
    scene.pipeline.start();
    await scene.pg.client.query(CHANGES);
    await scene.pipeline.caughtUp();
    scene[side].setWeather({ kind });
    await scene.pg.client.query(CHANGES);
    await stop(scene);
    scene[side].setWeather({ kind: 'clear' });
    await expectEqual(scene);
  });

  test.each(['toPostgres', 'toClickHouse'] as const)(
    'WHEN it is stopped while it waits before another attempt, %s being refused',
    async (side) => {
      const scene = shared();
      scene.pipeline.start();
      await scene.pg.client.query(CHANGES);
      await scene.pipeline.caughtUp();
      const { accepted } = scene[side];
      scene[side].setRefusing(true);
      scene[side].cut();
      await scene.pg.client.query(CHANGES);
      await waitFor(() => scene[side].accepted > accepted + 3, { what: 'several attempts' });
      await stop(scene);
      scene[side].setRefusing(false);
      await expectEqual(scene);
    },
  );
});
