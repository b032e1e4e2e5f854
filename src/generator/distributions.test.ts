import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { apportion, WeightedChoice, zipfWeights } from './distributions.ts';
import { randomStreams } from './random.ts';

const weights = fc
  .array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 40 })
  .filter((list) => list.some((weight) => weight > 0));

test('GIVEN ranks WHEN weighed by Zipf THEN rank r weighs 1/r, and exponent 0 makes all equal', () => {
  expect(zipfWeights(4)).toEqual([1, 1 / 2, 1 / 3, 1 / 4]);
  expect(zipfWeights(3, 0)).toEqual([1, 1, 1]);
});

test('GIVEN any weights WHEN a total is apportioned THEN the shares add up to it and differ from exact by less than 1', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), weights, (total, list) => {
      const shares = apportion(total, list);
      const sum = list.reduce((partial, weight) => partial + weight, 0);
      expect(shares.reduce((partial, share) => partial + share, 0)).toBe(total);
      for (const [index, share] of shares.entries()) {
        expect(Number.isInteger(share)).toBe(true);
        expect(Math.abs(share - (total * (list[index] as number)) / sum)).toBeLessThan(1.000_001);
      }
    }),
  );
});

test('GIVEN no weights WHEN apportioned THEN there are no shares', () => {
  expect(apportion(0, [])).toEqual([]);
});

test('GIVEN any weights WHEN drawing THEN an index of weight 0 never comes', () => {
  fc.assert(
    fc.property(weights, fc.nat(), (list, seed) => {
      const choice = new WeightedChoice(list);
      const random = randomStreams(seed % 1000)();
      for (let draws = 0; draws < 200; draws++) expect(list[choice.draw(random)]).toBeGreaterThan(0);
    }),
  );
});

test('GIVEN weights 1:2:7 WHEN drawing 100 000 times THEN the shares are near 10, 20 and 70 %', () => {
  const choice = new WeightedChoice([1, 2, 7]);
  const random = randomStreams(3)();
  const counts = [0, 0, 0];
  for (let draws = 0; draws < 100_000; draws++) {
    const index = choice.draw(random);
    counts[index] = (counts[index] as number) + 1;
  }
  // Ten standard deviations: this is a fixed seed, not a lottery.
  expect(Math.abs((counts[0] as number) - 10_000)).toBeLessThan(950);
  expect(Math.abs((counts[1] as number) - 20_000)).toBeLessThan(1270);
  expect(Math.abs((counts[2] as number) - 70_000)).toBeLessThan(1450);
});
