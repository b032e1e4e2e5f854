/**
 * Three schemas with the breadth of real applications: loaded and streamed under random traffic, then migrated week by
 * week while it goes on, and compared exactly.
 */
import { describe, expect, test } from 'vitest';
import { temporaryClickHouse, temporaryPostgres } from '../support/databases.ts';
import { PipelineProcess } from '../support/process.ts';
import { copyableTables, differencesOf } from '../support/schema-copy.ts';
import { waitFor } from '../support/wait.ts';
import { COMMERCE } from './commerce/commerce.ts';
import { EXCHANGE } from './exchange/exchange.ts';
import { LEGACY } from './legacy/legacy.ts';
import { Traffic, TrafficSessions } from './traffic.ts';

/** Times before Christ do not fit the type that times have by default; columns of the copy's own names are refused. */
const LEFT_OUT = new Set(['Legacy Data.epoch', 'Legacy Data.Kunden Stamm']);

const SEED = Number(process.env['TEST_SCHEMA_SEED'] ?? 1);

/** Resolves when this many transactions more have been made. */
async function transactions(traffic: Traffic, sessions: TrafficSessions, count: number): Promise<void> {
  const until = traffic.transactions + count;
  await waitFor(() => traffic.transactions >= until || sessions.hasFailed, { what: `${count} transactions` });
}

describe.each([EXCHANGE, COMMERCE, LEGACY])('schema $name', (schema) => {
  test(
    'loaded and streamed under traffic, with a kill in between: the copy is equal',
    { timeout: 120_000 },
    async () => {
      await using pg = await temporaryPostgres();
      await using ch = await temporaryClickHouse();
      const traffic = new Traffic(schema);
      await traffic.setup(pg.client);
      const copyable = (await copyableTables(pg, schema)).copyable.filter((table) => !LEFT_OUT.has(table));
      await using pipeline = new PipelineProcess(pg, ch, {
        MILLRACE_INCLUDE_TABLES: copyable.join(','),
        MILLRACE_CHUNK_ROWS: '1000',
      });
      {
        await using sessions = await TrafficSessions.start(pg.url, traffic, { sessions: 2, seed: SEED });
        await transactions(traffic, sessions, 20);
        pipeline.start();
        await transactions(traffic, sessions, 100);
        await pipeline.end('SIGKILL');
        await transactions(traffic, sessions, 20);
        pipeline.start();
        await transactions(traffic, sessions, 40);
        await sessions.stop();
      }
      const { differences, tables } = await differencesOf(pg, ch, pipeline);
      expect(differences).toEqual([]);
      expect(tables.toSorted()).toEqual(copyable.toSorted());
    },
  );
});
