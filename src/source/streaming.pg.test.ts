/**
 * Large transactions, sent while they are in progress, spooled and replayed: the sink hears the same as by
 * protocol 1, where the server sends committed transactions only.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { temporaryPostgres, type TemporaryPostgres } from '../../test/support/databases.ts';
import { postgresMajor } from '../../test/support/postgres-version.ts';
import { recordingSink } from '../../test/support/recording-sink.ts';
import { PATIENCE, waitFor } from '../../test/support/wait.ts';
import { packageRoot } from '../model/package-root.ts';
import { connectPostgres, pgRows } from './connection.ts';
import { createSlot, currentLsn, inspectSlot } from './slot.ts';
import { openStream, type StreamOptions } from './stream.ts';

/** Everything a sink hears in one list; a relation that is announced again unchanged is no news. */
function fullRecord() {
  const sink = recordingSink();
  const announced = new Map<number, string>();
  const { events } = sink;
  return {
    ...sink,
    begin: (start: unknown) => void events.push(`begin ${show(start)}`),
    commit: (...lsns: bigint[]) => void events.push(`commit ${show(lsns)}`),
    relation(relation: Parameters<typeof sink.relation>[0]) {
      const text = show(relation);
      if (announced.get(relation.oid) === text) return;
      announced.set(relation.oid, text);
      sink.relation(relation);
      events.push(text);
    },
  };
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));

let slots = 0;

