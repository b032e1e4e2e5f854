import { describe, expect, it } from 'vitest';
import { float4, float8, int16, int32, int64, numeric, uuid } from '../../test/support/postgres-binary.ts';
import { AppError, type ErrorCode } from '../model/errors.ts';
import { codecFor, openInt8, openNative, openUInt64, openUInt8 } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { ColumnBuffer, UnfitPolicy, UnfitValue } from './column.ts';

const OID = {
  bool: 16, name: 19, int8: 20, int2: 21, int4: 23, text: 25, oid: 26, json: 114, float4: 700, float8: 701, bpchar: 1042, varchar: 1043,
  date: 1082, timestamp: 1114, timestamptz: 1184, numeric: 1700, uuid: 2950, jsonb: 3802, bytea: 17,
} as const; // prettier-ignore

type TypeName = keyof typeof OID;

const numericMod = (precision: number, scale: number): number => ((precision << 16) | (scale & 0x7ff)) + 4;
const codec = (type: TypeName, typeMod = -1, nullable = false) =>
  codecFor({ name: 'c', attnum: 1, typeOid: OID[type], typeMod, typeName: type, nullable });

function appendText(column: ColumnBuffer, text: string): void {
  // Inside other bytes, so that a reader that looks beyond its range is found out.
  const bytes = Buffer.from(`9${text}9`);
  column.appendText(bytes, 1, bytes.length - 1);
}

function appendBinary(column: ColumnBuffer, value: Buffer): void {
  const bytes = Buffer.concat([Buffer.from([0x39]), value, Buffer.from([0x39])]);
  column.appendBinary(bytes, 1, bytes.length - 1);
}

function codeOf(run: () => unknown): ErrorCode | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

const PG_2000_MICROS = 946_684_800_000_000n;
const timestamp = (micros: bigint): Buffer => int64(micros - PG_2000_MICROS);
const date = (days: number): Buffer => int32(days - 10957);
const FIRST_MICROS = -2_208_988_800_000_000n;
const LAST_MICROS = 10_413_791_999_999_999n;
const FIRST_DAY = -25567;
const LAST_DAY = 120529;

describe('types of the copy', () => {
  it.each<[TypeName, number, string, number | null]>([
    ['int2', -1, 'Int16', 2],
    ['int4', -1, 'Int32', 4],
    ['int8', -1, 'Int64', 8],
    ['oid', -1, 'UInt32', 4],
    ['bool', -1, 'Bool', 1],
    ['float4', -1, 'Float32', 4],
    ['float8', -1, 'Float64', 8],
    ['numeric', numericMod(10, 2), 'Decimal(10, 2)', null],
    ['numeric', numericMod(3, 5), 'Decimal(5, 5)', null],
    ['text', -1, 'String', null],
    ['varchar', 259, 'String', null],
    ['bpchar', 9, 'String', null],
    ['name', -1, 'String', null],
    ['date', -1, 'Date32', 4],
    ['timestamp', -1, "DateTime64(6, 'UTC')", 8],
    ['timestamptz', -1, "DateTime64(6, 'UTC')", 8],
    ['uuid', -1, 'UUID', 16],
    ['json', -1, 'String', null],
    ['jsonb', -1, 'String', null],
  ])('%s(%d) becomes %s', (type, mod, expected, width) => {
    expect(codec(type, mod)).toMatchObject({ clickhouseType: expected, binaryWidth: width });
    expect(codec(type, mod, true).clickhouseType).toBe(`Nullable(${expected})`);
    expect(codec(type, mod, true).open(FAIL_UNFIT).clickhouseType).toBe(`Nullable(${expected})`);
  });

  it.each<[TypeName, number]>([
    ['bytea', -1],
    ['numeric', -1],
    ['numeric', numericMod(77, 2)],
    ['numeric', numericMod(5, -2)],
  ])('GIVEN %s with modifier %d THEN it is refused by name', (type, mod) => {
    expect(() => codec(type, mod)).toThrow(`column c: type ${type}`);
    expect(codeOf(() => codec(type, mod))).toBe('TYPE_UNSUPPORTED');
  });

  it('GIVEN an unknown ClickHouse type THEN no column opens for it', () => {
    expect(codeOf(() => openNative('Array(Int32)'))).toBe('TYPE_UNSUPPORTED');
    expect(openNative('Nullable(Decimal(38, 6))').clickhouseType).toBe('Nullable(Decimal(38, 6))');
  });
});

