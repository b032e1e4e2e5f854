/** ClickHouse is never given more parts than it can merge, whatever is written: no partition of ours ever has 300. */
import { expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { tableDifferences } from '../src/chaos/compare.ts';
import type { ClickHouse } from '../src/destination/client.ts';
import { connectPostgres } from '../src/source/connection.ts';
import { temporaryPostgres } from './support/databases.ts';
import { ownClickHouse } from './support/own-clickhouse.ts';
import { startPipeline } from './support/pipeline.ts';
import { waitFor } from './support/wait.ts';

const LIMIT = 300;
const TABLES = 8;

/** Counts the parts of every partition over and over. */
class PartsObserver implements AsyncDisposable {
  /** Most active parts seen, by table. */
  readonly most = new Map<string, number>();
  readonly #end = new AbortController();
  readonly #observing: Promise<void>;

  constructor(client: ClickHouse) {
    this.#observing = this.#observe(client);
  }

  /** Most active parts of any table. */
  get worst(): number {
    return Math.max(0, ...this.most.values());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#observing;
  }

  async #observe(client: ClickHouse): Promise<void> {
    while (!this.#end.signal.aborted) {
      const rows = await client.rows<{ name: string; parts: string }>(
        `SELECT concat(database, '.', table) AS name, count() AS parts FROM system.parts
         WHERE active AND database IN ('ads', 'millrace') GROUP BY database, table, partition_id`,
      );
      for (const { name, parts } of rows) this.most.set(name, Math.max(this.most.get(name) ?? 0, Number(parts)));
      await sleep(10);
    }
  }
}

/** One more session, closed at the end. */
async function temporarySession(url: string) {
  const client = await connectPostgres(url);
  return { client, [Symbol.asyncDispose]: async () => client.end() };
}

test('GIVEN merges that have stopped WHEN tables are loaded and tiny commits go on THEN writing waits below the limit, says so, and goes on with the merges', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await ownClickHouse();
  await pg.client.query(
    `CREATE TABLE big (id serial PRIMARY KEY, body text STORAGE PLAIN);
     INSERT INTO big (body) SELECT repeat('x', 2000) FROM generate_series(1, 5000);`,
  );
  const names = Array.from({ length: TABLES }, (_, i) => `small_${i}`);
  for (const name of names) await pg.client.query(`CREATE TABLE ${name} (id serial PRIMARY KEY, n int)`);
  // A transaction that the load waits for, so that the tables are there before it begins: merges stop by table.
  await using older = await temporarySession(pg.url);
  await older.client.query('BEGIN; CREATE TABLE begun (id int PRIMARY KEY)');
  await using pipeline = startPipeline(pg, ch, { chunkBytes: 1 << 16, minFlushIntervalMs: 0 });
  await waitFor(() => pipeline.progress()?.waitingFor.startsWith('older transactions'), { what: 'the tables' });
  await ch.client.command('SYSTEM STOP MERGES');
  // 200 parts at once, of rows that nobody sees: the load alone would take long to make as many.
  await ch.client.command('ALTER TABLE ads.big DROP CONSTRAINT millrace_fence');
  await ch.client.command(
    `INSERT INTO ads.big (id, body, _version, _deleted) SELECT 1000000 + number, '', 1, 1 FROM numbers(200)
     SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1`,
  );
  await using parts = new PartsObserver(ch.client);
  await older.client.query('ROLLBACK');

  await waitFor(() => pipeline.progress()?.waitingFor.startsWith('merges of ClickHouse: ads.big'), {
    what: 'writing to wait for merges',
  });
  // As many commits as it likes, each of them in another table.
  for (let n = 0; n < 400; n++) await pg.client.query(`INSERT INTO ${names[n % TABLES]} (n) VALUES (${n})`);
  expect(parts.worst).toBeGreaterThan(220);
  await ch.client.command('SYSTEM START MERGES');
  await pipeline.caughtUp();
  expect(pipeline.progress()?.waitingFor).toBe('');
  expect(await tableDifferences(pg, ch, 'big')).toEqual([]);
  expect(await tableDifferences(pg, ch, 'small_7')).toEqual([]);

  // Now the stream alone, as fast as it can.
  for (let n = 0; n < 600; n++) await pg.client.query(`UPDATE ${names[n % TABLES]} SET n = ${n} WHERE id = 1`);
  await pipeline.caughtUp();
  expect(await tableDifferences(pg, ch, 'small_7')).toEqual([]);
  expect([...parts.most].filter(([, most]) => most >= LIMIT)).toEqual([]);
}, 120_000);
