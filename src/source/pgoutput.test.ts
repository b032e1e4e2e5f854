import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordingSink } from '../../test/support/recording-sink.ts';
import { AppError } from '../model/errors.ts';
import type { InProgressSink } from './changes.ts';
import { PgOutputDecoder } from './pgoutput.ts';

/** Writes a message the way the manual describes it: independent of the decoder. */
class Writer {
  readonly parts: Buffer[] = [];
  bytes(part: Buffer | string): this {
    this.parts.push(typeof part === 'string' ? Buffer.from(part) : part);
    return this;
  }
  i16 = (value: number): this => this.#sized(2, (part) => part.writeInt16BE(value));
  i32 = (value: number): this => this.#sized(4, (part) => part.writeInt32BE(value));
  u32 = (value: number): this => this.#sized(4, (part) => part.writeUInt32BE(value));
  u64 = (value: bigint): this => this.#sized(8, (part) => part.writeBigUInt64BE(value));
  text = (value: string): this => this.bytes(`${value}\0`);
  end = (): Buffer => Buffer.concat(this.parts);
  #sized(size: number, write: (part: Buffer) => void): this {
    const part = Buffer.alloc(size);
    write(part);
    return this.bytes(part);
  }
}

type Value = string | null | undefined;

function tuple(values: readonly Value[]): Buffer {
  const writer = new Writer().i16(values.length);
  for (const value of values) {
    if (value === null) writer.bytes('n');
    else if (value === undefined) writer.bytes('u');
    else writer.bytes('t').i32(Buffer.byteLength(value)).bytes(value);
  }
  return writer.end();
}

const shown = (values: readonly Value[]): string =>
  `[${values.map((value) => (value === null ? 'NULL' : (value ?? '(unchanged)'))).join(',')}]`;

/** Decodes one message that lies somewhere inside a larger buffer. */
function decode(message: Buffer, before = 0, after = 0) {
  const sink = recordingSink();
  const bytes = Buffer.concat([Buffer.alloc(before, 0x55), message, Buffer.alloc(after, 0x55)]);
  new PgOutputDecoder(sink).decode(bytes, before, before + message.length, { hi: 1, lo: 2 });
  return sink;
}

const oid = fc.integer({ min: 0, max: 0xffff_ffff });
const values = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.constant(null), fc.constant(undefined)), {
  maxLength: 8,
});
const margin = fc.nat({ max: 9 });
const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

const row = (kind: string, relation: number) => new Writer().bytes(kind).u32(relation);
const anyRow = fc.oneof(
  fc.tuple(oid, values).map(([relation, next]) => ({
    message: row('I', relation).bytes('N').bytes(tuple(next)).end(),
    event: `insert undefined ${shown(next)}`,
  })),
  fc.tuple(oid, fc.constantFrom('K', 'O'), values, values).map(([relation, kind, old, next]) => ({
    message: row('U', relation).bytes(kind).bytes(tuple(old)).bytes('N').bytes(tuple(next)).end(),
    event: `update undefined ${kind}${shown(old)} → ${shown(next)}`,
  })),
  fc.tuple(oid, values).map(([relation, next]) => ({
    message: row('U', relation).bytes('N').bytes(tuple(next)).end(),
    event: `update undefined → ${shown(next)}`,
  })),
  fc.tuple(oid, fc.constantFrom('K', 'O'), values).map(([relation, kind, old]) => ({
    message: row('D', relation).bytes(kind).bytes(tuple(old)).end(),
    event: `delete undefined ${kind}${shown(old)}`,
  })),
);

/** Writes down what an in-progress sink hears, the messages as protocol 1 has them. */
function inProgressRecord() {
  const heard: unknown[] = [];
  const sink: InProgressSink = {
    streamStart: (...told) => void heard.push(['start', ...told]),
    streamStop: () => void heard.push(['stop']),
    streamCommit: (...told) => void heard.push(['commit', ...told]),
    streamAbort: (...told) => void heard.push(['abort', ...told]),
    streamMessage: ({ xid, kind, bytes, start, end }, { hi, lo }) =>
      void heard.push([xid, Buffer.concat([Buffer.from([kind]), bytes.subarray(start, end)]).toString('hex'), hi, lo]),
  };
  return { heard, sink };
}

