import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BinaryRow,
  COPY_HEADER,
  COPY_TRAILER,
  copyFrame,
  copyRow,
  copyStream,
  int16,
  int32,
  int64,
  numeric,
} from '../../test/support/postgres-binary.ts';
import { AppError } from '../model/errors.ts';
import { codecFor } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';
import { CopyBinaryReader } from './copy-binary.ts';

const NUMERIC_10_2 = ((10 << 16) | 2) + 4;
/** OID and modifier of id, campaign_id, created_at; and of a row with text and numeric. */
const EVENT = [[23, -1], [23, -1], [1114, -1]] as const; // prettier-ignore
const CAMPAIGN = [[23, -1], [1043, 259], [1700, NUMERIC_10_2], [1082, -1]] as const; // prettier-ignore

function openReader(types: readonly (readonly [number, number])[]): {
  reader: CopyBinaryReader;
  columns: ColumnBuffer[];
} {
  const codecs = types.map(([typeOid, typeMod], i) =>
    codecFor({ name: `c${i}`, attnum: i + 1, typeOid, typeMod, typeName: '', nullable: true }),
  );
  const columns = codecs.map((codec) => codec.open(FAIL_UNFIT));
  return { reader: new CopyBinaryReader(columns, codecs), columns };
}

const rowsOf = (columns: readonly ColumnBuffer[]): unknown[][] =>
  Array.from({ length: columns[0]!.length }, (_, row) => columns.map((column) => column.value(row)));

/** Pushes the stream in pieces that end at the given offsets. */
function pushInPieces(reader: CopyBinaryReader, stream: Buffer, cuts: readonly number[]): void {
  const ends = [...new Set(cuts.map((cut) => cut % stream.length))].toSorted((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, stream.length]) {
    // Each piece in memory of its own, as chunks of a socket are.
    const piece = Buffer.from(stream.subarray(start, end));
    reader.push(piece, 0, piece.length);
    start = end;
  }
}

/** Pushes frames as a reader of a socket does: keeps what is left and puts it before the next chunk. */
function pushFramesInPieces(reader: CopyBinaryReader, stream: Buffer, cuts: readonly number[]): Buffer {
  const ends = [...new Set(cuts.map((cut) => cut % stream.length))].toSorted((a, b) => a - b);
  let rest = Buffer.alloc(0);
  let start = 0;
  for (const end of [...ends, stream.length]) {
    const bytes = Buffer.concat([rest, stream.subarray(start, end)]);
    rest = bytes.subarray(reader.pushFrames(bytes, 0, bytes.length));
    start = end;
  }
  return rest;
}

const int4 = fc.integer();
const micros = fc.bigInt({ min: -3_000_000_000_000_000n, max: 8_000_000_000_000_000n });
const events = fc.array(
  fc
    .record({ id: int4, campaign: fc.option(int4, { freq: 8 }), at: fc.option(micros, { freq: 12 }) })
    .map(({ id, campaign, at }) => ({
      row: [int32(id), campaign === null ? null : int32(campaign), at === null ? null : int64(at)],
      expected: [id, campaign, at === null ? null : at + 946_684_800_000_000n],
    })),
  { maxLength: 60 },
);
const campaigns = fc.array(
  fc
    .record({
      id: int4,
      name: fc.option(fc.string({ unit: 'grapheme' })),
      bid: fc.integer({ min: -9999, max: 999_999 }),
      day: fc.integer({ min: 0, max: 9999 }),
    })
    .map(({ id, name, bid, day }) => ({
      row: [int32(id), name === null ? null : Buffer.from(name), numeric((bid / 100).toFixed(2)), int32(day)],
      expected: [id, name, BigInt(bid), day + 10957],
    })),
  { maxLength: 30 },
);
const cutLists = fc.array(fc.nat(), { maxLength: 30 });

