import { describe, expect, test } from 'vitest';
import { temporaryPostgres } from '../../test/support/databases.ts';
import { postgresMajor } from '../../test/support/postgres-version.ts';
import { recordingSink } from '../../test/support/recording-sink.ts';
import { waitFor } from '../../test/support/wait.ts';
import { connectPostgres } from './connection.ts';
import { dropPublication, ensurePublication, inspectPublication, type PublishedTable } from './publication.ts';
import {
  createSlot,
  currentLsn,
  dropSlot,
  inspectSlot,
  waitForOlderTransactions,
  type OlderTransaction,
} from './slot.ts';
import { openStream } from './stream.ts';

/** Before 15, publications have no row filters and column lists. */
const MAJOR = await postgresMajor();

describe('a slot', () => {
  test('GIVEN a new slot THEN it is inspected, retains WAL, and is dropped once', async () => {
    await using pg = await temporaryPostgres();
    const name = `life_${process.pid}`;
    expect(await inspectSlot(pg.client, name)).toBeNull();
    const start = await createSlot(pg.client, name);
    await pg.client.query('CREATE TABLE item AS SELECT generate_series(1, 1000)');
    const state = await inspectSlot(pg.client, name);
    expect(state).toMatchObject({
      name,
      plugin: 'pgoutput',
      database: pg.database,
      active: false,
      activePid: null,
      confirmedFlushLsn: start,
      walStatus: 'reserved',
      invalidationReason: null,
    });
    expect(state!.retainedBytes).toBeGreaterThan(1000n);
    expect(state!.restartLsn! <= start).toBe(true);
    expect(await currentLsn(pg.client)).toBeGreaterThan(start);
    await expect(createSlot(pg.client, name)).rejects.toMatchObject({ details: { sqlState: '42710' } });
    expect(await dropSlot(pg.client, name)).toBe(true);
    expect(await dropSlot(pg.client, name)).toBe(false);
  });

  test('GIVEN a slot in use THEN dropping it is refused and the stream lives on', async () => {
    await using pg = await temporaryPostgres();
    const name = `busy_${process.pid}`;
    await ensurePublication(pg.client, name, []);
    await createSlot(pg.client, name);
    const sink = recordingSink();
    const stream = await openStream({ url: pg.url, slot: name, publication: name, startLsn: 0n, sink });
    expect(await inspectSlot(pg.client, name)).toMatchObject({ active: true, activePid: expect.any(Number) });
    await expect(dropSlot(pg.client, name)).rejects.toMatchObject({ code: 'SLOT_BUSY' });
    await stream.close();
    await waitFor(async () => !(await inspectSlot(pg.client, name))!.active, { what: 'the slot to be free' });
    expect(await dropSlot(pg.client, name)).toBe(true);
  });
});

describe('waitForOlderTransactions', () => {
  test('GIVEN a running transaction THEN it waits for it, tells of it, and not for younger ones', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int)');
    const older = await connectPostgres(pg.url, { applicationName: 'older' });
    const younger = await connectPostgres(pg.url, { applicationName: 'younger' });
    await older.query('BEGIN; INSERT INTO item VALUES (1)');
    let waitedFor: readonly OlderTransaction[] = [];
    let isOver = false;
    const wait = waitForOlderTransactions(pg.client, { onWait: (who) => (waitedFor = who) }).then(
      () => (isOver = true),
    );
    await waitFor(() => waitedFor.length > 0, { what: 'the wait to begin' });
    await younger.query('BEGIN; INSERT INTO item VALUES (2)');
    const isOlderToldOf = () =>
      waitedFor.some((who) => who.applicationName === 'older' && who.state === 'idle in transaction');
    await waitFor(isOlderToldOf, { what: 'the older one to be named' });
    expect(waitedFor.some((who) => who.applicationName === 'younger')).toBe(false);
    expect(isOver).toBe(false);
    await older.query('COMMIT');
    await wait;
    await Promise.all([older.end(), younger.end()]);
  });

  test('GIVEN an aborted signal THEN the wait ends', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int)');
    const older = await connectPostgres(pg.url);
    await older.query('BEGIN; INSERT INTO item VALUES (1)');
    const abort = new AbortController();
    const wait = waitForOlderTransactions(pg.client, { signal: abort.signal, onWait: () => abort.abort() });
    await expect(wait).rejects.toMatchObject({ name: 'AbortError' });
    await older.end();
  });
});

