import { expect, test } from 'vitest';
import { compareRows } from './compare-rows.ts';
import { addSums, differingBuckets, type Sums } from './sums.ts';

test('rows are matched by key and compared by hash', () => {
  const source = [
    { m: '1', h: '10', k0: '1' },
    { m: '2', h: '20', k0: '2' },
    { m: '3|a', h: '30', k0: '3', k1: 'a' },
  ];
  const copy = [
    { m: '2', h: '21', k0: '2' },
    { m: '4', h: '40', k0: '4' },
    { m: '1', h: '10', k0: '1' },
  ];
  expect(compareRows(source, copy)).toEqual([
    { kind: 'different', key: ['2'], match: '2' },
    { kind: 'missing', key: ['3', 'a'], match: '3|a' },
    { kind: 'extra', key: ['4'], match: '4' },
  ]);
});

test('sums add up over pieces, and a bucket differs by its rows or its sum', () => {
  const sums = (...rows: [number, number, string][]): Sums => {
    const all: Sums = new Map();
    addSums(all, rows.map(([bucket, count, sum]) => ({ bucket: String(bucket), rows: count, sum }))); // prettier-ignore
    return all;
  };
  const wide = String(2n ** 61n);
  expect(differingBuckets(sums([1, 2, wide], [1, 3, wide]), sums([1, 5, String(2n ** 62n)]))).toEqual([]);
  expect(differingBuckets(sums([-1, 1, '5'], [3, 1, '5'], [2, 1, '1']), sums([2, 1, '2'], [3, 2, '5'], [7, 1, '0']))).toEqual([
    -1n, 2n, 3n, 7n,
  ]); // prettier-ignore
});