describe('values that fit', () => {
  const big = '9'.repeat(56);
  it.each<[TypeName, number, string, Buffer, number | bigint | string | boolean]>([
    ['int2', -1, '-32768', int16(-32768), -32768],
    ['int2', -1, '32767', int16(32767), 32767],
    ['int4', -1, '-2147483648', int32(-2147483648), -2147483648],
    ['int4', -1, '2147483647', int32(2147483647), 2147483647],
    ['int4', -1, '0', int32(0), 0],
    ['int8', -1, '-9223372036854775808', int64(-9223372036854775808n), -9223372036854775808n],
    ['int8', -1, '9223372036854775807', int64(9223372036854775807n), 9223372036854775807n],
    ['int8', -1, '-1', int64(-1n), -1n],
    ['int8', -1, '-4294967296', int64(-4294967296n), -4294967296n],
    ['int8', -1, '-1000000000000000000', int64(-1000000000000000000n), -1000000000000000000n],
    ['oid', -1, '4294967295', int32(-1), 4294967295],
    ['bool', -1, 't', Buffer.from([1]), true],
    ['bool', -1, 'f', Buffer.from([0]), false],
    ['float4', -1, '1.5', float4(1.5), 1.5],
    ['float4', -1, '3.4028235e+38', float4(3.4028234663852886e38), 3.4028234663852886e38],
    ['float8', -1, '1e+20', float8(1e20), 1e20],
    ['float8', -1, '-5e-324', float8(-5e-324), -5e-324],
    ['float8', -1, 'NaN', float8(NaN), NaN],
    ['float8', -1, '-Infinity', float8(-Infinity), -Infinity],
    ['numeric', numericMod(10, 2), '-12.340', numeric('-12.34'), -1234n],
    ['numeric', numericMod(10, 2), '0.00', numeric('0.00'), 0n],
    ['numeric', numericMod(10, 2), '-0.01', numeric('-0.01'), -1n],
    ['numeric', numericMod(10, 2), '99999999.99', numeric('99999999.99'), 9999999999n],
    ['numeric', numericMod(9, 0), '100000000', numeric('100000000'), 100000000n],
    ['numeric', numericMod(18, 18), '0.000000000000000001', numeric('0.000000000000000001'), 1n],
    [
      'numeric',
      numericMod(38, 6),
      '12345678901234567890123456789012.123456',
      numeric('12345678901234567890123456789012.123456'),
      12345678901234567890123456789012123456n,
    ],
    [
      'numeric',
      numericMod(76, 20),
      `-${big}.00000000000000000001`,
      numeric(`-${big}.00000000000000000001`),
      -BigInt(`${big}00000000000000000001`),
    ],
    ['text', -1, 'héllo', Buffer.from('héllo'), 'héllo'],
    ['text', -1, '', Buffer.from(''), ''],
    ['varchar', -1, 'x'.repeat(20_000), Buffer.from('x'.repeat(20_000)), 'x'.repeat(20_000)],
    ['bpchar', -1, ' ab   ', Buffer.from(' ab   '), ' ab'],
    ['json', -1, '{"a" : 1}', Buffer.from('{"a" : 1}'), '{"a" : 1}'],
    ['jsonb', -1, '{"a": 1}', Buffer.from('\u0001{"a": 1}'), '{"a": 1}'],
    ['date', -1, '1900-01-01', date(FIRST_DAY), FIRST_DAY],
    ['date', -1, '2299-12-31', date(LAST_DAY), LAST_DAY],
    ['date', -1, '2024-02-29', date(19782), 19782],
    ['timestamp', -1, '1900-01-01 00:00:00', timestamp(FIRST_MICROS), FIRST_MICROS],
    ['timestamp', -1, '2299-12-31 23:59:59.999999', timestamp(LAST_MICROS), LAST_MICROS],
    ['timestamp', -1, '1969-12-31 23:59:59.9', timestamp(-100_000n), -100_000n],
    ['timestamp', -1, '2024-02-29 12:00:00.000001', timestamp(1_709_208_000_000_001n), 1_709_208_000_000_001n],
    ['timestamptz', -1, '2024-02-29 12:00:00+00', timestamp(1_709_208_000_000_000n), 1_709_208_000_000_000n],
    ['timestamptz', -1, '2024-02-29 17:30:00+05:30', timestamp(1_709_208_000_000_000n), 1_709_208_000_000_000n],
    ['timestamptz', -1, '2024-02-29 11:42:30-00:17:30', timestamp(1_709_208_000_000_000n), 1_709_208_000_000_000n],
    ['timestamptz', -1, '2300-01-01 00:00:00+01', timestamp(10_413_788_400_000_000n), 10_413_788_400_000_000n],
    [
      'uuid',
      -1,
      '00112233-4455-6677-8899-aabbccddeeff',
      uuid('00112233-4455-6677-8899-aabbccddeeff'),
      '00112233-4455-6677-8899-aabbccddeeff',
    ],
  ])('%s(%d) reads %s from text and binary', (type, mod, text, binary, expected) => {
    const column = codec(type, mod, true).open(FAIL_UNFIT);
    appendText(column, text);
    appendBinary(column, binary);
    expect([column.value(0), column.value(1)]).toEqual([expected, expected]);
    expect([column.isNull(0), column.length]).toEqual([false, 2]);
  });

  it('GIVEN a uuid THEN its halves lie in ClickHouse’s order', () => {
    const column = codec('uuid').open(FAIL_UNFIT);
    appendText(column, '00112233-4455-6677-8899-aabbccddeeff');
    const parts: Uint8Array[] = [];
    column.encode(parts);
    expect(Buffer.concat(parts).toString('hex')).toBe('7766554433221100ffeeddccbbaa9988');
  });
});

