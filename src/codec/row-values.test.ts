import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SourceColumn } from '../model/table.ts';
import type { ReadAs } from '../model/table-rule.ts';
import { canReadAs, readsBinaryForm, textOfValue, valueReader } from './row-values.ts';

function column(typeOid: number, typeName: string): SourceColumn {
  return { name: 'x', attnum: 1, typeOid, typeMod: -1, typeName, nullable: true };
}

function bytesOf(length: number, write: (bytes: Buffer) => unknown): Buffer {
  const bytes = Buffer.alloc(length);
  write(bytes);
  return bytes;
}

interface Case {
  readonly type: readonly [number, string];
  readonly as: readonly ReadAs[];
  readonly values: fc.Arbitrary<unknown>;
  readonly text: (value: never) => string;
  readonly binary: (value: never) => Buffer;
}

const integer = (bits: 16 | 32): fc.Arbitrary<number> =>
  fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const CASES: readonly Case[] = [
  {
    type: [16, 'boolean'],
    as: ['boolean', 'text'],
    values: fc.boolean(),
    text: (value: boolean) => (value ? 't' : 'f'),
    binary: (value: boolean) => Buffer.from([value ? 1 : 0]),
  },
  {
    type: [21, 'smallint'],
    as: ['number', 'bigint', 'text'],
    values: integer(16),
    text: String,
    binary: (value: number) => bytesOf(2, (bytes) => bytes.writeInt16BE(value)),
  },
  {
    type: [23, 'integer'],
    as: ['number', 'bigint', 'text'],
    values: integer(32),
    text: String,
    binary: (value: number) => bytesOf(4, (bytes) => bytes.writeInt32BE(value)),
  },
  {
    type: [20, 'bigint'],
    as: ['bigint', 'text'],
    values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    text: String,
    binary: (value: bigint) => bytesOf(8, (bytes) => bytes.writeBigInt64BE(value)),
  },
  {
    type: [701, 'double precision'],
    as: ['number'],
    values: fc.double(),
    text: (value: number) => (Object.is(value, -0) ? '-0' : String(value)),
    binary: (value: number) => bytesOf(8, (bytes) => bytes.writeDoubleBE(value)),
  },
  {
    type: [700, 'real'],
    as: ['number'],
    values: fc.float(),
    // The shortest decimal that is nearest to it: any that reads back as the same 32 bits will do.
    text: (value: number) => (Object.is(value, -0) ? '-0' : String(value)),
    binary: (value: number) => bytesOf(4, (bytes) => bytes.writeFloatBE(value)),
  },
  {
    type: [25, 'text'],
    as: ['text'],
    values: fc.string({ unit: 'grapheme' }),
    text: String,
    binary: (value: string) => Buffer.from(value),
  },
  {
    type: [114, 'json'],
    as: ['json', 'text'],
    values: fc.jsonValue(),
    text: (value: unknown) => JSON.stringify(value),
    binary: (value: unknown) => Buffer.from(JSON.stringify(value)),
  },
];

test.each(CASES)(
  'of $type: a value is the same whether it came as text or in binary form',
  ({ type, as, values, text, binary }) => {
    const source = column(...type);
    fc.assert(
      fc.property(values, fc.constantFrom(...as), (value, readAs) => {
        expect([canReadAs(source, readAs), readsBinaryForm(source, readAs)]).toEqual([true, true]);
        const reader = valueReader(source, readAs, false);
        const [asText, asBinary] = [Buffer.from(`<${text(value as never)}`), binary(value as never)];
        const read = reader.text(asText, 1, asText.length);
        expect(reader.binary(Buffer.concat([Buffer.from('<'), asBinary]), 1, 1 + asBinary.length)).toEqual(read);
        if (readAs === 'text') expect(read).toBe(text(value as never));
        else if (readAs === 'bigint') expect(read).toBe(BigInt(value as number));
        else expect(read).toEqual(readAs === 'json' ? JSON.parse(text(value as never)) : value);
      }),
    );
  },
);

test.each([
  ['bigint as number', column(20, 'bigint'), 'number'],
  ['numeric as number', column(1700, 'numeric'), 'number'],
  ['text as boolean', column(25, 'text'), 'boolean'],
  ['text as json', column(25, 'text'), 'json'],
] as const)('%s is not read', (_, source, as) => {
  expect(canReadAs(source, as)).toBe(false);
});

test('jsonb, and text of what only PostgreSQL writes, are asked for as text', () => {
  const wanted: readonly [number, ReadAs][] = [
    [3802, 'json'],
    [701, 'text'],
    [1184, 'text'],
    [1700, 'text'],
  ];
  for (const [oid, as] of wanted) {
    expect(readsBinaryForm(column(oid, 'x'), as)).toBe(false);
    expect(valueReader(column(oid, 'x'), as, true).isText).toBe(true);
  }
  // A cast to text writes a boolean out.
  expect(valueReader(column(16, 'boolean'), 'text', true).text(Buffer.from('true'), 0, 4)).toBe('t');
});

test('what a function gives is written as PostgreSQL writes it, or is no value', () => {
  const given = ['x', 1.5, -0, 10n, true, false, null, undefined, {}, [], () => 1, Symbol('x')];
  expect(given.map(textOfValue)).toEqual([
    'x',
    '1.5',
    '-0',
    '10',
    't',
    'f',
    null,
    ...Array.from({ length: 5 }, () => undefined),
  ]);
});
