/**
 * Any sequence of changes of tables and rows, any crash: source and copy are equal, no value lies in a wrong column.
 *
 * Random transactions of several sessions mix DDL and DML while the pipeline, a process of its own, loads and streams; it
 * is stopped and killed at random moments and started again. `TEST_RANDOM_SEED` repeats a run that has failed,
 * `TEST_RANDOM_RUNS` makes it longer, `TEST_RANDOM_DDL` (names of kinds) chooses the DDL.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { PipelineProcess } from './support/process.ts';
import { ALL_DDL, CONTROL, DdlSessions, type DdlStep, DML, FIRST_TABLES, SESSIONS } from './support/random-ddl.ts';
import { differencesOf } from './support/schema-copy.ts';

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 2);
const SEED = process.env['TEST_RANDOM_SEED'];
const DDL = process.env['TEST_RANDOM_DDL']?.split(',') ?? ALL_DDL;

const WEIGHTS: Readonly<Record<string, number>> = {
  begin: 8,
  commit: 10,
  insert: 10,
  update: 8,
  updateAll: 4,
  truncate: 1,
};

const arbitraryStep = fc.record<DdlStep>({
  session: fc.nat({ max: SESSIONS - 1 }),
  kind: fc.oneof(
    ...[...Object.keys(DML), ...Object.keys(CONTROL), ...DDL].map((kind) => ({
      arbitrary: fc.constant(kind),
      weight: WEIGHTS[kind] ?? 2,
    })),
  ),
  a: fc.nat({ max: 9999 }),
  b: fc.nat({ max: 9999 }),
});

/** A life of the process: how many steps it sees, and how it ends. */
const arbitraryLife = fc.record({
  steps: fc.array(arbitraryStep, { minLength: 30, maxLength: 90, size: 'max' }),
  end: fc.constantFrom('SIGKILL' as const, 'SIGKILL' as const, 'SIGTERM' as const),
});

async function tablesOfSource(client: { query: (sql: string) => Promise<{ rows: unknown[] }> }): Promise<string[]> {
  const { rows } = await client.query(
    "SELECT 'public.' || tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  return (rows as { name: string }[]).map(({ name }) => name).toSorted();
}

test('random DDL and DML together, stops and kills', { timeout: 120_000 * RUNS }, async () => {
  let log: string[] = [];
  const property = fc.asyncProperty(fc.array(arbitraryLife, { minLength: 3, maxLength: 4 }), async (lives) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(FIRST_TABLES);
    await using pipeline = new PipelineProcess(pg, ch, {
      MILLRACE_BATCH_MAX_BYTES: '65536',
      MILLRACE_MIN_FLUSH_INTERVAL_MS: '0',
    });
    await using sessions = await DdlSessions.open(pg.url);
    ({ log } = sessions);
    for (const [i, { steps, end }] of lives.entries()) {
      pipeline.start();
      log.push(`-- started`);
      // The first life begins with a copy that is live: most of what follows is then streamed.
      if (i === 0) await pipeline.caughtUp({ plain: true });
      for (const step of steps) await sessions.run(step);
      // A transaction that is left open would hold up what waits for older ones.
      await sessions.settle();
      await pipeline.end(end);
      log.push(`-- ${end}`);
    }
    const { differences, tables } = await differencesOf(pg, ch, pipeline);
    expect(differences.join('\n')).toBe('');
    expect(tables.toSorted()).toEqual(await tablesOfSource(pg.client));
  });
  try {
    await fc.assert(property, {
      numRuns: RUNS,
      endOnFailure: true,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    });
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(`${message.slice(0, 200)}\n${String(cause)}\n\nWhat was run:\n${log.join('\n')}`, { cause: error });
  }
});