describe('pgoutput of transactions in progress', () => {
  const position = { hi: 3, lo: 4 };
  const isFirst = fc.boolean();

  test('GIVEN any run THEN its messages come as protocol 1 has them, each with its xid', () => {
    fc.assert(
      fc.property(oid, isFirst, fc.array(fc.tuple(oid, anyRow)), margin, (xid, first, rows, before) => {
        const { heard, sink } = inProgressRecord();
        const decoder = new PgOutputDecoder(recordingSink(), sink);
        const send = (message: Buffer): void => {
          const bytes = Buffer.concat([Buffer.alloc(before, 0x55), message, Buffer.alloc(3, 0x55)]);
          decoder.decode(bytes, before, before + message.length, position);
        };
        send(
          new Writer()
            .bytes('S')
            .u32(xid)
            .bytes(first ? '\u0001' : '\0')
            .end(),
        );
        for (const [subXid, { message }] of rows)
          send(new Writer().bytes(message.subarray(0, 1)).u32(subXid).bytes(message.subarray(1)).end());
        send(new Writer().bytes('Y').u32(xid).u32(7).text('s').text('t').end());
        send(new Writer().bytes('O').u64(7n).text('origin').end());
        send(Buffer.from('E'));
        expect(heard).toEqual([
          ['start', xid, first],
          ...rows.map(([subXid, { message }]) => [subXid, message.toString('hex'), 3, 4]),
          ['stop'],
        ]);
      }),
    );
  });

  test('GIVEN any commit and abort THEN their numbers come back', () => {
    fc.assert(
      fc.property(oid, oid, lsn, lsn, fc.bigInt({ min: 0n, max: 2n ** 50n }), (xid, subXid, commitLsn, endLsn, us) => {
        const { heard, sink } = inProgressRecord();
        const decoder = new PgOutputDecoder(recordingSink(), sink);
        const commit = new Writer().bytes('c').u32(xid).bytes('\0').u64(commitLsn).u64(endLsn).u64(us).end();
        const abort = new Writer().bytes('A').u32(xid).u32(subXid).end();
        for (const message of [commit, abort]) {
          decoder.decode(message, 0, message.length, position);
          expect(() => decoder.decode(message, 0, message.length - 1, position)).toThrow(AppError);
        }
        const transaction = { commitLsn, commitTimeUs: us + 946_684_800_000_000n, xid };
        expect(heard).toEqual([
          ['commit', transaction, endLsn],
          ['abort', xid, subXid],
        ]);
      }),
    );
  });

  test('GIVEN any bytes in a run THEN they are refused with PROTOCOL or passed on within their bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), margin, margin, (message, before, after) => {
        const inside: boolean[] = [];
        const end = before + message.length;
        const { sink } = inProgressRecord();
        const decoder = new PgOutputDecoder(recordingSink(), {
          ...sink,
          streamMessage: (view) => void inside.push(view.start >= before && view.start <= view.end && view.end === end),
        });
        const start = new Writer().bytes('S').u32(1).bytes('\u0001').end();
        decoder.decode(start, 0, start.length, position);
        try {
          decoder.decode(Buffer.concat([Buffer.alloc(before), message, Buffer.alloc(after)]), before, end, position);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL' });
        }
        expect(inside.every(Boolean)).toBe(true);
      }),
    );
  });

  test.each(['B', 'C', 'S', 'c', 'A', 'b', '?'])('GIVEN kind %s inside a run THEN PROTOCOL', (kind) => {
    const decoder = new PgOutputDecoder(recordingSink(), inProgressRecord().sink);
    const start = new Writer().bytes('S').u32(1).bytes('\u0001').end();
    decoder.decode(start, 0, start.length, position);
    const message = new Writer().bytes(kind).bytes(Buffer.alloc(33)).end();
    expect(() => decoder.decode(message, 0, message.length, position)).toThrow(AppError);
  });
});

