import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Transform } from '../model/table-rule.ts';
import { codecFor } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { ColumnBuffer, UnfitPolicy, UnfitValue } from './column.ts';

const TEXT = { name: 'x', attnum: 1, typeOid: 25, typeMod: -1, typeName: 'text', nullable: false };
const INTEGER = { ...TEXT, typeOid: 23, typeName: 'integer' };

function opened(column: typeof TEXT, apply: unknown, policy: UnfitPolicy = FAIL_UNFIT): ColumnBuffer {
  const mask = { kind: 'transform', apply: apply as Transform, source: String(apply) } as const;
  return codecFor({ ...column, choice: { mask } }).open(policy);
}

function append(column: ColumnBuffer, text: string | null): void {
  if (text === null) return column.appendNull();
  const bytes = Buffer.from(`<${text}>`);
  column.appendText(bytes, 1, bytes.length - 1);
}

test('each value is what the function makes of it, NULL too; rows of the copy come back as they are', () => {
  const apply: Transform = (value) => (value === null ? 'nothing' : value.length === 0 ? null : `${value}·${value}`);
  fc.assert(
    fc.property(fc.array(fc.option(fc.string({ unit: 'grapheme' }))), (values) => {
      const column = opened(TEXT, apply);
      for (const value of values) append(column, value);
      const expected = values.map(apply);
      expect(values.map((_, row) => column.value(row))).toEqual(expected);
      const parts: Uint8Array[] = [];
      column.encode(parts);
      const again = opened(TEXT, () => 'another');
      const bytes = Buffer.concat(parts);
      expect(again.decode(bytes, 0, values.length)).toBe(bytes.length);
      const third = opened(TEXT, () => 'another');
      for (const row of values.keys()) third.appendFrom(again, row);
      expect(values.map((_, row) => third.value(row))).toEqual(expected);
    }),
  );
});

const throwing = (value: string | null): string => {
  throw new TypeError(`of ${value}`);
};
const REFUSED: readonly [string, typeof TEXT, unknown, string][] = [
  ['throws', TEXT, throwing, 'its transform threw TypeError'],
  ['gives undefined', TEXT, () => undefined, 'its transform gave undefined, not text or null'],
  ['gives a number', INTEGER, () => 1, 'its transform gave number, not text or null'],
  ['gives a promise', TEXT, async () => await Promise.resolve('x'), 'its transform gave object, not text or null'],
  ['gives half a pair', TEXT, () => 'a\ud800', 'its transform gave half of a surrogate pair, which is no text'],
  ['gives no integer', INTEGER, () => 'secret', 'its transform gave no value of Nullable(Int32)'],
  ['gives too large an integer', INTEGER, () => '3000000000', 'its transform gave no value of Nullable(Int32)'],
];

test.each(REFUSED)(
  'a function that %s: a value that does not fit, and nothing of it is told',
  (_, type, apply, reason) => {
    const failing = opened(type, apply);
    const message = `column x: ${reason}`;
    expect(() => append(failing, '4711')).toThrow(expect.objectContaining({ code: 'VALUE_UNFIT', message }));
    expect(failing.length).toBe(0);
    const told: UnfitValue[] = [];
    const column = opened(type, apply, { action: 'null', report: (value) => void told.push(value) });
    append(column, '4711');
    append(column, null);
    expect([column.value(0), column.value(1), column.length]).toEqual([null, null, 2]);
    const unfit = { text: '(withheld)', reason, action: 'null' };
    expect(told).toEqual([
      { ...unfit, row: 0 },
      { ...unfit, row: 1 },
    ]);
  },
);
