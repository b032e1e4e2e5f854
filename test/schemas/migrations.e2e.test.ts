/**
 * Weekly migrations of the three schemas, one after the other, while traffic goes on; the copy is compared after each.
 * `TEST_SCHEMA_SEED` chooses other traffic. Run when `TEST_SCHEMA_MIGRATIONS` is set.
 */
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from '../support/databases.ts';
import { PipelineProcess } from '../support/process.ts';
import { differencesOf, schemaConfig } from '../support/schema-copy.ts';
import { waitFor } from '../support/wait.ts';
import { COMMERCE } from './commerce/commerce.ts';
import { EXCHANGE } from './exchange/exchange.ts';
import { LEGACY } from './legacy/legacy.ts';
import type { Migration } from './real-schema.ts';
import { Traffic, TrafficSessions } from './traffic.ts';

const isWanted = process.env['TEST_SCHEMA_MIGRATIONS'] !== undefined;
const SEED = Number(process.env['TEST_SCHEMA_SEED'] ?? 1);
/** A migration that meets a deadlock or a lock is run again, as its author would. */
const AGAIN = new Set(['40P01', '55P03']);

async function migrate(client: pg.Client, traffic: Traffic, migration: Migration): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await traffic.migrate(client, migration);
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if (attempt === 20 || !AGAIN.has(String((error as { code?: unknown }).code))) throw error;
    }
  }
}

describe.runIf(isWanted).each([EXCHANGE, COMMERCE, LEGACY])('schema $name', (schema) => {
  test('migrated under traffic: the copy is equal after each migration', { timeout: 600_000 }, async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    const traffic = new Traffic(schema);
    await traffic.setup(pg.client);
    await using config = await schemaConfig(pg, schema);
    await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CONFIG: config.path });
    await pipeline.caughtUp({ plain: true });
    const found: string[] = [];
    const told = new Set<string>();
    for (const [i, migration] of schema.migrations.entries()) {
      await using sessions = await TrafficSessions.start(pg.url, traffic, { sessions: 2, seed: SEED + i });
      const made = async (count: number): Promise<void> => {
        const until = traffic.transactions + count;
        await waitFor(() => traffic.transactions >= until || sessions.hasFailed, { what: `${count} transactions` });
      };
      await made(10);
      await migrate(pg.client, traffic, migration);
      await made(15);
      await sessions.stop();
      const { differences } = await differencesOf(pg, ch, pipeline, schema.excluded);
      // A table that is wrong stays so: told once, with the migration that did it.
      const fresh = differences.filter((difference) => !told.has(difference.split(/[ :]/)[0] ?? ''));
      for (const difference of fresh) told.add(difference.split(/[ :]/)[0] ?? '');
      found.push(...fresh.map((difference) => `${migration.title}: ${difference}`));
    }
    expect(found).toEqual([]);
  });
});
