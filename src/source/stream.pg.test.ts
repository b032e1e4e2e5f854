import { describe, expect, test } from 'vitest';
import { temporaryPostgres, type TemporaryPostgres } from '../../test/support/databases.ts';
import { recordingSink } from '../../test/support/recording-sink.ts';
import { PATIENCE, waitFor } from '../../test/support/wait.ts';
import { connectPostgres } from './connection.ts';
import { createSlot, currentLsn, inspectSlot } from './slot.ts';
import { openStream, type StreamOptions } from './stream.ts';

let slots = 0;

const until = (condition: () => boolean | Promise<boolean>) => waitFor(condition, { what: 'the stream' });

/** A slot and a publication of all tables, and a stream on it that records what it hears. */
async function streamOf(pg: TemporaryPostgres, options: Partial<StreamOptions> = {}) {
  slots += 1;
  const slot = `stream_${process.pid}_${slots}`;
  await pg.client.query(`CREATE PUBLICATION ${slot} FOR ALL TABLES`);
  await createSlot(pg.client, slot);
  const sink = recordingSink();
  const open = () => openStream({ url: pg.url, slot, publication: slot, startLsn: 0n, sink, ...options });
  return { slot, sink, open };
}

describe('a stream delivers', () => {
  test('GIVEN inserts, updates, key changes, deletes and truncate THEN they come in order with their tuples', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10,2))');
    const source = await streamOf(pg);
    await pg.client.query(`
      INSERT INTO item VALUES (1, 'a', 1.50), (2, NULL, NULL);
      UPDATE item SET name = 'b' WHERE id = 1;
      UPDATE item SET id = 10 WHERE id = 1;
      DELETE FROM item WHERE id = 2;
      TRUNCATE item;`);
    const stream = await source.open();
    await until(() => source.sink.commits.length === 1);
    await stream.close();
    expect(source.sink.events).toEqual([
      'begin',
      'relation item',
      'insert item [1,a,1.50]',
      'insert item [2,NULL,NULL]',
      'update item → [1,b,1.50]',
      'update item K[1,NULL,NULL] → [10,b,1.50]',
      'delete item K[2,NULL,NULL]',
      'relation item', // TRUNCATE gives the table a new file, so it is announced anew
      'truncate item',
      'commit',
    ]);
  });

  test('GIVEN replica identity FULL THEN old rows come whole', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, name text); ALTER TABLE item REPLICA IDENTITY FULL');
    const source = await streamOf(pg);
    await pg.client.query(
      "INSERT INTO item VALUES (1, 'a'); UPDATE item SET name = 'b'; UPDATE item SET id = 2; DELETE FROM item",
    );
    const stream = await source.open();
    await until(() => source.sink.commits.length === 1);
    await stream.close();
    expect(source.sink.events.slice(3)).toEqual([
      'update item O[1,a] → [1,b]',
      'update item O[1,b] → [2,b]',
      'delete item O[2,b]',
      'commit',
    ]);
  });

  test('GIVEN a large value that an update leaves alone THEN it is marked as unchanged', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(
      'CREATE TABLE item (id int PRIMARY KEY, body text, n int); ALTER TABLE item ALTER body SET STORAGE EXTERNAL',
    );
    const source = await streamOf(pg);
    await pg.client.query("INSERT INTO item VALUES (1, repeat('x', 10000), 1); UPDATE item SET n = 2");
    const stream = await source.open();
    await until(() => source.sink.commits.length === 1);
    await stream.close();
    expect(source.sink.events.at(-2)).toBe('update item → [1,(unchanged),2]');
  });

  test('GIVEN interleaved transactions, one rolled back THEN only commits come, in commit order', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    const source = await streamOf(pg);
    const other = await connectPostgres(pg.url);
    const lost = await connectPostgres(pg.url);
    await pg.client.query('BEGIN; INSERT INTO item VALUES (1)');
    await other.query('BEGIN; INSERT INTO item VALUES (2)');
    await lost.query('BEGIN; INSERT INTO item VALUES (3)');
    await pg.client.query('INSERT INTO item VALUES (4)');
    await other.query('COMMIT');
    await lost.query('ROLLBACK');
    await pg.client.query('COMMIT');
    await Promise.all([other.end(), lost.end()]);
    const stream = await source.open();
    await until(() => source.sink.commits.length === 2);
    await stream.close();
    expect(source.sink.events.filter((event) => event.startsWith('insert'))).toEqual([
      'insert item [2]',
      'insert item [1]',
      'insert item [4]',
    ]);
    const [first, second] = source.sink.commits;
    expect(second!.commitLsn).toBeGreaterThan(first!.endLsn - 1n);
    const [two, one] = source.sink.positions;
    expect(one! < two!).toBe(true); // 1 was written before 2 and committed after it
  });

  test('GIVEN values of 5 MB THEN they arrive whole', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query(
      'CREATE TABLE item (id int PRIMARY KEY, body text); ALTER TABLE item ALTER body SET STORAGE EXTERNAL',
    );
    const source = await streamOf(pg);
    await pg.client.query('INSERT INTO item SELECT i, repeat(chr(96 + i), 5000000) FROM generate_series(1, 4) i');
    const stream = await source.open();
    await until(() => source.sink.commits.length === 1);
    await stream.close();
    const inserts = source.sink.events.filter((event) => event.startsWith('insert'));
    expect(inserts.map((event) => [event.slice(0, 16), event.length])).toEqual(
      ['a', 'b', 'c', 'd'].map((letter, index) => [`insert item [${index + 1},${letter}`, 5_000_016]),
    );
    expect(new Set(inserts[3]!.slice(15, -1))).toEqual(new Set('d'));
  });

  test('GIVEN binary THEN values come in binary form', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, at timestamptz)');
    const source = await streamOf(pg, { binary: true });
    await pg.client.query("INSERT INTO item VALUES (7, '2000-01-01 00:00:01Z')");
    const stream = await source.open();
    await until(() => source.sink.commits.length === 1);
    await stream.close();
    expect(source.sink.events[2]).toBe('insert item [0x00000007,0x00000000000f4240]');
  });

  test('GIVEN messages THEN logical messages come too', async () => {
    await using pg = await temporaryPostgres();
    const source = await streamOf(pg, { messages: true });
    await pg.client.query("SELECT pg_logical_emit_message(true, 'mark', 'körper')");
    const stream = await source.open();
    await until(() => source.sink.commits.length === 1);
    await stream.close();
    expect(source.sink.events).toEqual(['begin', 'message mark true körper', 'commit']);
  });
});

