import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SourceTable } from '../model/table.ts';
import { type Slice, shiftFor, sliceCondition, splitSlice, planTable } from './table-plan.ts';

function table(typeOid: number, typeName: string): SourceTable {
  const column = { name: 'id', attnum: 1, typeOid, typeMod: -1, typeName, nullable: false };
  return { oid: 1, schema: 'public', name: 't', target: 't', columns: [column], key: [0], replicaIdentity: 'd' };
}

const INTEGER = planTable(table(20, 'bigint'), 'fail', { isUtf8: true });
const TEXT = planTable(table(25, 'text'), 'fail', { isUtf8: true });

/** Ranges of a condition on integer keys. */
function rangesOf(slice: Slice): [bigint, bigint][] {
  const { source } = sliceCondition(INTEGER, slice);
  return [...source.matchAll(/BETWEEN (-?\d+) AND (-?\d+)/g)].map(([, from, to]) => [BigInt(from!), BigInt(to!)]);
}

const sorted = (values: readonly bigint[]): bigint[] => values.toSorted((a, b) => (a < b ? -1 : 1));
const key = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const shift = fc.integer({ min: 0, max: 62 });

test('a key lies in the ranges of a slice just when its bucket is in the slice, also at the ends of buckets', () => {
  const cases = fc.tuple(fc.array(key, { minLength: 1, maxLength: 20 }), key, shift);
  fc.assert(
    fc.property(cases, ([keys, other, bits]) => {
      const width = BigInt(bits);
      const buckets = [...new Set(keys.map((value) => value >> width))];
      const ends = buckets.flatMap((bucket) => [bucket << width, (bucket + 1n) << width]);
      for (const probe of [other, ...keys, ...ends, ...ends.map((end) => end - 1n)]) {
        const isInside = rangesOf({ shift: bits, buckets }).some(([from, to]) => probe >= from && probe <= to);
        expect(isInside).toBe(buckets.includes(probe >> width));
      }
    }),
  );
});

test('ranges stay within 64 bits, so that no engine refuses them', () => {
  for (const bits of [0, 17, 62]) {
    const ends = [-(2n ** 63n), 2n ** 63n - 1n].map((value) => value >> BigInt(bits));
    for (const [from, to] of rangesOf({ shift: bits, buckets: ends })) {
      expect(from).toBeGreaterThanOrEqual(-(2n ** 63n));
      expect(to).toBeLessThan(2n ** 63n);
    }
  }
});

test('both halves of a slice are the slice, and halving ends', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(key, { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 0, max: 3 }),
      (buckets, bits) => {
        const values = (slice: Slice): bigint[] =>
          slice.buckets.flatMap((bucket) =>
            Array.from({ length: 2 ** slice.shift }, (_, i) => (bucket << BigInt(slice.shift)) + BigInt(i)),
          );
        const slice = { shift: bits, buckets };
        const halves = splitSlice(slice);
        if (halves === null) expect(values(slice)).toHaveLength(1);
        else expect(sorted(halves.flatMap(values))).toEqual(sorted(values(slice)));
      },
    ),
  );
});

test('a key without a common order is compared by its hash', () => {
  expect(INTEGER.byKey).toBe(true);
  expect(TEXT.byKey).toBe(false);
  expect(sliceCondition(TEXT, { shift: 40, buckets: [1n, 5n] }).source).toContain('md5');
});

test.each([
  { span: 10_000_000n, rows: 10_000_000, wanted: 17 },
  { span: 1n, rows: 0, wanted: 0 },
  { span: 2n ** 62n, rows: 1_000_000, wanted: 59 },
  { span: 1000n, rows: 131_072 * 1000, wanted: 0 },
])('$rows keys over $span make ranges of 2^$wanted', ({ span, rows, wanted }) => {
  expect(shiftFor(INTEGER, { span, rows }, 131_072)).toBe(wanted);
});
