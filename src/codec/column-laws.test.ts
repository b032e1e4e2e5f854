/** Laws that hold for every column, over random values: text = binary, encode/decode, truncate, appendFrom, damage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../test/support/codec-values.ts';
import { float4, float8, int16, int32, int64, numeric, uuid } from '../../test/support/postgres-binary.ts';
import { formatDate, formatTimestamp } from './civil.ts';
import { codecFor, openNative } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { SourceColumn, SourceType } from '../model/table.ts';
import type { Codec, ColumnBuffer } from './column.ts';
import { decodeBlocks, encodeBlock } from './native.ts';

/** One value in both forms of PostgreSQL. */
interface BothForms {
  readonly text: Buffer;
  readonly binary: Buffer;
}

interface Kind {
  readonly typeOid: number;
  readonly typeMod: number;
  readonly values: fc.Arbitrary<BothForms>;
  /** What the catalogue and the configuration say besides. */
  readonly column?: Pick<SourceColumn, 'type' | 'choice'>;
  /** The copy cannot hold NULL, whatever the source allows. */
  readonly neverNull?: true;
}

const forms = (text: string, binary: Buffer): BothForms => ({ text: Buffer.from(text), binary });
const kind = <T>(typeOid: number, values: fc.Arbitrary<T>, both: (value: T) => BothForms, typeMod = -1): Kind => ({
  typeOid,
  typeMod,
  values: values.map(both),
});