describe('values that do not fit', () => {
  const cases: [TypeName, number, string, Buffer, string, number | bigint | null][] = [
    ['date', -1, 'infinity', int32(2147483647), 'infinity', LAST_DAY],
    ['date', -1, '-infinity', int32(-2147483648), '-infinity', FIRST_DAY],
    ['date', -1, '0044-03-15 BC', date(-735160), 'year 44 BC is outside 1900–2299', FIRST_DAY],
    ['date', -1, '1899-12-31', date(FIRST_DAY - 1), 'year 1899 is outside 1900–2299', FIRST_DAY],
    ['date', -1, '2300-01-01', date(LAST_DAY + 1), 'year 2300 is outside 1900–2299', LAST_DAY],
    ['date', -1, '5874897-12-31', date(2145042905), 'year 5874897 is outside 1900–2299', LAST_DAY],
    ['timestamp', -1, 'infinity', int64(0x7fffffffffffffffn), 'infinity', LAST_MICROS],
    ['timestamptz', -1, '-infinity', int64(-0x8000000000000000n), '-infinity', FIRST_MICROS],
    [
      'timestamp',
      -1,
      '1899-12-31 23:59:59.999999',
      timestamp(FIRST_MICROS - 1n),
      'year 1899 is outside 1900–2299',
      FIRST_MICROS,
    ],
    [
      'timestamp',
      -1,
      '2300-01-01 00:00:00',
      timestamp(LAST_MICROS + 1n),
      'year 2300 is outside 1900–2299',
      LAST_MICROS,
    ],
    [
      'timestamp',
      -1,
      '0001-12-31 23:00:00 BC',
      timestamp(-62_135_600_400_000_000n),
      'year 1 BC is outside 1900–2299',
      FIRST_MICROS,
    ],
    [
      'timestamptz',
      -1,
      '4714-11-24 00:00:00+00 BC',
      timestamp(-210_866_803_200_000_000n),
      'year 4714 BC is outside 1900–2299',
      FIRST_MICROS,
    ],
    [
      'timestamptz',
      -1,
      '294276-12-31 23:59:59.999999+00',
      timestamp(9_224_318_015_999_999_999n),
      'year 294276 is outside 1900–2299',
      LAST_MICROS,
    ],
    ['numeric', numericMod(4, 2), '100.00', numeric('100.00'), '3 digits before the point, 2 fit', 9999n],
    [
      'numeric',
      numericMod(4, 2),
      '-12345678901234567890.00',
      numeric('-12345678901234567890.00'),
      '20 digits before the point, 2 fit',
      -9999n,
    ],
    ['numeric', numericMod(76, 0), '-Infinity', numeric('-Infinity'), '-Infinity', -(10n ** 76n) + 1n],
    ['numeric', numericMod(4, 2), 'NaN', numeric('NaN'), 'NaN', null],
    ['numeric', numericMod(4, 2), '1.234', numeric('1.234'), 'more than 2 digits behind the point', null],
    ['numeric', numericMod(4, 0), '1.00001', numeric('1.00001'), 'more than 0 digits behind the point', null],
  ];

  const recording = (action: UnfitPolicy['action']): { policy: UnfitPolicy; seen: UnfitValue[] } => {
    const seen: UnfitValue[] = [];
    return { policy: { action, report: (value) => seen.push(value) }, seen };
  };

  it.each(cases)('%s(%d) %s: fail refuses, with the reason', (type, mod, text, binary, reason) => {
    const column = codec(type, mod, true).open(FAIL_UNFIT);
    expect(() => appendText(column, text)).toThrow(`column c: ${reason}`);
    expect(() => appendBinary(column, binary)).toThrow(`column c: ${reason}`);
    expect(codeOf(() => appendText(column, text))).toBe('VALUE_UNFIT');
    expect(column.length).toBe(0);
  });

  it.each(cases)('%s(%d) %s: null stores NULL and reports the value', (type, mod, text, binary, reason) => {
    const { policy, seen } = recording('null');
    const column = codec(type, mod, true).open(policy);
    appendText(column, text);
    appendBinary(column, binary);
    expect([column.value(0), column.value(1)]).toEqual([null, null]);
    expect(seen).toEqual([
      { text, reason, action: 'null' },
      { text, reason, action: 'null' },
    ]);
  });

  it.each(cases)(
    '%s(%d) %s: clamp stores the nearest value, when there is one',
    (type, mod, text, binary, reason, nearest) => {
      const { policy, seen } = recording('clamp');
      const column = codec(type, mod, false).open(policy);
      if (nearest === null) {
        expect(codeOf(() => appendText(column, text))).toBe('VALUE_UNFIT');
        expect(codeOf(() => appendBinary(column, binary))).toBe('VALUE_UNFIT');
        return;
      }
      appendText(column, text);
      appendBinary(column, binary);
      expect([column.value(0), column.value(1)]).toEqual([nearest, nearest]);
      expect(seen.map((value) => value.reason)).toEqual([reason, reason]);
    },
  );

  it('GIVEN a run with such values inside THEN only they are replaced', () => {
    const { policy, seen } = recording('null');
    for (const [type, values] of [
      [
        'timestamp',
        [timestamp(1n), int64(0x7fffffffffffffffn), timestamp(LAST_MICROS), timestamp(LAST_MICROS + 1n), timestamp(2n)],
      ],
      ['date', [date(1), int32(2147483647), date(LAST_DAY), date(LAST_DAY + 1), date(2)]],
    ] as const) {
      const column = codec(type, -1, true).open(policy);
      column.appendBinaryRun(Buffer.concat(values), 0, values[0].length, values.length);
      expect([0, 1, 2, 3, 4].map((row) => column.isNull(row))).toEqual([false, true, false, true, false]);
    }
    expect(seen).toHaveLength(4);
  });

  it('GIVEN the policy null and a NOT NULL column THEN it is refused when opened, if the type can misfit', () => {
    const { policy } = recording('null');
    expect(codeOf(() => codec('timestamp').open(policy))).toBe('CONFIG_INVALID');
    expect(codec('int4').open(policy).length).toBe(0);
  });

  it('GIVEN NULL for a NOT NULL column THEN it is refused', () => {
    expect(codeOf(() => codec('int4').open(FAIL_UNFIT).appendNull())).toBe('VALUE_UNFIT');
  });
});