/** Two slots at one place. The server streams from 64 kB on, or (`immediate`) every single change. */
async function sourceOf(database: TemporaryPostgres, setting: string) {
  slots += 1;
  const name = `streaming_${process.pid}_${slots}`;
  await database.client.query(`CREATE PUBLICATION ${name} FOR ALL TABLES`);
  for (const version of [1, 2]) await createSlot(database.client, `${name}_${version}`);
  const directory = await mkdtemp(join(tmpdir(), 'millrace-streaming-'));
  const url = new URL(database.url);
  url.searchParams.set('options', `-c ${setting}`);
  const open = async (options: Partial<StreamOptions> & { version: 1 | 2 }) => {
    const { version, ...others } = options;
    const sink = fullRecord();
    const streaming = version === 2 ? { streaming: { directory, maxBytes: 1 << 30 } } : {};
    const base = { url: url.toString(), slot: `${name}_${version}`, publication: name, startLsn: 0n, messages: true };
    return { sink, stream: await openStream({ ...base, sink, ...streaming, ...others }) };
  };
  return {
    open,
    slot: (version: 1 | 2) => `${name}_${version}`,
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

type Source = Awaited<ReturnType<typeof sourceOf>>;

/** A stream that can be followed: `passed` resolves when it has told everything up to now. */
async function follow(database: TemporaryPostgres, source: Source, version: 1 | 2) {
  let idle = 0n;
  let end: unknown = null;
  const { sink, stream } = await source.open({ version, onIdlePosition: (lsn) => void (idle = lsn) });
  void stream.closed.then((reason) => (end = reason));
  const passed = async (flush = true): Promise<void> => {
    // A commit, so that what others have written is flushed: only then does the server send it.
    if (flush) await pgRows(database.client, "SELECT pg_logical_emit_message(true, 'flush', '')");
    const target = await currentLsn(database.client);
    const isPast = (): boolean => {
      if (end !== null) throw end;
      stream.requestKeepalive();
      return idle >= target;
    };
    await waitFor(isPast, { what: 'the stream to come to its end' });
  };
  return { sink, stream, passed };
}

type Followed = Awaited<ReturnType<typeof follow>>;

/**
 * Both protocols tell the same. The second one follows `live` from before the changes: of a transaction that
 * was rolled back already the server sends nothing.
 *
 * @returns What they tell, and how many transactions were streamed.
 */
async function expectSame(database: TemporaryPostgres, source: Source, live: Followed) {
  await live.passed();
  await live.stream.close();
  expect(live.stream.spooledBytes).toBe(0);
  const { sink, stream, passed } = await follow(database, source, 1);
  await passed(false);
  await stream.close();
  expect(firstDifference(withoutEmpty(live.sink.events), withoutEmpty(sink.events))).toBeNull();
  expect(firstDifference(live.sink.positions, sink.positions)).toBeNull();
  const streamed = 'SELECT stream_txns AS n FROM pg_stat_replication_slots WHERE slot_name = $1';
  const [row] = await pgRows(database.client, streamed, [source.slot(2)]);
  return { events: sink.events, streamed: Number(row?.['n']) };
}

/** A streamed transaction of which nothing is left is told with its commit; protocol 1 leaves such ones out since PostgreSQL 15. */
function withoutEmpty(events: readonly string[]): string[] {
  const isPair = (at: number): boolean =>
    events[at]?.startsWith('begin') === true && events[at + 1]?.startsWith('commit') === true;
  return events.filter((_, at) => !isPair(at) && !isPair(at - 1));
}

/** Instead of a difference of thousands of lines, which takes minutes to make. */
function firstDifference<T>(told: readonly T[], wanted: readonly T[]) {
  const length = Math.max(told.length, wanted.length);
  for (let at = 0; at < length; at++)
    if (told[at] !== wanted[at]) return { at, told: told.slice(at, at + 3), wanted: wanted.slice(at, at + 3) };
  return null;
}

const SMALL = 'logical_decoding_work_mem=64kB';
/** Streams every transaction; before PostgreSQL 16 large ones alone can be. */
const MAJOR = await postgresMajor();
const IMMEDIATE = 'debug_logical_replication_streaming=immediate';
const SETTINGS = MAJOR >= 16 ? [SMALL, IMMEDIATE] : [SMALL];
/** Rows that make a transaction exceed 64 kB. */
const bulk = (from: number, table = 'item'): string =>
  `INSERT INTO ${table} SELECT i, 'row ' || i, repeat(i::text, 20) FROM generate_series(${from}, ${from + 1499}) i`;

async function tables(client: pg.Client): Promise<void> {
  await client.query(`
    CREATE TABLE item (id int PRIMARY KEY, name text, body text);
    CREATE TABLE other (id int PRIMARY KEY, name text, body text);
    CREATE TABLE whole (id int PRIMARY KEY, name text, body text);
    ALTER TABLE whole REPLICA IDENTITY FULL;
    ALTER TABLE item ALTER body SET STORAGE EXTERNAL`);
}

describe.each(SETTINGS)('with %s the sink hears what protocol 1 tells', (setting) => {
  test('GIVEN every kind of change in one transaction', async () => {
    await using database = await temporaryPostgres();
    const { client } = database;
    await tables(client);
    await using source = await sourceOf(database, setting);
    const live = await follow(database, source, 2);
    await client.query(`
      BEGIN; ${bulk(1)}; ${bulk(1, 'other')}; ${bulk(1, 'whole')};
      INSERT INTO item VALUES (-5, 'larger than a chunk', repeat('y', 2000000)), (-6, 'as large as one', repeat('z', 524000));
      UPDATE item SET body = repeat('x', 9000) WHERE id BETWEEN 1 AND 20;
      UPDATE item SET name = 'toast is left alone' WHERE id < 30;
      UPDATE item SET id = id + 100000 WHERE id % 7 = 0;
      UPDATE whole SET name = NULL WHERE id % 3 = 0;
      DELETE FROM whole WHERE id % 5 = 0;
      SELECT pg_logical_emit_message(true, 'mark', 'inside');
      SELECT pg_logical_emit_message(false, 'mark', 'beside');
      TRUNCATE other, whole; ${bulk(5000, 'other')}; ${bulk(5000, 'whole')};
      ALTER TABLE other ADD COLUMN more int DEFAULT 7; UPDATE other SET more = id; DELETE FROM item WHERE id % 2 = 0; COMMIT`);
    await client.query("INSERT INTO item VALUES (-1, 'after', NULL)");
    const { events, streamed } = await expectSame(database, source, live);
    expect(streamed).toBeGreaterThan(0);
    expect(events.filter((event) => event.includes('(unchanged)')).length).toBeGreaterThan(0);
    expect(events.filter((event) => event.startsWith('truncate'))).toEqual(['truncate other,whole']);
  });

  test('GIVEN savepoints, nested, released and rolled back, with DDL in them', async () => {
    await using database = await temporaryPostgres();
    const { client } = database;
    await tables(client);
    await using source = await sourceOf(database, setting);
    const live = await follow(database, source, 2);
    const session = await connect(database);
    const steps = [
      `BEGIN; ${bulk(0)}`,
      `SAVEPOINT a; ${bulk(10000)}; ${bulk(0, 'other')}`,
      `SAVEPOINT b; ${bulk(20000)}; SAVEPOINT c; ${bulk(30000)}; RELEASE c; RELEASE b`,
      `SAVEPOINT d; ${bulk(40000)}`,
      'ROLLBACK TO d; ROLLBACK TO a',
      bulk(10000, 'other'),
      'SAVEPOINT e; ALTER TABLE other ADD COLUMN gone int; UPDATE other SET gone = 1',
      `ROLLBACK TO e; ${bulk(50000, 'other')}`,
      "SAVEPOINT f; UPDATE item SET name = 'kept'; SAVEPOINT g; DELETE FROM item WHERE id % 2 = 0; RELEASE f",
      `${bulk(60000)}; COMMIT; ${bulk(60000, 'other')}`,
    ];
    for (const sql of steps) {
      await session.query(sql);
      await live.passed();
    }
    await session.end();
    const { events, streamed } = await expectSame(database, source, live);
    expect(streamed).toBeGreaterThan(0);
    expect(events.some((event) => event.includes('[60000,'))).toBe(true);
    expect(events.some((event) => /\[[1-4]0000,.*item|insert item \[[1-4]\d{4},/.test(event))).toBe(false);
  });

  test('GIVEN interleaved transactions, small ones among them, some rolled back', async () => {
    await using database = await temporaryPostgres();
    const { client } = database;
    await tables(client);
    await using source = await sourceOf(database, setting);
    const live = await follow(database, source, 2);
    const [first, second, lost] = [await connect(database), await connect(database), await connect(database)];
    for (const session of [first, second, lost]) await session.query('BEGIN');
    for (let round = 0; round < 3; round++) {
      await first.query(bulk(100_000 + round * 2000));
      await client.query(`INSERT INTO item VALUES (${round}, 'small', NULL)`);
      await second.query(bulk(200_000 + round * 2000));
      await lost.query(bulk(300_000 + round * 2000));
      await client.query(`BEGIN; ${bulk(400_000 + round * 2000)}; ROLLBACK`);
      await live.passed();
    }
    await second.query('COMMIT');
    await client.query("UPDATE item SET name = 'of second' WHERE id BETWEEN 200000 AND 200010");
    await lost.query('ROLLBACK');
    await first.query('COMMIT');
    await Promise.all([first, second, lost].map((session) => session.end()));
    const { events, streamed } = await expectSame(database, source, live);
    expect(streamed).toBeGreaterThanOrEqual(3);
    expect(events.filter((event) => event.startsWith('insert'))).toHaveLength(3 + 2 * 3 * 1500);
  });
});

async function connect(database: TemporaryPostgres): Promise<pg.Client> {
  return connectPostgres(database.url, { applicationName: 'test' });
}

/** A step of one of three sessions; each has rows of its own, so none waits for another. */
const step = fc.record({
  session: fc.nat({ max: 2 }),
  what: fc.constantFrom('insert', 'insert', 'update', 'delete', 'savepoint', 'savepoint', 'rollback', 'release', 'end'),
  rows: fc.constantFrom(1, 3, 700),
  commits: fc.boolean(),
  depth: fc.nat({ max: 3 }),
});
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

test('GIVEN any interleaving of transactions and savepoints THEN both protocols tell the same', async () => {
  await using database = await temporaryPostgres();
  await tables(database.client);
  const sessions = [await connect(database), await connect(database), await connect(database)];
  let id = 0;
  const run = async (client: pg.Client, open: string[], { session, what, rows, commits, depth }: Step) => {
    if (open.length === 0) {
      await client.query('BEGIN');
      open.push('');
    }
    const ours = `id % 3 = ${session}`;
    const point = open[Math.max(1, open.length - 1 - depth)];
    const insert = `INSERT INTO item SELECT ${session} + 3 * i, 'n', repeat('x', 90) FROM generate_series(${id}, ${id + rows - 1}) i`;
    if (what === 'insert') await client.query(insert);
    else if (what === 'update') await client.query(`UPDATE item SET name = 'u' || ${id} WHERE ${ours}`);
    else if (what === 'delete') await client.query(`DELETE FROM item WHERE ${ours} AND id % 2 = 0`);
    else if (what === 'savepoint') await client.query(`SAVEPOINT s${open.push(`s${id}`) && id}`);
    else if (what === 'end') {
      await client.query(commits ? 'COMMIT' : 'ROLLBACK');
      open.length = 0;
    } else if (point !== undefined) {
      await client.query(`${what === 'rollback' ? 'ROLLBACK TO' : 'RELEASE'} ${point}`);
      open.length = open.indexOf(point) + (what === 'rollback' ? 1 : 0);
    }
    id += rows;
  };
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 60 }),
        fc.constantFrom(...SETTINGS),
        async (steps, setting) => {
          await database.client.query('TRUNCATE item');
          await using source = await sourceOf(database, setting);
          const live = await follow(database, source, 2);
          const open: string[][] = [[], [], []];
          for (const next of steps) {
            if (next.what === 'rollback' || next.what === 'end') await live.passed();
            await run(sessions[next.session]!, open[next.session]!, next);
          }
          for (const session of sessions) await session.query('COMMIT');
          await expectSame(database, source, live);
          for (const version of [1, 2] as const) await dropSlot(database, source.slot(version));
        },
      ),
      { numRuns: 8, endOnFailure: true },
    );
  } finally {
    for (const session of sessions) await session.end();
  }
});

