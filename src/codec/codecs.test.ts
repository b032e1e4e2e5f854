import { describe, expect, it } from 'vitest';
import {
  appendBinary,
  appendText,
  codec,
  codeOf,
  date,
  FIRST_DAY,
  FIRST_MICROS,
  LAST_DAY,
  LAST_MICROS,
  numericMod,
  timestamp,
  type TypeName,
} from '../../test/support/codec-values.ts';
import { float4, float8, int16, int32, int64, numeric, uuid } from '../../test/support/postgres-binary.ts';
import type { SourceColumn, SourceType } from '../model/table.ts';
import { codecFor, openInt8, openNative, openUInt64, openUInt8 } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';

const OIDS: Readonly<Record<string, number>> = { integer: 23, numeric: 1700, text: 25, date: 1082 };

/** A nullable column of a base type or kind, with a choice. */
function chosen(kind: string, element: string | undefined, choice: SourceColumn['choice']): SourceColumn {
  const typeOf = (name: string, part: SourceType | null): SourceType => {
    const isBase = name in OIDS;
    const own = isBase ? 'base' : (name as SourceType['kind']);
    return { oid: OIDS[name] ?? 20_000, typeMod: -1, name, kind: own, element: part, sendsText: false };
  };
  const type = typeOf(kind, element === undefined ? null : typeOf(element, null));
  const column = { name: 'c', attnum: 1, typeOid: type.oid, typeMod: -1, typeName: kind, nullable: true, type };
  return choice === undefined ? column : { ...column, choice };
}

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

  it.each<[TypeName, number, boolean]>([
    ['bytea', -1, true],
    ['numeric', -1, true],
    ['numeric', numericMod(77, 2), true],
    ['numeric', numericMod(5, -2), true],
  ])('GIVEN %s with modifier %d THEN it is text, whatever its size', (type, mod, binary) => {
    expect(codec(type, mod)).toMatchObject({ clickhouseType: 'String', binary });
  });

  it.each<[string, string | undefined, SourceColumn['choice'], string]>([
    ['integer', undefined, { as: 'text' }, 'Nullable(String)'],
    ['numeric', undefined, { as: 'decimal(38, 10)' }, 'Nullable(Decimal(38, 10))'],
    ['numeric', undefined, { as: 'decimal(38,10)', unfit: 'text' }, 'Nullable(String)'],
    ['text', undefined, { as: 'lowcardinality' }, 'LowCardinality(Nullable(String))'],
    ['date', undefined, { unfit: 'text' }, 'Nullable(String)'],
    ['date', undefined, { unfit: 'clamp' }, 'Nullable(Date32)'],
    ['array', 'date', { as: 'array' }, 'Array(Nullable(Date32))'],
    ['array', 'date', undefined, 'Nullable(String)'],
    ['array', 'date', { as: 'array', unfit: 'text' }, 'Nullable(String)'],
    ['enum', undefined, undefined, 'LowCardinality(Nullable(String))'],
    ['enum', undefined, { as: 'text' }, 'Nullable(String)'],
    ['range', undefined, undefined, 'Nullable(String)'],
  ])('GIVEN %s of %s WHEN %j is chosen THEN it is %s', (kind, element, choice, expected) => {
    expect(codecFor(chosen(kind, element, choice)).clickhouseType).toBe(expected);
  });

  it.each<[string, string]>([
    ['integer', 'array'],
    ['integer', 'decimal(9,2)'],
    ['numeric', 'decimal(77,2)'],
    ['numeric', 'decimal(2,3)'],
    ['integer', 'lowcardinality'],
    ['text', 'json'],
  ])('GIVEN %s WHEN it is to be %s THEN the choice is refused', (kind, as) => {
    expect(codeOf(() => codecFor(chosen(kind, undefined, { as })))).toBe('CONFIG_INVALID');
  });

  it('GIVEN an unknown ClickHouse type THEN no column opens for it', () => {
    expect(codeOf(() => openNative('Map(String, String)'))).toBe('TYPE_UNSUPPORTED');
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
