/**
 * Weekly migrations of the three schemas, one after the other, while traffic goes on; the copy is compared after every
 * few. `TEST_SCHEMA_SEED` chooses other traffic; with `TEST_SCHEMA_MIGRATIONS` there is more of it, and the copy is
 * compared after each migration.
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

const isLong = process.env['TEST_SCHEMA_MIGRATIONS'] !== undefined;
/** Transactions before and behind each migration, and how many migrations are compared at a time. */
const { before, behind, atOnce } = isLong ? { before: 10, behind: 15, atOnce: 1 } : { before: 3, behind: 4, atOnce: 7 };
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

describe.each([EXCHANGE, COMMERCE, LEGACY])('schema $name', (schema) => {
  test('migrated under traffic: the copy is equal', { timeout: 600_000 }, async () => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    const traffic = new Traffic(schema);
    await traffic.setup(pg.client);
    await using config = await schemaConfig(pg, schema);
    await using pipeline = new PipelineProcess(pg, ch, { MILLRACE_CONFIG: config.path });
    await pipeline.caughtUp({ plain: true });
    const found: string[] = [];
    const told = new Set<string>();
    for (let i = 0; i < schema.migrations.length; i += atOnce) {
      const migrations = schema.migrations.slice(i, i + atOnce);
      await using sessions = await TrafficSessions.start(pg.url, traffic, { sessions: 2, seed: SEED + i });
      const made = async (count: number): Promise<void> => {
        const until = traffic.transactions + count;
        await waitFor(() => traffic.transactions >= until || sessions.hasFailed, { what: `${count} transactions` });
      };
      for (const migration of migrations) {
        await made(before);
        await migrate(pg.client, traffic, migration);
        await made(behind);
      }
      await sessions.stop();
      const { differences } = await differencesOf(pg, ch, pipeline, schema);
      // A table that is wrong stays so: told once, with the migrations that did it.
      const fresh = differences.filter((difference) => !told.has(difference.split(/[ :]/)[0] ?? ''));
      for (const difference of fresh) told.add(difference.split(/[ :]/)[0] ?? '');
      found.push(...fresh.map((difference) => `${migrations.map(({ title }) => title).join(', ')}: ${difference}`));
    }
    expect(found).toEqual([]);
  });
});