async function dropSlot(database: TemporaryPostgres, slot: string): Promise<void> {
  await waitFor(async () => !(await inspectSlot(database.client, slot))!.active, { what: 'the slot to be free' });
  await pgRows(database.client, 'SELECT pg_drop_replication_slot($1)', [slot]);
}

describe('the spool', () => {
  test('GIVEN a transaction in progress THEN positions are idle, and its files have no names', async () => {
    await using database = await temporaryPostgres();
    await tables(database.client);
    await using source = await sourceOf(database, SMALL);
    const other = await connect(database);
    const { sink, stream, passed } = await follow(database, source, 2);
    await other.query(`BEGIN; ${bulk(0)}`);
    await passed();
    expect(stream.spooledBytes).toBeGreaterThan(65_536);
    const idle = await currentLsn(database.client);
    expect(sink.events.filter((event) => event.includes('item'))).toEqual([]);
    expect(await readdir(source.directory)).toEqual([]);
    stream.confirm(idle);
    await other.query('COMMIT');
    await other.end();
    await passed();
    expect(sink.events.filter((event) => event.startsWith('insert'))).toHaveLength(1500);
    expect(stream.spooledBytes).toBe(0);
    await stream.close();
  });

  test('GIVEN it is full THEN the stream ends with SPOOL_FULL, and the next one has everything', async () => {
    await using database = await temporaryPostgres();
    await tables(database.client);
    await using source = await sourceOf(database, SMALL);
    const { directory } = source;
    const small = await source.open({ version: 2, streaming: { directory, maxBytes: 100_000 } });
    await database.client.query(`BEGIN; INSERT INTO other VALUES (1); ${bulk(0)}; ${bulk(5000)}; COMMIT`);
    expect(await small.stream.closed).toMatchObject({ code: 'SPOOL_FULL' });
    expect(small.sink.events).toEqual([]);
    await waitFor(async () => !(await inspectSlot(database.client, source.slot(2)))!.active, { what: 'the slot' });
    await expectSame(database, source, await follow(database, source, 2));
  });

  test('GIVEN a directory that cannot be made THEN no stream opens, with SPOOL_FAILED', async () => {
    await using database = await temporaryPostgres();
    await using source = await sourceOf(database, SMALL);
    const streaming = { directory: join(packageRoot(), 'package.json', 'spool'), maxBytes: 1 << 20 };
    await expect(source.open({ version: 2, streaming })).rejects.toMatchObject({ code: 'SPOOL_FAILED' });
  });
});

