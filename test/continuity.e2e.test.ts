/** Source, slot and copy that do not belong together any more: each is found at the start, said, and nothing is touched. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { type EmbeddedPostgres, startPostgres } from '../src/engines/postgres.ts';
import { connectPostgres, pgRows } from '../src/source/connection.ts';
import { createSlot, inspectSlot } from '../src/source/slot.ts';
import {
  type TemporaryClickHouse,
  temporaryClickHouse,
  type TemporaryPostgres,
  temporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { tableDifferences } from '../src/chaos/compare.ts';
import { presentWriter } from './support/plant.ts';
import { resyncTables } from './support/resync.ts';
import { endStream } from './support/slot.ts';
import { checkpointOf } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

const run = promisify(execFile);
const ROWS =
  'CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item SELECT i, i FROM generate_series(1, 100) i';
const SETTINGS = { fsync: 'off', full_page_writes: 'off', wal_level: 'logical' };

/** A PostgreSQL of its own, whose files can be copied while it is stopped. */
class OwnServer implements AsyncDisposable {
  readonly #directory: string;
  #server: EmbeddedPostgres | null = null;
  #client: TemporaryPostgres['client'] | null = null;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<OwnServer> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-own-'));
    await chmod(directory, 0o711);
    return new OwnServer(directory);
  }

  /** Starts the files `name`; with `promoted` as a standby that takes over at once: on a timeline of its own. */
  async start(name: string, promoted = false): Promise<TemporaryPostgres> {
    const dataDir = join(this.#directory, name);
    if (promoted) await writeFile(join(dataDir, 'data', 'standby.signal'), '');
    this.#server = await startPostgres({ dataDir, settings: SETTINGS });
    const { url } = this.#server;
    const client = await connectPostgres(url, { applicationName: 'test' });
    this.#client = client;
    if (promoted) await pgRows(client, 'SELECT pg_promote(true, 30)');
    return { url, database: 'ads', client, [Symbol.asyncDispose]: () => this.stop() };
  }

  async stop(): Promise<void> {
    await this.#client?.end();
    this.#client = null;
    await this.#server?.stop();
    this.#server = null;
  }

  /** Copies the files of a stopped server: a backup. */
  async copy(from: string, to: string): Promise<void> {
    await run('cp', ['-a', join(this.#directory, from), join(this.#directory, to)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function expectRefused(pg: TemporaryPostgres, ch: TemporaryClickHouse, code: string): Promise<void> {
  const before = await checkpointOf(pg, ch);
  await using pipeline = startPipeline(pg, ch);
  await expect(pipeline.caughtUp()).rejects.toMatchObject({ code });
  expect(await checkpointOf(pg, ch)).toEqual(before);
}

/** Brings the copy up to date and ends its pipeline in order. */
async function follow(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  const pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await pipeline.stop();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
}

test('GIVEN a source that is restored from a backup WHEN it is followed on THEN SOURCE_REWOUND, also when its log has grown past the copy', async () => {
  await using ch = await temporaryClickHouse();
  await using server = await OwnServer.open();
  const first = await server.start('primary');
  await first.client.query(ROWS);
  await follow(first, ch);
  await server.stop();
  await server.copy('primary', 'backup');
  const again = await server.start('primary');
  for (let i = 0; i < 50; i++) await again.client.query('UPDATE item SET n = n + 1 WHERE id < 10');
  await follow(again, ch);
  await server.stop();
  const restored = await server.start('backup');
  await expectRefused(restored, ch, 'SOURCE_REWOUND');
  await restored.client.query(
    `CREATE SCHEMA other; CREATE TABLE other.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)`,
  );
  await expectRefused(restored, ch, 'SOURCE_REWOUND');
  expect(await resyncTables(restored, ch)).toMatchObject({ hasNewSlot: true });
  await follow(restored, ch);
});

test('GIVEN a standby that takes over WHEN it had all that was applied THEN the copy goes on; WHEN it lacked some THEN SOURCE_REWOUND', async () => {
  await using ch = await temporaryClickHouse();
  await using server = await OwnServer.open();
  const primary = await server.start('primary');
  await primary.client.query(ROWS);
  await follow(primary, ch);
  await server.stop();
  await server.copy('primary', 'behind');
  const later = await server.start('primary');
  await later.client.query('UPDATE item SET n = 0 WHERE id < 10');
  await follow(later, ch);
  await server.stop();
  await server.copy('primary', 'complete');
  const complete = await server.start('complete', true);
  await complete.client.query('UPDATE item SET n = -1 WHERE id > 90');
  await follow(complete, ch);
  expect((await checkpointOf(complete, ch)).sourceTimeline).toBe(2);
  await server.stop();
  const behind = await server.start('behind', true);
  await behind.client.query(
    `CREATE SCHEMA other; CREATE TABLE other.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)`,
  );
  await expectRefused(behind, ch, 'SOURCE_REWOUND');
});

test('GIVEN a slot of that name that something else has made WHEN the pipeline starts THEN SLOT_FOREIGN, and the slot stays', async () => {
  await using pg = await temporaryPostgres();
  await using other = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await createSlot(other.client, pg.database);
  await using pipeline = startPipeline(pg, ch);
  await expect(pipeline.caughtUp()).rejects.toMatchObject({ code: 'SLOT_FOREIGN' });
  expect(await inspectSlot(other.client, pg.database)).toMatchObject({ database: other.database });
});

test('GIVEN a copy WHEN its slot is dropped and made anew by somebody THEN SLOT_AHEAD', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await follow(pg, ch);
  await pgRows(pg.client, 'SELECT pg_drop_replication_slot($1)', [pg.database]);
  await pg.client.query('UPDATE item SET n = 7');
  await createSlot(pg.client, pg.database);
  await expectRefused(pg, ch, 'SLOT_AHEAD');
});

test('GIVEN a running pipeline WHEN its slot is dropped under it THEN it ends with SLOT_LOST', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const drop = async (): Promise<boolean> => {
    await endStream(pg);
    const dropped = await pgRows(pg.client, 'SELECT pg_drop_replication_slot($1)', [pg.database]).catch(() => []);
    return dropped.length > 0;
  };
  await waitFor(drop, { what: 'the slot to be dropped' });
  await expect(pipeline.ended()).rejects.toMatchObject({ code: 'SLOT_LOST' });
});

test('GIVEN a copy WHEN a mirror is dropped THEN COPY_DAMAGED names it', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await follow(pg, ch);
  await ch.client.command(`DROP TABLE ${ch.database}.item SYNC`);
  await using pipeline = startPipeline(pg, ch);
  await expect(pipeline.caughtUp()).rejects.toMatchObject({
    code: 'COPY_DAMAGED',
    message: expect.stringContaining(`${ch.database}.item`) as string,
  });
});

test('GIVEN a copy WHEN ClickHouse gets an older checkpoint back THEN SLOT_AHEAD', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await follow(pg, ch);
  const columns = '* EXCEPT (written_at)';
  await ch.client.command(
    `CREATE TABLE ${ch.internal}.backup ENGINE = MergeTree ORDER BY tuple() AS SELECT ${columns} FROM ${ch.internal}.checkpoint FINAL`,
  );
  await pg.client.query('UPDATE item SET n = 7');
  await follow(pg, ch);
  await ch.client.command(`TRUNCATE TABLE ${ch.internal}.checkpoint`);
  const names =
    'pipeline, epoch, seq, applied_lsn, commit_lsn, applied_commit_time, planned_lsn, dirty, recovering, rollups_live, source_id, source_timeline';
  await ch.client.command(
    `INSERT INTO ${ch.internal}.checkpoint (${names}) SELECT ${names} FROM ${ch.internal}.backup`,
    {
      settings: await presentWriter(ch, pg.database),
    },
  );
  await expectRefused(pg, ch, 'SLOT_AHEAD');
});
