/**
 * A crash at every step of streaming, each in a known situation: after each of them source and copy are equal. A
 * point that is never met fails its test. Those of a start, a load and a stop: crash-load.e2e.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import type { FailPoint } from '../src/pipeline/fail-points.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { CHANGES, changeUntilDead, failPointsOn, INSERTS, TRUNCATE } from './support/crash.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { presentWriter } from './support/plant.ts';
import { PipelineProcess } from './support/process.ts';

/** A source and a copy that equals it, and a pipeline that does not run. */
interface Scene extends AsyncDisposable {
  readonly pg: TemporaryPostgres;
  readonly ch: TemporaryClickHouse;
  readonly pipeline: PipelineProcess;
}

async function openScene(settings: Record<string, string> = {}): Promise<Scene> {
  const pg = await temporaryAdSource();
  const ch = await temporaryClickHouse();
  await pg.client.query(FIRST_ROWS);
  const pipeline = new PipelineProcess(pg, ch, settings);
  await pipeline.caughtUp();
  await pipeline.end('SIGTERM');
  const dispose = async (): Promise<void> => {
    for (const resource of [pipeline, ch, pg]) await resource[Symbol.asyncDispose]();
  };
  return { pg, ch, pipeline, [Symbol.asyncDispose]: dispose };
}

/** A scene for all tests of a block. */
function sceneOf(settings?: Record<string, string>): () => Scene {
  let scene: Scene | undefined;
  beforeAll(async () => {
    scene = await openScene(settings);
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
  });
  return () => {
    if (scene === undefined) throw new Error('the scene is not open');
    return scene;
  };
}

/**
 * Lets it catch up and compares; then ends it in order, so that the next case begins with nothing in doubt. The change
 * makes sure that a process has come so far, and not that the one before had stored it.
 */
async function expectEqual({ pg, ch, pipeline }: Scene): Promise<void> {
  await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1)');
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await pipeline.end('SIGTERM');
}

async function die({ pg, pipeline }: Scene, at: string, sql: string): Promise<void> {
  pipeline.start(at);
  await changeUntilDead(pg, pipeline, sql);
  expect(pipeline.ending, `${at} was met; ${pipeline.output.slice(-500)}`).toBe('SIGKILL');
}

/** The position that a start finds is confirmed first, that of a batch afterwards. */
const TIMES: Partial<Record<FailPoint, number>> = { confirmed: 2 };

describe('one copy, killed again and again', () => {
  const scene = sceneOf();

  test.each(failPointsOn('changes'))('at %s by changes of every kind', async (point) => {
    await die(scene(), `${point}:${TIMES[point] ?? 1}`, CHANGES);
    await expectEqual(scene());
  });

  test.each(['partly-landed', 'landed', 'stored'])('at %s by inserts', async (point) => {
    await die(scene(), point, INSERTS);
    await expectEqual(scene());
  });

  test.each(
    failPointsOn('recovery').flatMap((point) => [CHANGES, INSERTS].map((sql): [FailPoint, string] => [point, sql])),
  )('at %s, while it recovers from a crash', async (point, sql) => {
    await die(scene(), 'landed', sql);
    await die(scene(), point, sql);
    await expectEqual(scene());
  });

  test.each([
    ['landed', 'landed'],
    ['table-landed', 'table-landed:3'],
    ['reconciled', 'reconcile-sent'],
    ['table-landed', 'taken-over'],
  ])('at %s, then at %s before all was well again', async (first, second) => {
    await die(scene(), first, CHANGES);
    await die(scene(), second, CHANGES);
    await expectEqual(scene());
  });

  test.each(failPointsOn('truncate'))('at %s, when tables are emptied', async (point) => {
    await die(scene(), point, TRUNCATE);
    await expectEqual(scene());
  });

  test('when a recovery has stored its last position and not reconciled yet', async () => {
    await die(scene(), 'landed', INSERTS);
    scene().pipeline.start('stored');
    await scene().pipeline.died();
    await expectEqual(scene());
  });

  /**
   * ClickHouse writes its deduplication log before it renames a part: killed between the two it has lost the part,
   * and takes the retry for a repetition. Here the rollup's part of a landed batch is lost, the mirror's is not.
   */
  test('and the rollup has lost a part that the mirror has', async () => {
    const { ch, pg } = scene();
    const rollup = `${ch.database}.campaign_hourly`;
    await ch.client.command(
      `CREATE TABLE ${ch.internal}.before ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${rollup}`,
    );
    await die(
      scene(),
      'landed',
      "UPDATE impressions SET campaign_id = 1 + id % 3, created_at = created_at - interval '1 day' WHERE id % 5 = 0",
    );
    await ch.client.command(`TRUNCATE TABLE ${rollup}`);
    await ch.client.command(`INSERT INTO ${rollup} SELECT * FROM ${ch.internal}.before`, {
      settings: { deduplicate_insert: 'disable', ...(await presentWriter(ch, pg.database)) },
    });
    await expectEqual(scene());
  });
});

describe('a transaction larger than a batch, that a recovery applies', () => {
  const scene = sceneOf({ MILLRACE_BATCH_MAX_BYTES: '65536' });

  test.each([2, 5])('killed before its piece %i', async (piece) => {
    await die(scene(), 'landed', INSERTS);
    await scene().pg.client.query('INSERT INTO impressions (campaign_id) SELECT 2 FROM generate_series(1, 20000)');
    scene().pipeline.start(`resolved:${piece}`);
    await scene().pipeline.died();
    await expectEqual(scene());
  });
});