describe('a replay', () => {
  /** A stream that pauses itself after the first part of a replay. */
  async function pausedReplay(database: TemporaryPostgres, source: Source) {
    let parts = 0;
    let opened: Awaited<ReturnType<Source['open']>> | null = null;
    const onReadEnd = (): void => {
      if (opened !== null && opened.sink.events.length > 0 && ++parts === 1) opened.stream.pause();
    };
    opened = await source.open({ version: 2, onReadEnd });
    const { stream } = opened;
    const values = Array.from({ length: 5 }, (_, i) => bulk(i * 2000)).join('; ');
    await database.client.query(`BEGIN; ${values}; ${values.replaceAll('item', 'other')}; COMMIT`);
    await database.client.query("INSERT INTO item VALUES (-1, 'after', NULL)");
    await waitFor(() => stream.isPaused, { what: 'the replay to pause' });
    return opened;
  }

  test('GIVEN it is paused longer than wal_sender_timeout THEN it goes on where it was, and nothing overtakes it', async () => {
    await using database = await temporaryPostgres();
    await tables(database.client);
    await database.client.query(`ALTER DATABASE ${database.database} SET wal_sender_timeout = '${PATIENCE}s'`);
    await using source = await sourceOf(database, SMALL);
    const { sink, stream } = await pausedReplay(database, source);
    const already = sink.events.length;
    expect(already).toBeLessThan(15_000);
    const pausedAt = performance.now();
    await waitFor(() => performance.now() - pausedAt > 2_500 * PATIENCE, { what: 'the time-out of the server' });
    expect(sink.events).toHaveLength(already);
    stream.resume();
    await waitFor(() => sink.events.filter((event) => event.startsWith('commit')).length === 2, {
      what: 'both commits',
    });
    await stream.close();
    const wanted = await follow(database, source, 1);
    await wanted.passed(false);
    await wanted.stream.close();
    expect(firstDifference(sink.events, wanted.sink.events.slice(0, sink.events.length))).toBeNull();
  });

  test('WHEN closed in the middle THEN it ends, and no commit was told', async () => {
    await using database = await temporaryPostgres();
    await tables(database.client);
    await using source = await sourceOf(database, SMALL);
    const { sink, stream } = await pausedReplay(database, source);
    const already = sink.events.length;
    await stream.close();
    expect(await stream.closed).toBeNull();
    expect(sink.events).toHaveLength(already);
    expect(sink.events.some((event) => event.startsWith('commit'))).toBe(false);
  });

  test('WHEN closed while parts are delivered THEN none is delivered any more', async () => {
    await using database = await temporaryPostgres();
    await tables(database.client);
    await using source = await sourceOf(database, SMALL);
    let closing: { heard: number; done: Promise<void> } | null = null;
    let opened: Awaited<ReturnType<Source['open']>> | null = null;
    const onReadEnd = (): void => {
      if (opened === null || closing !== null || opened.sink.positions.length === 0) return;
      closing = { heard: opened.sink.events.length, done: opened.stream.close() };
    };
    // As much again lies behind the commit: the server is busy with it and says its goodbye later.
    for (const table of ['item', 'other']) {
      const values = Array.from({ length: 20 }, (_, i) => bulk(i * 2000, table));
      await database.client.query(`BEGIN; ${values.join('; ')}; COMMIT`);
    }
    opened = await source.open({ version: 2, onReadEnd });
    expect(await opened.stream.closed).toBeNull();
    expect(opened.sink.events).toHaveLength(closing!.heard);
    expect(opened.sink.events.at(-1)).toMatch(/^insert/);
  });

  test('GIVEN a sink that throws in it THEN the stream ends with that error', async () => {
    await using database = await temporaryPostgres();
    await tables(database.client);
    await using source = await sourceOf(database, SMALL);
    const sink = {
      ...fullRecord(),
      insert: () => {
        throw new TypeError('a bug');
      },
    };
    const { stream } = await source.open({ version: 2, sink });
    await database.client.query(bulk(0));
    expect(await stream.closed).toMatchObject({ code: 'INTERNAL' });
  });
});
