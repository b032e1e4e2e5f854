/**
 * Any sequence of changes, any crash: source and copy are equal.
 *
 * Random transactions run while the pipeline, a process of its own, loads and streams; it is stopped and
 * killed at random moments and started again. At the end mirrors, rollups and spend are compared exactly.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { failPointsOn } from './support/crash.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { PipelineProcess } from './support/process.ts';
import { FIRST_ROWS, RandomSessions, type Step } from '../src/chaos/random-sessions.ts';
import { arbitrarySteps } from './support/random-changes.ts';

/** Those that random changes come to. */
const MET = failPointsOn('load', 'changes', 'truncate', 'recovery');

/** How a process ends: at a fail point it comes to, or from outside after some steps. */
const arbitraryFault = fc.oneof(
  { arbitrary: fc.record({ at: fc.constantFrom(...MET), times: fc.integer({ min: 1, max: 8 }) }), weight: 4 },
  {
    arbitrary: fc.record({
      signal: fc.constantFrom('SIGKILL' as const, 'SIGTERM' as const),
      steps: fc.integer({ min: 1, max: 300 }),
    }),
    weight: 1,
  },
);

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 2);
/** Steps after which a fail point that was not met is given up. */
const PATIENCE_STEPS = 400;

test('random transactions, stops and kills', { timeout: 60_000 * RUNS }, async () => {
  const faults = fc.array(arbitraryFault, { minLength: 5, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(arbitrarySteps(80, 160), faults, async (steps, planned) => {
      await using pg = await temporaryAdSource();
      await using ch = await temporaryClickHouse();
      await pg.client.query(FIRST_ROWS);
      // Small chunks and batches, so that every run has many of both.
      await using pipeline = new PipelineProcess(pg, ch, {
        MILLRACE_CHUNK_ROWS: '1000',
        MILLRACE_BATCH_MAX_BYTES: '65536',
        MILLRACE_MIN_FLUSH_INTERVAL_MS: '0',
      });
      await using sessions = await RandomSessions.open(pg.url);
      let taken = 0;
      for (const fault of planned) {
        pipeline.start('at' in fault ? `${fault.at}:${fault.times}` : '');
        const limit = 'at' in fault ? PATIENCE_STEPS : fault.steps;
        for (let i = 0; i < limit && pipeline.isRunning; i++) {
          // A transaction that never ends holds up the making of the slot, for ever and rightly so.
          if (taken % steps.length === 0) await sessions.settle();
          await sessions.run(steps[taken++ % steps.length] as Step);
        }
        await pipeline.end('signal' in fault ? fault.signal : 'SIGKILL');
      }
      await sessions.settle();
      await pipeline.caughtUp();
      expect(await adDifferences(pg, ch)).toEqual([]);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});
