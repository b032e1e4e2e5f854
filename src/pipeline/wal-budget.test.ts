import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWellAgain, isWorse, levelOf, nextOutlook, type WalLevel, type WalOutlook } from './wal-budget.ts';

const GIB = 2 ** 30;
const LEVELS: readonly WalLevel[] = ['ok', 'half', 'high', 'over'];

/** Outlooks over samples 10 s apart. */
function follow(retained: readonly number[], budgetBytes: number, safeBytes: number | null = null): WalOutlook[] {
  const outlooks: WalOutlook[] = [];
  for (const [i, retainedBytes] of retained.entries()) {
    const sample = { atMs: i * 10_000, retainedBytes, safeBytes };
    outlooks.push(nextOutlook(outlooks.at(-1) ?? null, sample, budgetBytes));
  }
  return outlooks;
}

/** How often each kind of news is told. */
function warnings(outlooks: readonly WalOutlook[]): string[] {
  return outlooks.flatMap((next, i) => {
    const previous = outlooks[i - 1] ?? null;
    if (isWorse(previous, next)) return [next.isSoon && previous?.isSoon !== true ? `${next.level}, soon` : next.level];
    return isWellAgain(previous, next) ? ['well'] : [];
  });
}

describe('levels', () => {
  test.each([
    { share: 0.49, previous: 'ok', level: 'ok' },
    { share: 0.5, previous: 'ok', level: 'half' },
    { share: 0.46, previous: 'half', level: 'half' },
    { share: 0.44, previous: 'half', level: 'ok' },
    { share: 0.8, previous: 'half', level: 'high' },
    { share: 0.79, previous: 'half', level: 'half' },
    { share: 1, previous: 'ok', level: 'over' },
    { share: 0.91, previous: 'over', level: 'over' },
    { share: 0.7, previous: 'over', level: 'half' },
  ] as const)('$share after $previous is $level', ({ share, previous, level }) => {
    expect(levelOf(share, previous)).toBe(level);
  });

  test('a larger share is never a lower level, whatever was before', () => {
    const share = fc.double({ min: 0, max: 2, noNaN: true });
    fc.assert(
      fc.property(share, share, fc.constantFrom(...LEVELS), (a, b, previous) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(LEVELS.indexOf(levelOf(low, previous))).toBeLessThanOrEqual(LEVELS.indexOf(levelOf(high, previous)));
      }),
    );
  });

  test('a share that trembles by a tenth around any point is told once at most', () => {
    const trembling = fc.array(fc.double({ min: 0.951, max: 1.049, noNaN: true }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1.5, noNaN: true }), trembling, (centre, factors) => {
        let level: WalLevel = 'ok';
        const levels = factors.map((factor) => (level = levelOf(centre * factor, level)));
        expect(levels.filter((found, i) => i > 0 && found !== levels[i - 1]).length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('the outlook', () => {
  test('GIVEN steady growth THEN the time until the budget becomes exact', () => {
    const perSecond = 1_000_000;
    const retained = Array.from({ length: 60 }, (_, i) => i * 10 * perSecond);
    const last = follow(retained, 100 * GIB).at(-1);
    const exact = (100 * GIB - (retained.at(-1) ?? 0)) / perSecond;
    expect((last?.secondsUntilBudget ?? 0) / exact).toBeCloseTo(1, 3);
  });

  test('the growth lies between the slowest and the fastest that was seen', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 100 * GIB }), { minLength: 2, maxLength: 30 }), (retained) => {
        const rates = retained.slice(1).map((bytes, i) => (bytes - (retained[i] ?? 0)) / 10);
        for (const { growthBytesPerSecond } of follow(retained, GIB).slice(1)) {
          expect(growthBytesPerSecond).toBeGreaterThanOrEqual(Math.min(0, ...rates));
          expect(growthBytesPerSecond).toBeLessThanOrEqual(Math.max(0, ...rates));
        }
      }),
    );
  });

  test('a time until a limit is told exactly while there is growth, 0 once it is reached', () => {
    const samples = fc.array(fc.nat({ max: 2 * GIB }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(samples, (retained) => {
        for (const { retainedBytes, growthBytesPerSecond, secondsUntilBudget } of follow(retained, GIB)) {
          const grows = (growthBytesPerSecond ?? 0) > 0;
          if (retainedBytes >= GIB) expect(secondsUntilBudget).toBe(0);
          else expect(secondsUntilBudget === null).toBe(!grows);
        }
      }),
    );
  });

  test('GIVEN a limit of the server that is nearer THEN the share and the level are those of the server', () => {
    const [outlook] = follow([0.9 * GIB], 10 * GIB, 0.1 * GIB);
    expect(outlook).toMatchObject({ level: 'high', share: 0.9 });
    expect(follow([GIB], 10 * GIB, -1)[0]).toMatchObject({ level: 'over', secondsUntilLost: 0 });
  });
});

describe('warnings', () => {
  test('GIVEN the slot keeps more and more and then all is read THEN each level is told once, and the end', () => {
    const hours = 3 * 360;
    const rising = Array.from({ length: hours }, (_, i) => (i * 1.1 * GIB) / hours);
    expect(warnings(follow([...rising, 0, 0, 0], GIB))).toEqual(['half', 'half, soon', 'high', 'over', 'well']);
  });

  test('GIVEN a burst THEN a limit less than an hour away is told before half of the budget is used', () => {
    const burst = Array.from({ length: 30 }, (_, i) => i * 10 * 16 * 2 ** 20);
    expect(warnings(follow(burst, 10 * GIB))).toEqual(['ok, soon']);
  });

  test('GIVEN a slot that moves in jumps while little is kept THEN nothing is told', () => {
    const saw = Array.from({ length: 100 }, (_, i) => (i % 2) * 0.19 * GIB);
    expect(warnings(follow(saw, GIB))).toEqual([]);
  });
});