const decimalText = (unscaled: bigint, scale: number): string => {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}${scale > 0 ? `.${digits.slice(point)}` : ''}`;
};
const decimals = (precision: number, scale: number): Kind => {
  const most = 10n ** BigInt(precision) - 1n;
  const sized = fc
    .integer({ min: 1, max: precision })
    .chain((digits) => fc.bigInt({ min: -(10n ** BigInt(digits)) + 1n, max: 10n ** BigInt(digits) - 1n }));
  const values = fc.oneof(sized, fc.constantFrom(most, -most, 0n, 1n, -1n));
  return kind(
    1700,
    values,
    (value) => forms(decimalText(value, scale), numeric(decimalText(value, scale))),
    ((precision << 16) | scale) + 4,
  );
};
const micros = fc.oneof(
  fc.bigInt({ min: -2_208_988_800_000_000n, max: 10_413_791_999_999_999n }),
  fc.constantFrom(
    -2_208_988_800_000_000n,
    10_413_791_999_999_999n,
    0n,
    -1n,
    9_007_199_254_740_991n,
    9_007_199_254_740_993n,
  ),
);
const times = (typeOid: number, zone: '' | '+00'): Kind =>
  kind(typeOid, micros, (value) => forms(formatTimestamp(value, zone), int64(value - 946_684_800_000_000n)));
const moneyText = (value: bigint): string => {
  const text = decimalText(value < 0n ? -value : value, 2);
  return `${value < 0n ? '-' : ''}$${text.replaceAll(/\B(?=(\d{3})+(?=\.))/g, ',')}`;
};
const texts = (typeOid: number): Kind =>
  kind(typeOid, fc.string({ unit: 'grapheme', maxLength: 200 }), (value) => forms(value, Buffer.from(value)));

/** numeric without precision: any number of digits on both sides of the point. */
const anyNumeric = fc
  .tuple(fc.boolean(), fc.stringMatching(/^(0|[1-9]\d{0,80})$/), fc.stringMatching(/^\d{0,40}$/))
  .map(([negative, whole, fraction]) => {
    const text = fraction === '' ? whole : `${whole}.${fraction}`;
    return negative && /[1-9]/.test(text) ? `-${text}` : text;
  });

/** An array as PostgreSQL's array_out writes it: in quotes where something would be taken for syntax. */
const arrayText = (values: readonly (string | null)[]): string => {
  const elements = values.map((value) => {
    if (value === null) return 'NULL';
    const isPlain = value !== '' && !/[\s{}",\\]/.test(value) && value.toUpperCase() !== 'NULL';
    return isPlain ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
  });
  return `{${elements.join(',')}}`;
};
const arrays = (oid: number, elements: fc.Arbitrary<string>): Kind => {
  const element: SourceType = { oid, typeMod: -1, name: 'e', kind: 'base', element: null, sendsText: false };
  const type: SourceType = { ...element, oid: 20_000, kind: 'array', element };
  const values = fc.array(fc.option(elements), { maxLength: 8 }).map(arrayText);
  const both = kind(20_000, values, (text) => forms(text, Buffer.from(text)));
  return { ...both, column: { type, choice: { as: 'array' } }, neverNull: true };
};

const KINDS: Readonly<Record<string, Kind>> = {
  bool: kind(16, fc.boolean(), (value) => forms(value ? 't' : 'f', Buffer.from([value ? 1 : 0]))),
  int2: kind(21, fc.integer({ min: -32768, max: 32767 }), (value) => forms(String(value), int16(value))),
  int4: kind(23, fc.integer(), (value) => forms(String(value), int32(value))),
  int8: kind(
    20,
    fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger().map(BigInt)),
    (value) => forms(String(value), int64(value)),
  ),
  oid: kind(26, fc.nat(), (value) => forms(String(value), int32(value))),
  float4: kind(700, fc.float(), (value) => forms(Object.is(value, -0) ? '-0' : String(value), float4(value))),
  float8: kind(701, fc.double(), (value) => forms(Object.is(value, -0) ? '-0' : String(value), float8(value))),
  'numeric(9,4)': decimals(9, 4),
  'numeric(10,2)': decimals(10, 2),
  'numeric(18,0)': decimals(18, 0),
  'numeric(38,7)': decimals(38, 7),
  'numeric(76,38)': decimals(76, 38),
  'numeric(76,76)': decimals(76, 76),
  date: kind(1082, fc.integer({ min: -25567, max: 120529 }), (value) => forms(formatDate(value), int32(value - 10957))),
  timestamp: times(1114, ''),
  timestamptz: times(1184, '+00'),
  uuid: kind(2950, fc.uuid(), (value) => forms(value, uuid(value))),
  text: texts(25),
  numeric: kind(1700, fc.oneof(anyNumeric, fc.constantFrom('NaN', 'Infinity', '-Infinity')), (text) =>
    forms(text, numeric(text)),
  ),
  xid8: kind(5069, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) =>
    forms(String(value), int64(BigInt.asIntN(64, value))),
  ),
  money: kind(790, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) =>
    forms(moneyText(value), int64(value)),
  ),
  bytea: kind(17, fc.uint8Array({ maxLength: 60 }), (value) =>
    forms(`\\x${Buffer.from(value).toString('hex')}`, Buffer.from(value)),
  ),
  'text[]': arrays(
    25,
    fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('NULL', '', '"', '\\', '{', ',')),
  ),
  'integer[]': arrays(23, fc.integer().map(String)),
  'numeric[]': arrays(1700, anyNumeric),
  bpchar: texts(1042),
  jsonb: kind(3802, fc.json(), (value) => forms(value, Buffer.concat([Buffer.from([1]), Buffer.from(value)]))),
};

const BYTEA_OID = 17;
const codecOf = ({ typeOid, typeMod, column }: Kind, nullable = true): Codec =>
  codecFor({ name: 'c', attnum: 1, typeOid, typeMod, typeName: 'c', nullable, ...column });
const open = (type: Kind, nullable = true): ColumnBuffer => codecOf(type, nullable).open(FAIL_UNFIT);
const dataOf = (column: ColumnBuffer): Buffer => {
  const parts: Uint8Array[] = [];
  column.encode(parts);
  return Buffer.concat(parts);
};
const valuesOf = (column: ColumnBuffer): unknown[] =>
  Array.from({ length: column.length }, (_, row) => column.value(row));
const append = (column: ColumnBuffer, value: BothForms | null): void =>
  value === null ? column.appendNull() : column.appendBinary(value.binary, 0, value.binary.length);
const filled = (type: Kind, values: readonly (BothForms | null)[]): ColumnBuffer => {
  const column = open(type);
  for (const value of values) append(column, value);
  return column;
};
const fillers = (type: Kind): ColumnBuffer => {
  const column = open(type);
  column.appendFiller();
  return column;
};
const lists = (type: Kind): fc.Arbitrary<(BothForms | null)[]> =>
  fc.array(type.neverNull === true ? type.values : fc.option(type.values), { maxLength: 40 });

describe.each(Object.entries(KINDS))('%s', (_name, type) => {
  it('text and binary of the same values give the same bytes', () => {
    fc.assert(
      fc.property(lists(type), (values) => {
        const fromText = open(type);
        for (const value of values) {
          if (value === null) fromText.appendNull();
          else fromText.appendText(value.text, 0, value.text.length);
        }
        expect(dataOf(fromText).equals(dataOf(filled(type, values)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('decode(encode) is the identity, over several blocks', () => {
    fc.assert(
      fc.property(lists(type), lists(type), (first, second) => {
        const columns = [filled(type, first), filled(type, second)];
        const blocks = columns.map((column) => Buffer.concat(encodeBlock([{ name: 'ü', column }], column.length)));
        // Bytes and text are the same type there.
        const decoded = decodeBlocks(Buffer.concat(blocks), (_column, clickhouseType) =>
          type.typeOid === BYTEA_OID ? open(type) : openNative(clickhouseType),
        );
        expect(decoded.rows).toBe(first.length + second.length);
        expect(decoded.columns.map(({ name }) => name)).toEqual(['ü']);
        expect(valuesOf(decoded.columns[0]!.column)).toEqual(columns.flatMap(valuesOf));
      }),
      { numRuns: 50 },
    );
  });

  it('truncate takes rows back, clear all of them; what follows is as on a new column', () => {
    fc.assert(
      fc.property(lists(type), lists(type), fc.nat(40), (values, more, rows) => {
        const column = filled(type, values);
        column.truncate(rows);
        for (const value of more) append(column, value);
        const expected = filled(type, [...values.slice(0, rows), ...more]);
        expect(dataOf(column).equals(dataOf(expected))).toBe(true);
        expect([column.length, column.byteLength]).toEqual([expected.length, dataOf(expected).length]);
        column.clear();
        expect([column.length, column.byteLength, dataOf(column).length]).toEqual([0, 0, 0]);
      }),
      { numRuns: 50 },
    );
  });

  it('appendFrom copies a row as it is', () => {
    fc.assert(
      fc.property(lists(type), fc.infiniteStream(fc.nat()), (values, picks) => {
        const source = filled(type, values);
        const rows = values.length === 0 ? [] : [...picks.take(10)].map((pick) => pick % values.length);
        const column = open(type);
        for (const row of rows) column.appendFrom(source, row);
        expect(
          dataOf(column).equals(
            dataOf(
              filled(
                type,
                rows.map((row) => values[row]!),
              ),
            ),
          ),
        ).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('a filler is NULL where NULL can be, else the zero', () => {
    for (const nullable of [true, false]) {
      const column = open(type, nullable);
      column.appendFiller();
      expect([column.length, column.isNull(0)]).toEqual([1, nullable && type.neverNull !== true]);
    }
  });

  it('random bytes are values or errors with a code, and errors leave no row', () => {
    const column = open(type);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.stringMatching(/^[-+0-9.: eaBCinf]{0,24}$/).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), (raw, binary) => {
        const before = column.length;
        const value = Buffer.from(raw);
        const error = codeOf(() =>
          binary ? column.appendBinary(value, 0, value.length) : column.appendText(value, 0, value.length),
        );
        expect(column.length).toBe(error === null ? before + 1 : before);
        expect([null, 'VALUE_SYNTAX', 'VALUE_UNFIT']).toContain(error);
      }),
      { numRuns: 500 },
    );
  });

  it('damaged Native data is rows or an error with a code', () => {
    const whole = encodeBlock([{ name: 'c', column: fillers(type) }], 1);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (raw, headed) => {
        const bytes = Buffer.concat(headed ? [...whole.slice(0, 2), raw] : [raw]);
        expect([null, 'VALUE_SYNTAX', 'TYPE_UNSUPPORTED']).toContain(
          codeOf(() => decodeBlocks(bytes, (_column, name) => openNative(name))),
        );
      }),
    );
  });
});

const widthOf = (type: Kind): number | null => codecOf(type).binaryWidth;

describe.each(Object.entries(KINDS).filter(([, type]) => widthOf(type) !== null))(
  '%s, of fixed width',
  (_name, type) => {
    it('a run of values gives the bytes of the values one by one', () => {
      fc.assert(
        fc.property(fc.array(type.values, { minLength: 1, maxLength: 30 }), fc.nat(9), (values, gap) => {
          const column = open(type);
          const spread = values.flatMap((value) => [Buffer.alloc(gap, 0x7f), value.binary]);
          column.appendNull();
          column.appendBinaryRun(Buffer.concat(spread), gap, gap + widthOf(type)!, values.length);
          expect(dataOf(column).equals(dataOf(filled(type, [null, ...values])))).toBe(true);
        }),
        { numRuns: 100 },
      );
    });
  },
);
