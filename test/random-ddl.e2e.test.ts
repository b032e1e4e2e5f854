/**
 * Any sequence of changes of tables and rows, any crash: source and copy are equal, no value lies in a wrong column.
 *
 * Random transactions of several sessions mix DDL and DML while the pipeline, a process of its own, loads and streams; it
 * is stopped and killed at random moments and started again. `TEST_RANDOM_SEED` repeats a run that has failed,
 * `TEST_RANDOM_RUNS` makes it longer, `TEST_RANDOM_DDL` (names of kinds) chooses the DDL, `TEST_RANDOM_COUNTS=1` tells
 * how often each kind was done.
 */
import * as fc from 'fast-check';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { PipelineProcess } from './support/process.ts';
import { ALL_DDL, CONTROL, DdlSessions, FIRST_TABLES, SESSIONS } from './support/random-ddl.ts';
import { DML } from './support/random-ddl-kinds.ts';
import { type DdlStep, SCHEMAS } from './support/random-ddl-tables.ts';
import { differencesOf } from './support/schema-copy.ts';

const RUNS = Number(process.env['TEST_RANDOM_RUNS'] ?? 1);
const SEED = process.env['TEST_RANDOM_SEED'];
const COUNTS = process.env['TEST_RANDOM_COUNTS'] === '1';
const DDL = process.env['TEST_RANDOM_DDL']?.split(',') ?? ALL_DDL;

const WEIGHTS: Readonly<Record<string, number>> = {
  begin: 12,
  commit: 16,
  insert: 20,
  insertBeside: 3,
  update: 12,
  updateAll: 6,
  remove: 3,
  truncate: 1,
  renameLabel: 1,
  alterPair: 1,
  loseKey: 1,
  publishFew: 1,
  publishSome: 1,
  publishAnew: 1,
  dropPublication: 1,
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

async function tablesOfSource(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query(
    `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
    [SCHEMAS],
  );
  return (rows as { name: string }[]).map(({ name }) => name).toSorted();
}

test('random DDL and DML together, stops and kills', { timeout: 600_000 * RUNS }, async () => {
  let log: string[] = [];
  let wrote = (): string => '';
  const history = fc.array(arbitraryLife, { minLength: 3, maxLength: 4 });
  // As seldom as it is asked by default, or often enough that much is seen amid a life.
  const property = fc.asyncProperty(history, fc.constantFrom(300, 5_000), async (lives, pollMs) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await pg.client.query(FIRST_TABLES);
    await using pipeline = new PipelineProcess(pg, ch, {
      MILLRACE_BATCH_MAX_BYTES: '65536',
      MILLRACE_MIN_FLUSH_INTERVAL_MS: '0',
      MILLRACE_INCLUDE_TABLES: SCHEMAS.map((schema) => `${schema}.*`).join(','),
      MILLRACE_CATALOG_POLL_MS: String(pollMs),
    });
    await using sessions = await DdlSessions.open(pg.url);
    ({ log } = sessions);
    wrote = () => pipeline.output.slice(-6_000);
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
    const { differences, tables } = await differencesOf(pg, ch, pipeline, { schemas: SCHEMAS });
    expect(differences.join('\n')).toBe('');
    expect(tables.toSorted()).toEqual(await tablesOfSource(pg.client));
    expect({ gaveUp: pipeline.gaveUp, wrote: pipeline.gaveUp.length === 0 ? '' : pipeline.output }).toEqual({
      gaveUp: [],
      wrote: '',
    });
    if (COUNTS) process.stderr.write(`${JSON.stringify(Object.fromEntries(sessions.done))}\n`);
  });
  try {
    await fc.assert(property, {
      numRuns: RUNS,
      endOnFailure: true,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    });
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(
      `${message.slice(0, 200)}\n${String(cause)}\n\nWhat was run:\n${log.join('\n')}\n\nWhat the processes wrote:\n${wrote()}`,
      { cause: error },
    );
  }
});