describe('texts that PostgreSQL does not write', () => {
  it.each<[TypeName, string[]]>([
    ['int2', ['32768', '-32769', '', '-', '1.0', ' 1', '1e3', '0x1', '--1', '+-1']],
    ['int4', ['2147483648', '-2147483649', '', '99999999999999999999', '1a', '1 ']],
    [
      'int8',
      [
        '9223372036854775808',
        '-9223372036854775809',
        '18446744073709551616',
        '99999999999999999999',
        '1-1',
        '',
        '123456789-123456789',
      ],
    ],
    ['oid', ['-1', '4294967296']],
    ['bool', ['', 'true', '1', 'T']],
    ['float4', ['', 'nan', '1e', '3.5e+38', '1,5']],
    ['float8', ['', ' 1', '0x10', '1e+400', 'inf', '.5']],
    ['numeric', ['', '-', '.', '1.', '.5', '1e5', '1.2.3', '--1', 'nan', 'infinity', 'Infinity0']],
    [
      'date',
      [
        '',
        '2024-02-30',
        '2023-02-29',
        '2024-13-01',
        '2024-00-01',
        '2024-1-1',
        '2024-01-01 ',
        '0000-01-01',
        '2024-01-01 00:00:00',
        '-Infinity',
        '2024-01-01BC',
      ],
    ],
    [
      'timestamp',
      [
        '2024-01-01',
        '2024-01-01 24:00:00',
        '2024-01-01 00:60:00',
        '2024-01-01 00:00:60',
        '2024-01-01T00:00:00',
        '2024-01-01 00:00:00.',
        '2024-01-01 00:00:00.1234567',
        '2024-01-01 00:00:00+00',
        '2024-01-01 00:00:00 AD',
      ],
    ],
    [
      'timestamptz',
      [
        '2024-01-01 00:00:00',
        '2024-01-01 00:00:00+',
        '2024-01-01 00:00:00+5',
        '2024-01-01 00:00:00Z',
        '2024-01-01 00:00:00+05:',
        '2024-01-01 00:00:00+16',
      ],
    ],
    [
      'uuid',
      [
        '',
        '00112233-4455-6677-8899-aabbccddeef',
        '00112233445566778899aabbccddeeff0000',
        'g0112233-4455-6677-8899-aabbccddeeff',
      ],
    ],
  ])('%s refuses each and stays as it was', (type, texts) => {
    const column = codec(type, type === 'numeric' ? numericMod(10, 2) : -1).open(FAIL_UNFIT);
    expect(texts.map((text) => [text, codeOf(() => appendText(column, text))])).toEqual(
      texts.map((text) => [text, 'VALUE_SYNTAX']),
    );
    expect(column.length).toBe(0);
  });

  it('GIVEN binary values of a wrong width or form THEN each is refused', () => {
    const wrong: [TypeName, Buffer][] = [
      ['int2', int32(1)], ['int4', int64(1n)], ['int8', int32(1)], ['bool', Buffer.from([2])], ['float4', float8(1)], ['float8', float4(1)],
      ['date', int64(1n)], ['timestamp', int32(1)], ['uuid', int64(1n)], ['jsonb', Buffer.from('\u0002{}')], ['jsonb', Buffer.alloc(0)],
      ['numeric', Buffer.alloc(6)], ['numeric', Buffer.concat([2, 0, 0, 0, 1].map(int16))], ['numeric', Buffer.concat([1, 0, 0, 0, 10_000].map(int16))],
      ['numeric', Buffer.concat([1, 0, 0, 0, -1].map(int16))], ['numeric', Buffer.concat([1, 0, 7, 0, 1].map(int16))],
    ]; // prettier-ignore
    for (const [type, value] of wrong) {
      const column = codec(type, type === 'numeric' ? numericMod(10, 2) : -1).open(FAIL_UNFIT);
      expect([type, codeOf(() => appendBinary(column, value)), column.length]).toEqual([type, 'VALUE_SYNTAX', 0]);
    }
  });

  it('GIVEN a range outside its bytes THEN nothing is read', () => {
    for (const type of ['int2', 'int4', 'int8', 'bool', 'float4', 'date', 'timestamp', 'uuid', 'text'] as const) {
      const column = codec(type).open(FAIL_UNFIT);
      const width = codec(type).binaryWidth ?? 5;
      expect([type, codeOf(() => column.appendBinary(Buffer.alloc(width - 1), 0, width))]).toEqual([
        type,
        'VALUE_SYNTAX',
      ]);
      expect([type, codeOf(() => column.appendText(Buffer.from('1'), 0, 3))]).toEqual([type, 'VALUE_SYNTAX']);
      if (codec(type).binaryWidth === null) continue;
      expect([type, codeOf(() => column.appendBinaryRun(Buffer.alloc(width + 9), 0, 10, 2))]).toEqual([
        type,
        'VALUE_SYNTAX',
      ]);
      expect(column.length).toBe(0);
    }
  });
});

describe('columns that the pipeline fills', () => {
  it('GIVEN WAL positions as halves and as bigint THEN both are the same UInt64', () => {
    const column = openUInt64('_version');
    column.appendHalves(0xffffffff, 0x80000001);
    column.append(0xffffffff80000001n);
    column.appendHalvesRepeated(0, 0, 2);
    expect([0, 1, 2, 3].map((row) => column.value(row))).toEqual([0xffffffff80000001n, 0xffffffff80000001n, 0n, 0n]);
    expect(codeOf(() => column.append(-1n))).toBe('VALUE_SYNTAX');
  });

  it('GIVEN signs and flags THEN they are kept, and others refused', () => {
    const sign = openInt8('_sign');
    sign.append(-1);
    sign.appendRepeated(1, 3000);
    expect([sign.value(0), sign.value(1), sign.value(3000), sign.length]).toEqual([-1, 1, 1, 3001]);
    expect(codeOf(() => sign.append(128))).toBe('VALUE_SYNTAX');
    expect(codeOf(() => openUInt8('_raw').append(-1))).toBe('VALUE_SYNTAX');
  });
});