describe('a publication', () => {
  test('GIVEN tables THEN it is created, altered to others, emptied and dropped', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE "Odd ""name" (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, c int)');
    const odd = { schema: 'public', name: 'Odd "name' };
    const b = { schema: 'public', name: 'b' };
    expect(await ensurePublication(pg.client, 'p"1', [odd])).toEqual({
      created: true,
      added: ['public.Odd "name'],
      removed: [],
    });
    expect(await ensurePublication(pg.client, 'p"1', [odd])).toEqual({ created: false, added: [], removed: [] });
    expect(await ensurePublication(pg.client, 'p"1', [b])).toEqual({
      created: false,
      added: ['public.b'],
      removed: ['public.Odd "name'],
    });
    expect(await inspectPublication(pg.client, 'p"1')).toEqual({
      name: 'p"1',
      allTables: false,
      schemas: [],
      tables: ['public.b'],
      publishesAll: true,
      viaPartitionRoot: true,
      isOwn: true,
      publishesGenerated: (await postgresMajor()) >= 18 ? true : null,
      isFiltered: false,
      parts: new Map([['public.b', { columns: null, filter: null }]]),
    });
    await ensurePublication(pg.client, 'p"1', []);
    expect((await inspectPublication(pg.client, 'p"1'))!.tables).toEqual([]);
    expect(await dropPublication(pg.client, 'p"1')).toBe(true);
    expect(await dropPublication(pg.client, 'p"1')).toBe(false);
  });

  test.skipIf(MAJOR < 15)('GIVEN a filtered publication of inserts only THEN it is made whole', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(
      "CREATE TABLE b (id int PRIMARY KEY, c int); CREATE PUBLICATION p FOR TABLE b (id) WHERE (id > 3) WITH (publish = 'insert')",
    );
    expect(await inspectPublication(pg.client, 'p')).toMatchObject({ isFiltered: true, publishesAll: false });
    await ensurePublication(pg.client, 'p', [{ schema: 'public', name: 'b' }]);
    expect(await inspectPublication(pg.client, 'p')).toMatchObject({
      isFiltered: false,
      publishesAll: true,
      viaPartitionRoot: true,
    });
  });

  test('GIVEN FOR ALL TABLES THEN it keeps what it has, is made whole, and is refused where rows are to be left out', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(
      "CREATE TABLE b (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert')",
    );
    const b = { schema: 'public', name: 'b' };
    expect(await ensurePublication(pg.client, 'p', [b])).toEqual({ created: false, added: [], removed: [] });
    expect(await inspectPublication(pg.client, 'p')).toMatchObject({
      allTables: true,
      publishesAll: true,
      viaPartitionRoot: true,
    });
    const rule = { where: 'id > 3' } as NonNullable<PublishedTable['rule']>;
    await expect(ensurePublication(pg.client, 'p', [{ ...b, rule }])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/all tables.*public\.b/) as string,
    });
  });

  test.skipIf(MAJOR < 15)(
    'GIVEN FOR TABLES IN SCHEMA THEN tables of others are added, and none is removed',
    async () => {
      await using pg = await temporaryPostgres();
      await pg.client
        .query(`CREATE SCHEMA s; CREATE TABLE s.a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY);
      CREATE PUBLICATION p FOR TABLES IN SCHEMA s, TABLE c WITH (publish_via_partition_root = true)`);
      const wanted = [
        { schema: 's', name: 'a' },
        { schema: 'public', name: 'b' },
      ];
      expect(await ensurePublication(pg.client, 'p', wanted)).toMatchObject({ added: ['public.b'], removed: [] });
      expect(await ensurePublication(pg.client, 'p', wanted)).toMatchObject({ added: [], removed: [] });
      expect(await inspectPublication(pg.client, 'p')).toMatchObject({
        schemas: ['s'],
        tables: ['public.b', 'public.c'],
        publishesAll: true,
      });
    },
  );
});