describe.each([
  ['events (fixed width)', EVENT, events],
  ['campaigns (text, numeric)', CAMPAIGN, campaigns],
] as const)('a COPY of %s', (_title, types, rowLists) => {
  const arbitrary: fc.Arbitrary<{ row: BinaryRow; expected: unknown[] }[]> = rowLists;

  it('gives the same rows however it is cut', () => {
    fc.assert(
      fc.property(arbitrary, cutLists, (rows, cuts) => {
        const { reader, columns } = openReader(types);
        pushInPieces(
          reader,
          copyStream(
            rows.map(({ row }) => row),
            { framed: false },
          ),
          cuts,
        );
        expect(reader.end()).toBe(rows.length);
        expect(rowsOf(columns)).toEqual(rows.map(({ expected }) => expected));
      }),
      { numRuns: 400 },
    );
  });

  it('gives the same rows in frames, and leaves the message behind them alone', () => {
    fc.assert(
      fc.property(arbitrary, cutLists, (rows, cuts) => {
        const { reader, columns } = openReader(types);
        const copyDone = Buffer.from('c\0\0\0\u0004');
        const stream = Buffer.concat([
          copyStream(
            rows.map(({ row }) => row),
            { framed: true },
          ),
          copyDone,
        ]);
        expect(pushFramesInPieces(reader, stream, cuts)).toEqual(copyDone);
        expect(reader.end()).toBe(rows.length);
        expect(rowsOf(columns)).toEqual(rows.map(({ expected }) => expected));
      }),
      { numRuns: 400 },
    );
  });

  it('gives the same rows when frames cut rows', () => {
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 50 }), (rows, size) => {
        const { reader, columns } = openReader(types);
        const plain = copyStream(
          rows.map(({ row }) => row),
          { framed: false },
        );
        const frames = Array.from({ length: Math.ceil(plain.length / size) }, (_, i) =>
          copyFrame(plain.subarray(i * size, (i + 1) * size)),
        );
        pushFramesInPieces(reader, Buffer.concat(frames), []);
        expect(reader.end()).toBe(rows.length);
        expect(rowsOf(columns)).toEqual(rows.map(({ expected }) => expected));
      }),
      { numRuns: 200 },
    );
  });

  it('damaged bytes are an error with a code, and the columns end with a whole row', () => {
    fc.assert(
      fc.property(arbitrary, fc.nat(), fc.nat(255), (rows, at, byte) => {
        const { reader, columns } = openReader(types);
        const stream = copyStream(
          rows.map(({ row }) => row),
          { framed: false },
        );
        stream[at % stream.length] = byte;
        try {
          pushInPieces(reader, stream, [at]);
          reader.end();
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          expect(['PROTOCOL', 'VALUE_SYNTAX', 'VALUE_UNFIT']).toContain(error.code);
        }
        expect(columns.map((column) => column.length)).toEqual(columns.map(() => reader.rows));
      }),
      { numRuns: 400 },
    );
  });
});

describe('the reader', () => {
  const row: BinaryRow = [int32(1), int32(2), int64(3n)];

  it('GIVEN columns cleared between chunks THEN rows go on and the count does too', () => {
    const { reader, columns } = openReader(EVENT);
    const cut = copyRow(row).length - 9;
    const first = Buffer.concat([COPY_HEADER, copyRow(row), copyRow(row).subarray(0, cut)]);
    reader.push(first, 0, first.length);
    for (const column of columns) column.clear();
    const second = Buffer.concat([copyRow(row).subarray(cut), copyRow(row), COPY_TRAILER]);
    reader.push(second, 0, second.length);
    expect([reader.end(), columns[0]!.length]).toEqual([3, 2]);
  });

  it('GIVEN a header with an extension THEN it is skipped', () => {
    const { reader } = openReader(EVENT);
    const header = Buffer.concat([COPY_HEADER.subarray(0, 15), int32(3), Buffer.from('ext')]);
    pushInPieces(reader, Buffer.concat([header, copyRow(row), COPY_TRAILER]), [5, 16, 20]);
    expect(reader.end()).toBe(1);
  });

  it.each<[string, Buffer]>([
    ['another signature', Buffer.from('PGCOPY\n\xff\r\n\u0001aaaaaaaa', 'latin1')],
    ['critical flags', Buffer.concat([COPY_HEADER.subarray(0, 11), int32(1 << 16), int32(0)])],
    ['too many fields', Buffer.concat([COPY_HEADER, copyRow([...row, null])])],
    ['a negative field length', Buffer.concat([COPY_HEADER, int16(3), int32(-2)])],
    ['bytes behind the end', Buffer.concat([COPY_HEADER, COPY_TRAILER, COPY_TRAILER])],
  ])('GIVEN %s THEN it is refused', (_title, stream) => {
    expect(() => openReader(EVENT).reader.push(stream, 0, stream.length)).toThrow('COPY in binary format');
  });

  it('GIVEN a stream that stops early THEN its end is refused', () => {
    const { reader } = openReader(EVENT);
    const stream = Buffer.concat([COPY_HEADER, copyRow(row)]);
    reader.push(stream, 0, stream.length);
    expect(() => reader.end()).toThrow('ended early, behind 1 rows');
  });
});
