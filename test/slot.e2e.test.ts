/** One writer, one source, one slot: what does not belong together is refused, and an idle publication holds no WAL. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { pgRows } from '../src/source/connection.ts';
import { currentLsn, inspectSlot } from '../src/source/slot.ts';
import {
  temporaryClickHouse,
  temporaryPostgres,
  type TemporaryClickHouse,
  type TemporaryPostgres,
} from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { checkpointOf, tableStates } from './support/tables.ts';
import { waitFor } from './support/wait.ts';

const ROWS =
  'CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item SELECT i, i FROM generate_series(1, 100) i';

/** A copy that was brought up to date, and whose pipeline has ended. */
async function makeCopy(pg: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  await pg.client.query(ROWS);
  const pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await pipeline.stop();
}

/** A start that fails: with its code, and leaving checkpoint and states as they were. */
async function expectRefused(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  refusal: { code: string; source?: TemporaryPostgres; overrides?: Parameters<typeof startPipeline>[2] },
): Promise<void> {
  const before = [await checkpointOf(pg, ch), await tableStates(pg, ch)];
  await using pipeline = startPipeline(refusal.source ?? pg, ch, refusal.overrides);
  await expect(pipeline.caughtUp()).rejects.toMatchObject({ code: refusal.code });
  expect([await checkpointOf(pg, ch), await tableStates(pg, ch)]).toEqual(before);
}

test('GIVEN a running pipeline WHEN a second one starts on its slot THEN it is refused and the first goes on', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using first = startPipeline(pg, ch);
  await first.caughtUp();
  await using other = await temporaryClickHouse();
  await using second = startPipeline(pg, other);
  await expect(second.caughtUp()).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  const made = await ch.client.rows('SELECT name FROM system.databases WHERE startsWith(name, {name:String})', {
    params: { name: other.database },
  });
  expect(made).toEqual([]);
  await pg.client.query('UPDATE item SET n = 0');
  await first.caughtUp();
  expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
});

test('GIVEN a copy WHEN its slot was dropped THEN SLOT_LOST', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await makeCopy(pg, ch);
  await pgRows(pg.client, 'SELECT pg_drop_replication_slot($1)', [pg.database]);
  await expectRefused(pg, ch, { code: 'SLOT_LOST' });
});

test('GIVEN a copy WHEN its slot was advanced by hand THEN SLOT_AHEAD', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await makeCopy(pg, ch);
  await pg.client.query('UPDATE item SET n = 1');
  await pgRows(pg.client, 'SELECT pg_replication_slot_advance($1, pg_current_wal_insert_lsn())', [pg.database]);
  await expectRefused(pg, ch, { code: 'SLOT_AHEAD' });
});

test('GIVEN a copy WHEN another source is to be copied under its name THEN SOURCE_CHANGED, and the other source is not touched', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await using source = await temporaryPostgres();
  await makeCopy(pg, ch);
  await source.client.query('CREATE TABLE other (id int PRIMARY KEY)');
  await expectRefused(pg, ch, { code: 'SOURCE_CHANGED', source, overrides: { slot: pg.database } });
  expect(await pgRows(source.client, 'SELECT pubname FROM pg_publication')).toEqual([]);
  const mirrors = await ch.client.rows(
    `SELECT name FROM system.tables WHERE database = {name:String} AND name = 'other'`,
    { params: { name: ch.database } },
  );
  expect(mirrors).toEqual([]);
});

test('GIVEN a mirror with rows of unknown origin WHEN a pipeline starts without a checkpoint THEN NOT_EMPTY, without a slot', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await makeCopy(pg, ch);
  await pgRows(pg.client, 'SELECT pg_drop_replication_slot($1)', [pg.database]);
  await ch.client.command(`TRUNCATE TABLE ${ch.internal}.checkpoint`);
  await using pipeline = startPipeline(pg, ch);
  await expect(pipeline.caughtUp()).rejects.toMatchObject({ code: 'NOT_EMPTY' });
  expect(await inspectSlot(pg.client, pg.database)).toBeNull();
});

/** Waits until the slot has let go of everything before the end of the log but a little. */
async function expectLetGo(pg: TemporaryPostgres): Promise<void> {
  const isFree = async (): Promise<boolean> => {
    // What may be let go of is decided where the server logs the transactions that run: every 15 s, and at a checkpoint.
    await pgRows(pg.client, 'CHECKPOINT');
    return Number((await inspectSlot(pg.client, pg.database))?.retainedBytes ?? Infinity) < 4 << 20;
  };
  await waitFor(isFree, { what: 'the slot to let go of the WAL' });
}

test('GIVEN a publication without changes WHEN 64 MB of other WAL are written THEN the slot follows and holds none of it', async () => {
  await using pg = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `${ROWS}; CREATE SCHEMA busy; CREATE TABLE busy.log (id bigserial, body text STORAGE EXTERNAL)`,
  );
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  const before = await currentLsn(pg.client);
  const bytes = 64 << 20;
  for (let i = 0; i < 8; i++)
    await pg.client.query(`INSERT INTO busy.log (body) SELECT repeat('x', 1 << 20) FROM generate_series(1, 8)`);
  const after = await currentLsn(pg.client);
  expect(Number(after - before)).toBeGreaterThan(bytes);
  await waitFor(async () => ((await inspectSlot(pg.client, pg.database))?.confirmedFlushLsn ?? 0n) >= after, {
    what: 'the slot to follow',
  });
  await expectLetGo(pg);
  expect((await checkpointOf(pg, ch)).appliedLsn).toBeGreaterThanOrEqual(after);
  expect(pipeline.progress()?.changes).toBe(0);
});

test('GIVEN a database where nothing happens WHEN another one of the cluster writes 64 MB THEN the slot holds none of it', async () => {
  await using pg = await temporaryPostgres();
  await using other = await temporaryPostgres();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  await other.client.query('CREATE TABLE log (body text STORAGE EXTERNAL)');
  for (let i = 0; i < 8; i++)
    await other.client.query(`INSERT INTO log SELECT repeat('x', 1 << 20) FROM generate_series(1, 8)`);
  const after = await currentLsn(pg.client);
  await waitFor(async () => ((await inspectSlot(pg.client, pg.database))?.confirmedFlushLsn ?? 0n) >= after, {
    what: 'the slot to follow',
  });
  await expectLetGo(pg);
  expect(pipeline.progress()?.changes).toBe(0);
});
