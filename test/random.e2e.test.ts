/**
 * Any sequence of changes, any crash: source and copy are equal.
 *
 * Random transactions run while the pipeline, a process of its own, loads and streams; it is stopped and
 * killed at random moments and started again. At the end mirrors, rollups and spend are compared exactly.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { adDifferences } from './support/pipeline.ts';
import { PipelineProcess } from './support/process.ts';
import { arbitrarySteps, FIRST_ROWS, RandomSessions, type Step } from './support/random-changes.ts';

/** A process is ended after so many writes of its checkpoint: at any place between a plan and the next. */
const arbitraryFault = fc.record({
  afterWrites: fc.bigInt({ min: 1n, max: 15n }),
  signal: fc.oneof({ arbitrary: fc.constant('SIGKILL' as const), weight: 4 }, { arbitrary: fc.constant('SIGTERM' as const), weight: 1 }),
});

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 4);
const MAX_STEPS = 5_000;

test('random transactions, stops and kills', { timeout: 60_000 * RUNS }, async () => {
  const faults = fc.array(arbitraryFault, { minLength: 4, maxLength: 7 });
  await fc.assert(
    fc.asyncProperty(arbitrarySteps(80, 160), faults, async (steps, planned) => {
      await using pg = await temporaryAdSource();
      await using ch = await temporaryClickHouse();
      await pg.client.query(FIRST_ROWS);
      // Small chunks and batches, so that every run has many of both.
      await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CHUNK_ROWS: '1000', MILLRACE_BATCH_MAX_BYTES: '65536', MILLRACE_MIN_FLUSH_INTERVAL_MS: '0' });
      await using sessions = await RandomSessions.open(pg.url);
      pipeline.start();
      let since = 0n;
      let taken = 0;
      for (const fault of planned) {
        for (let writes = 0n; writes < since + fault.afterWrites; writes = await pipeline.writes()) {
          if (taken > MAX_STEPS) throw new Error(`no progress: ${pipeline.output.slice(-2000)}`);
          // A transaction that never ends holds up the making of the slot, for ever and rightly so.
          if (taken % steps.length === 0) await sessions.settle();
          await sessions.run(steps[taken++ % steps.length] as Step);
        }
        await pipeline.end(fault.signal);
        since = await pipeline.writes();
        pipeline.start();
      }
      await sessions.settle();
      await pipeline.caughtUp();
      expect(await adDifferences(pg, ch)).toEqual([]);
      expect(pipeline.kills).toBe(planned.length);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
