/**
 * ClickHouse takes one part of a batch and refuses another: the same piece is sent again under the same token, never
 * cut anew, and seen by whoever looks, until the cause is lifted. Then everything is exact, the rollup too.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { openProxy, type Proxy } from '../src/chaos/proxy.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { CHANGES } from './support/crash.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './support/databases.ts';
import { type RunningPipeline, startPipeline } from './support/pipeline.ts';
import { waitFor } from './support/wait.ts';

/** Attempts after which the cause is lifted. */
const ATTEMPTS = 4;

interface Scene {
  readonly pg: TemporaryPostgres;
  readonly ch: TemporaryClickHouse;
  readonly proxy: Proxy;
  readonly pipeline: RunningPipeline;
}

function sceneOf(): () => Scene {
  let scene: Scene | undefined;
  beforeAll(async () => {
    const [pg, ch] = [await temporaryAdSource(), await temporaryClickHouse()];
    const proxy = await openProxy(ch.url);
    await pg.client.query(FIRST_ROWS);
    scene = { pg, ch, proxy, pipeline: startPipeline(pg, ch, { clickhouseUrl: proxy.url }) };
    await scene.pipeline.caughtUp();
  });
  afterAll(async () => {
    if (scene === undefined) return;
    for (const resource of [scene.pipeline, scene.proxy, scene.ch, scene.pg]) await resource[Symbol.asyncDispose]();
  });
  return () => {
    if (scene === undefined) throw new Error('there is no scene');
    return scene;
  };
}

/** The tokens of requests, by the table that each is for. */
function tokensByTable(heads: readonly string[]): Map<string, Set<string>> {
  const tokens = new Map<string, Set<string>>();
  for (const head of heads) {
    const token = new URL(head.split(' ')[1] ?? '', 'http://host').searchParams.get('insert_deduplication_token') ?? '';
    const table = token.split(':').at(-1) ?? '';
    tokens.set(table, (tokens.get(table) ?? new Set()).add(token));
  }
  return tokens;
}

/** Waits until something has been tried that often. */
async function tried({ pipeline }: Scene): Promise<void> {
  await waitFor(() => (pipeline.progress()?.retrying?.attempt ?? 0) >= ATTEMPTS, { what: `${ATTEMPTS} attempts` });
}

/** Statements of somebody that keep a piece out, and those that lift it. */
const CAUSES = [
  {
    cause: 'the rollup refuses rows that its mirrors take',
    set: 'ALTER TABLE {db}.campaign_hourly ADD CONSTRAINT never CHECK campaign_id < 0',
    lift: 'ALTER TABLE {db}.campaign_hourly DROP CONSTRAINT never',
  },
  {
    cause: 'a mirror refuses rows that the rollup takes',
    set: 'ALTER TABLE {db}.impressions ADD CONSTRAINT never CHECK id < 0',
    lift: 'ALTER TABLE {db}.impressions DROP CONSTRAINT never',
  },
  {
    cause: 'the history refuses rows that the mirror takes',
    set: 'ALTER TABLE {db}.campaign_history ADD CONSTRAINT never CHECK id < 0',
    lift: 'ALTER TABLE {db}.campaign_history DROP CONSTRAINT never',
  },
  {
    cause: 'the rollup has too many parts',
    set: 'SYSTEM STOP MERGES {db}.campaign_hourly; ALTER TABLE {db}.campaign_hourly MODIFY SETTING parts_to_throw_insert = 1',
    lift: 'ALTER TABLE {db}.campaign_hourly RESET SETTING parts_to_throw_insert; SYSTEM START MERGES {db}.campaign_hourly',
  },
  {
    cause: 'the checkpoint cannot be stored',
    set: 'ALTER TABLE {internal}.checkpoint ADD CONSTRAINT never CHECK applied_lsn = 0',
    lift: 'ALTER TABLE {internal}.checkpoint DROP CONSTRAINT never',
  },
  {
    cause: 'the plan cannot be stored',
    set: `ALTER TABLE {internal}.checkpoint ADD CONSTRAINT never CHECK position(dirty, '"impressions":[{') = 0`,
    lift: 'ALTER TABLE {internal}.checkpoint DROP CONSTRAINT never',
  },
] as const;

describe('GIVEN a live copy', () => {
  const scene = sceneOf();

  async function run(text: string): Promise<void> {
    const { ch } = scene();
    for (const statement of text.split('; '))
      await ch.client.command(statement.replaceAll('{db}', ch.database).replaceAll('{internal}', ch.internal));
  }

  async function expectEqual(): Promise<void> {
    const { pg, ch, pipeline } = scene();
    await pipeline.caughtUp();
    expect(pipeline.progress()?.retrying).toBeNull();
    expect(await adDifferences(pg, ch)).toEqual([]);
  }

  test.each(CAUSES)('WHEN $cause THEN it is tried until it does', async ({ set, lift }) => {
    const { pg, proxy, pipeline } = scene();
    await run(set);
    const heads = proxy.heads('insert_deduplication_token');
    await pg.client.query(CHANGES);
    await tried(scene());
    const retrying = pipeline.progress()?.retrying;
    expect(retrying?.code).toBe('CLICKHOUSE_FAILED');
    // One batch was cut: each table has one token, however often its piece was sent.
    for (const [table, tokens] of tokensByTable(heads())) expect(tokens.size, table).toBe(1);
    await run(lift);
    await expectEqual();
  });

  test.each([
    { cause: 'memory is short', forced: 'max_memory_usage=1000' },
    { cause: 'the user may only read', forced: 'readonly=1' },
  ])('WHEN $cause THEN everything is tried until it is not', async ({ forced }) => {
    const { pg, proxy } = scene();
    const refused = proxy.setForced(forced);
    await pg.client.query(CHANGES);
    await tried(scene());
    proxy.setForced(null);
    expect(refused()).toBeGreaterThanOrEqual(ATTEMPTS);
    await expectEqual();
  });

  test('WHEN a reconcile is refused that was on its way THEN it is done again', async () => {
    const { pg, proxy } = scene();
    const hold = proxy.hold('campaign_hourly (campaign_id');
    // A price that reaches back to events that are there already.
    await pg.client.query(
      `INSERT INTO impressions (campaign_id, created_at) SELECT 1, now() at time zone 'utc' + interval '2 hours' FROM generate_series(1, 50)`,
    );
    await scene().pipeline.caughtUp();
    await pg.client.query('UPDATE campaign SET bid = bid + 3 WHERE id = 1');
    await hold.reached();
    await run('ALTER TABLE {db}.campaign_hourly ADD CONSTRAINT never CHECK campaign_id < 0');
    hold.release();
    await tried(scene());
    await run('ALTER TABLE {db}.campaign_hourly DROP CONSTRAINT never');
    await expectEqual();
  });

  test('WHEN a table is not where it was THEN that is told at once, and a start after it is back is exact', async () => {
    const { pg, ch, pipeline, proxy } = scene();
    await run('RENAME TABLE {db}.campaign_hourly TO {db}.elsewhere');
    await pg.client.query(CHANGES);
    await expect(pipeline.caughtUp()).rejects.toMatchObject({
      code: 'CLICKHOUSE_FAILED',
      message: expect.stringContaining('campaign_hourly') as string,
    });
    await run('RENAME TABLE {db}.elsewhere TO {db}.campaign_hourly');
    await using again = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
    await again.caughtUp();
    expect(await adDifferences(pg, ch)).toEqual([]);
  });
});