describe('positions', () => {
  test('GIVEN delivered changes THEN only confirm moves the slot, exactly to where it was told', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    const source = await streamOf(pg);
    const before = (await inspectSlot(pg.client, source.slot))!.confirmedFlushLsn!;
    const stream = await source.open();
    await pg.client.query('INSERT INTO item VALUES (1)');
    await pg.client.query('INSERT INTO item VALUES (2)');
    await until(() => source.sink.commits.length === 2);
    await until(() => {
      stream.requestKeepalive();
      return stream.walEnd > source.sink.commits[1]!.commitLsn;
    });
    expect((await inspectSlot(pg.client, source.slot))!.confirmedFlushLsn).toBe(before);
    const target = source.sink.commits[0]!.endLsn;
    stream.confirm(target);
    await until(async () => (await inspectSlot(pg.client, source.slot))!.confirmedFlushLsn === target);
    await stream.close();
    await until(async () => !(await inspectSlot(pg.client, source.slot))!.active);
    expect((await inspectSlot(pg.client, source.slot))!.confirmedFlushLsn).toBe(target);
  });

  test('GIVEN a confirmed position WHEN opened again THEN the stream goes on behind it', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    const source = await streamOf(pg);
    const first = await source.open();
    await pg.client.query('INSERT INTO item VALUES (1)');
    await pg.client.query('INSERT INTO item VALUES (2)');
    await until(() => source.sink.commits.length === 2);
    first.confirm(source.sink.commits[0]!.endLsn);
    await first.close();
    source.sink.events.length = 0;
    await until(async () => !(await inspectSlot(pg.client, source.slot))!.active);
    const second = await source.open();
    await until(() => source.sink.commits.length === 3);
    await second.close();
    expect(source.sink.events).toEqual(['begin', 'relation item', 'insert item [2]', 'commit']);
  });

  test('GIVEN an idle publication THEN keep-alives tell positions behind foreign WAL', async () => {
    await using pg = await temporaryPostgres();
    const source = await streamOf(pg);
    const positions: bigint[] = [];
    await using other = await temporaryPostgres();
    const stream = await openStream({
      url: pg.url,
      slot: source.slot,
      publication: source.slot,
      startLsn: 0n,
      sink: source.sink,
      onIdlePosition: (lsn) => positions.push(lsn),
    });
    await other.client.query('CREATE TABLE foreign_item AS SELECT generate_series(1, 1000)');
    const target = await currentLsn(other.client);
    await until(() => {
      stream.requestKeepalive();
      return (positions.at(-1) ?? 0n) >= target;
    });
    expect(positions).toEqual(positions.toSorted((a, b) => (a < b ? -1 : 1)));
    // Answers that are under way may tell later positions.
    const confirmed = positions.at(-1)!;
    stream.confirm(confirmed);
    await until(async () => (await inspectSlot(pg.client, source.slot))!.confirmedFlushLsn === confirmed);
    await stream.close();
  });
});

