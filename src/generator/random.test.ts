import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { chance, fraction, MAX_SEED, pick, randomStreams, shuffled, wholeBetween } from './random.ts';

const seeds = fc.integer({ min: 0, max: MAX_SEED });

test('GIVEN the same seed WHEN streams are taken THEN each repeats its numbers', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const draw = (): number[] => {
        const streams = randomStreams(seed);
        return [streams(), streams()].flatMap((random) => [fraction(random), wholeBetween(random, 1, 1000)]);
      };
      expect(draw()).toEqual(draw());
    }),
  );
});

test('GIVEN one seed WHEN two streams are taken THEN how much the first draws does not move the second', () => {
  const streams = randomStreams(5);
  const first = streams();
  const second = streams();
  for (let draws = 0; draws < 1000; draws++) first.next();
  const again = randomStreams(5);
  again();
  expect(fraction(again())).toBe(fraction(second));
});

test('GIVEN neighbouring seeds WHEN drawing THEN the first numbers are not alike', () => {
  const firsts = Array.from({ length: 100 }, (_, seed) => fraction(randomStreams(seed)()));
  const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
  expect(new Set(firsts).size).toBe(100);
  expect(mean).toBeGreaterThan(0.35);
  expect(mean).toBeLessThan(0.65);
});

test('GIVEN any list WHEN shuffled THEN it has the same items, and the list given is as before', () => {
  fc.assert(
    fc.property(seeds, fc.array(fc.integer()), (seed, items) => {
      const before = [...items];
      const result = shuffled(randomStreams(seed)(), items);
      expect(result.toSorted((a, b) => a - b)).toEqual(before.toSorted((a, b) => a - b));
      expect(items).toEqual(before);
    }),
  );
});

test('GIVEN the bounds WHEN drawing THEN they hold', () => {
  const random = randomStreams(1)();
  expect(chance(random, 0)).toBe(false);
  expect(chance(random, 1)).toBe(true);
  expect(pick(random, [])).toBeUndefined();
  expect(pick(random, ['only'])).toBe('only');
  const drawn = new Set(Array.from({ length: 200 }, () => wholeBetween(random, 3, 5)));
  expect([...drawn].toSorted((a, b) => a - b)).toEqual([3, 4, 5]);
});
