/** A source, a copy and a pipeline in a process between them, each side behind a proxy. */
import { afterAll, beforeAll, expect } from 'vitest';
import { adDifferences } from '../../src/chaos/compare.ts';
import { openProxy, type Proxy } from '../../src/chaos/proxy.ts';
import { FIRST_ROWS } from '../../src/chaos/random-sessions.ts';
import { temporaryAdSource } from './ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse, type TemporaryPostgres } from './databases.ts';
import { PipelineProcess } from './process.ts';

/** What a test with faults works on. Its clients are on the servers themselves, the pipeline is behind the proxies. */
export interface Scene extends AsyncDisposable {
  readonly pg: TemporaryPostgres;
  readonly ch: TemporaryClickHouse;
  readonly toPostgres: Proxy;
  readonly toClickHouse: Proxy;
  readonly pipeline: PipelineProcess;
}

/**
 * Opens a scene: the source has its first rows, the pipeline does not run.
 *
 * @param options `isLive`: it has run, the copy equals the source and nothing is in doubt.
 */
export async function openScene(
  options: { isLive: boolean; settings?: Record<string, string> } = { isLive: true },
): Promise<Scene> {
  const opened: AsyncDisposable[] = [];
  const own = <T extends AsyncDisposable>(resource: T): T => {
    opened.unshift(resource);
    return resource;
  };
  const dispose = async (): Promise<void> => {
    for (const resource of opened) await resource[Symbol.asyncDispose]();
  };
  try {
    const pg = own(await temporaryAdSource());
    const ch = own(await temporaryClickHouse());
    const toPostgres = own(await openProxy(pg.url));
    const toClickHouse = own(await openProxy(ch.url));
    await pg.client.query(`${FIRST_ROWS}; ANALYZE`);
    const sides = [
      { ...pg, url: toPostgres.url },
      { ...ch, url: toClickHouse.url },
    ] as const;
    const pipeline = own(new PipelineProcess(...sides, options.settings));
    if (options.isLive) {
      await pipeline.caughtUp();
      await pipeline.end('SIGTERM');
    }
    return { pg, ch, toPostgres, toClickHouse, pipeline, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A live scene for all tests of a block: each leaves it with nothing in doubt, and no process. */
export function sharedScene(settings: Record<string, string> = {}): () => Scene {
  let scene: Scene | undefined;
  beforeAll(async () => {
    scene = await openScene({ isLive: true, settings });
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
 * Lets the pipeline catch up and compares everything; then ends it in order, so that the next case begins with nothing
 * in doubt. The change makes sure that a process has come so far, and not that the one before had stored it.
 */
export async function expectEqual({ pg, ch, pipeline }: Scene): Promise<void> {
  await pg.client.query('INSERT INTO clicks (campaign_id) VALUES (1)');
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);
  await pipeline.end('SIGTERM');
}
