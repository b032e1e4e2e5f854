import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { hourRanges } from './hour-ranges.ts';

test('GIVEN hours WHEN covered THEN neighbours are one range and the smallest gaps are joined', () => {
  expect(hourRanges([], 3)).toEqual([]);
  expect(hourRanges([5, 3, 4, 4], 3)).toEqual([[3, 5]]);
  expect(hourRanges([1, 10, 12, 100], 3)).toEqual([
    [1, 1],
    [10, 12],
    [100, 100],
  ]);
});

test('GIVEN any hours THEN all are covered, ranges are in order, and there are few enough', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1000, max: 1000 })), fc.integer({ min: 1, max: 9 }), (hours, limit) => {
      const ranges = hourRanges(hours, limit);
      expect(ranges.length).toBeLessThanOrEqual(limit);
      for (const hour of hours) expect(ranges.some(([from, to]) => from <= hour && hour <= to)).toBe(true);
      for (const [i, [from]] of ranges.entries())
        if (i > 0) expect(from).toBeGreaterThan((ranges[i - 1]?.[1] ?? 0) + 1);
    }),
  );
});