describe('pgoutput', () => {
  test('GIVEN any row message THEN its tuples come back, wherever in a buffer it lies', () => {
    fc.assert(
      fc.property(anyRow, margin, margin, ({ message, event }, before, after) => {
        const sink = decode(message, before, after);
        expect(sink.events).toEqual([event]);
        expect(sink.positions).toEqual([0x1_0000_0002n]);
      }),
    );
  });

  test('GIVEN any transaction THEN positions, time and xid come back', () => {
    fc.assert(
      fc.property(lsn, lsn, oid, fc.bigInt({ min: -(2n ** 50n), max: 2n ** 50n }), (commitLsn, endLsn, xid, timeUs) => {
        const heard: unknown[] = [];
        const sink = {
          ...recordingSink(),
          begin: (start: unknown) => void heard.push(start),
          commit: (...at: bigint[]) => void heard.push(at),
        };
        const decoder = new PgOutputDecoder(sink);
        const time = BigInt.asUintN(64, timeUs);
        const begin = new Writer().bytes('B').u64(commitLsn).u64(time).u32(xid).end();
        const commit = new Writer().bytes('C\0').u64(commitLsn).u64(endLsn).u64(time).end();
        decoder.decode(begin, 0, begin.length, { hi: 0, lo: 0 });
        expect(decoder.inTransaction).toBe(true);
        decoder.decode(commit, 0, commit.length, { hi: 0, lo: 0 });
        expect(decoder.inTransaction).toBe(false);
        expect(heard).toEqual([{ commitLsn, commitTimeUs: timeUs + 946_684_800_000_000n, xid }, [commitLsn, endLsn]]);
      }),
    );
  });

  test('GIVEN any relation THEN its columns come back', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'é', '"', ' ', '🙂'), minLength: 1 });
    const column = fc.record({
      name,
      typeOid: oid,
      typeMod: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      isKey: fc.boolean(),
    });
    const relation = fc.record({
      oid,
      schema: name,
      name,
      replicaIdentity: fc.constantFrom('d', 'n', 'f', 'i'),
      columns: fc.array(column),
    });
    fc.assert(
      fc.property(relation, (expected) => {
        const heard: unknown[] = [];
        const writer = row('R', expected.oid)
          .text(expected.schema)
          .text(expected.name)
          .bytes(expected.replicaIdentity)
          .i16(expected.columns.length);
        for (const { isKey, name, typeOid, typeMod } of expected.columns)
          writer
            .bytes(isKey ? '\u0001' : '\0')
            .text(name)
            .u32(typeOid)
            .i32(typeMod);
        const message = writer.end();
        const sink = { ...recordingSink(), relation: (told: unknown) => void heard.push(told) };
        new PgOutputDecoder(sink).decode(message, 0, message.length, { hi: 0, lo: 0 });
        expect(heard).toEqual([expected]);
      }),
    );
  });

  test('GIVEN truncate, type, origin, message THEN they are understood', () => {
    expect(decode(new Writer().bytes('T').i32(2).bytes('\u0003').u32(7).u32(8).end()).events).toEqual(['truncate ,']);
    expect(decode(new Writer().bytes('Y').u32(7).text('s').text('t').end()).events).toEqual([]);
    expect(decode(new Writer().bytes('O').u64(7n).text('origin').end()).events).toEqual([]);
    expect(decode(new Writer().bytes('M\u0001').u64(7n).text('mark').i32(2).bytes('hi').end()).events).toEqual([
      'message mark true hi',
    ]);
  });

  test.each(['S', 'E', 'c', 'b', 'P', 'K', 'r', 'p', '?'])('GIVEN kind %s of later protocols THEN PROTOCOL', (kind) => {
    expect(() => decode(Buffer.from(`${kind}\0\0\0\0\0\0\0\0`))).toThrow(AppError);
  });

  test('GIVEN Stream Abort by protocol 1, as PostgreSQL 18 sends it THEN it is passed over', () => {
    expect(decode(new Writer().bytes('A').u32(7).u32(7).end()).events).toEqual([]);
    expect(() => decode(new Writer().bytes('A').u32(7).end(), 0, 9)).toThrow(AppError);
  });

  test('GIVEN a cut message THEN PROTOCOL, although bytes follow in the buffer', () => {
    fc.assert(
      fc.property(anyRow, fc.nat(), ({ message }, cut) => {
        const short = message.subarray(0, cut % message.length);
        expect(() => decode(short, 3, 50)).toThrow(AppError);
      }),
    );
  });

  test('GIVEN a mangled message THEN it is refused with PROTOCOL or read within its bounds', () => {
    fc.assert(
      fc.property(
        anyRow,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
        ({ message }, changes) => {
          const mangled = Buffer.from(message);
          for (const [at, byte] of changes) mangled[at % mangled.length] = byte;
          try {
            decode(mangled);
          } catch (error) {
            expect(error).toMatchObject({ code: 'PROTOCOL' });
          }
        },
      ),
    );
  });
});
