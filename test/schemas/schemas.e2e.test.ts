/**
 * Three schemas with the breadth of real applications: loaded and streamed under random traffic, then migrated week by
 * week while it goes on, and compared exactly. `TEST_SCHEMA_SEED` chooses other traffic.
 */
import { describe, expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from '../support/databases.ts';
import { PipelineProcess } from '../support/process.ts';
import { differencesOf, schemaConfig } from '../support/schema-copy.ts';
import { waitFor } from '../support/wait.ts';
import { COMMERCE } from './commerce/commerce.ts';
import { EXCHANGE } from './exchange/exchange.ts';
import { LEGACY } from './legacy/legacy.ts';
import { Traffic, TrafficSessions } from './traffic.ts';

const SEED = Number(process.env['TEST_SCHEMA_SEED'] ?? 1);

/** Resolves when this many transactions more have been made. */
async function transactions(traffic: Traffic, sessions: TrafficSessions, count: number): Promise<void> {
  const until = traffic.transactions + count;
  await waitFor(() => traffic.transactions >= until || sessions.hasFailed, {
    what: `${count} transactions`,
    timeoutMs: 120_000,
  });
}

describe.each([EXCHANGE, COMMERCE, LEGACY])('schema $name', (schema) => {
  test('loaded and streamed under traffic, killed in between: the copy is equal', { timeout: 300_000 }, async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    const traffic = new Traffic(schema);
    await traffic.setup(pg.client);
    await using config = await schemaConfig(pg, schema);
    await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CONFIG: config.path, MILLRACE_CHUNK_ROWS: '1000' });
    {
      await using sessions = await TrafficSessions.start(pg.url, traffic, { sessions: 2, seed: SEED });
      await transactions(traffic, sessions, 20);
      pipeline.start();
      await transactions(traffic, sessions, 60);
      await pipeline.end('SIGKILL');
      await transactions(traffic, sessions, 20);
      pipeline.start();
      await transactions(traffic, sessions, 40);
      await sessions.stop();
    }
    const { differences, tables } = await differencesOf(pg, ch, pipeline, schema);
    expect(differences).toEqual([]);
    expect(tables.toSorted()).toEqual(config.copied.toSorted());
  });
});
