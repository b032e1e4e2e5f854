/** Values that the copy cannot hold, and bytes that PostgreSQL does not write. */
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
import { float4, float8, int16, int32, int64, numeric } from '../../test/support/postgres-binary.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { UnfitPolicy, UnfitValue } from './column.ts';

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
      { text, reason, action: 'null', row: 0 },
      { text, reason, action: 'null', row: 1 },
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
    ['bool', ['', 'yes', '1', 'T']],
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