describe('a stream under pressure', () => {
  test('GIVEN a short wal_sender_timeout WHEN paused under load for longer THEN the connection lives and nothing is lost', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, body text)');
    await pg.client.query(`ALTER DATABASE ${pg.database} SET wal_sender_timeout = '${2 * PATIENCE}s'`);
    const source = await streamOf(pg);
    await pg.client.query("INSERT INTO item SELECT i, repeat('x', 500) FROM generate_series(1, 50000) i");
    const stream = await source.open();
    let end: unknown = 'open';
    void stream.closed.then((reason) => (end = reason));
    await until(() => source.sink.events.length > 100);
    stream.pause();
    const pausedAt = performance.now();
    await until(() => performance.now() - pausedAt > 5_000 * PATIENCE);
    expect(end).toBe('open');
    expect(source.sink.commits).toHaveLength(0);
    stream.resume();
    await until(() => source.sink.commits.length === 1 || end !== 'open');
    expect(end).toBe('open');
    await stream.close();
    expect(source.sink.events.filter((event) => event.startsWith('insert'))).toHaveLength(50_000);
  });

  test('GIVEN a sink that throws THEN the stream ends with that error', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    const source = await streamOf(pg);
    const sink = {
      ...source.sink,
      insert: () => {
        throw new TypeError('a bug');
      },
    };
    const stream = await openStream({ url: pg.url, slot: source.slot, publication: source.slot, startLsn: 0n, sink });
    await pg.client.query('INSERT INTO item VALUES (1)');
    expect(await stream.closed).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('a stream ends', () => {
  test('GIVEN a slot in use THEN a second stream is refused with SLOT_BUSY and the first lives on', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY)');
    const source = await streamOf(pg);
    const stream = await source.open();
    await expect(source.open()).rejects.toMatchObject({ code: 'SLOT_BUSY' });
    await pg.client.query('INSERT INTO item VALUES (1)');
    await until(() => source.sink.commits.length === 1);
    await stream.close();
  });

  test('GIVEN no such slot THEN SLOT_LOST', async () => {
    await using pg = await temporaryPostgres();
    const sink = recordingSink();
    const opening = openStream({ url: pg.url, slot: 'missing', publication: 'p', startLsn: 0n, sink });
    await expect(opening).rejects.toMatchObject({ code: 'SLOT_LOST' });
  });

  test('GIVEN the server ends the session THEN STREAM_ENDED', async () => {
    await using pg = await temporaryPostgres();
    const source = await streamOf(pg);
    const stream = await source.open();
    await pg.client.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
      source.slot,
    ]);
    expect(await stream.closed).toMatchObject({ code: 'STREAM_ENDED' });
  });

  test('GIVEN a backlog and a paused stream WHEN closed THEN it ends and the slot is free', async () => {
    await using pg = await temporaryPostgres();
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, body text)');
    const source = await streamOf(pg);
    await pg.client.query("INSERT INTO item SELECT i, repeat('x', 500) FROM generate_series(1, 50000) i");
    const stream = await source.open();
    await until(() => source.sink.events.length > 100);
    stream.pause();
    await stream.close();
    const heard = source.sink.events.length;
    expect(await stream.closed).toBeNull();
    await until(async () => !(await inspectSlot(pg.client, source.slot))!.active);
    expect(source.sink.events.length).toBe(heard);
  });

  test('GIVEN an aborted signal THEN the stream closes', async () => {
    await using pg = await temporaryPostgres();
    const abort = new AbortController();
    const source = await streamOf(pg, { signal: abort.signal });
    const stream = await source.open();
    abort.abort();
    expect(await stream.closed).toBeNull();
    expect(stream.confirmed).toBe(0n);
  });
});
