import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Sample } from '../bench/soak/sampler.ts';
import { judge, robustSlope } from '../bench/soak/verdict.ts';
import { lineChart } from '../bench/support/line-chart.ts';

const CALM: Sample = {
  atSeconds: 0,
  phase: 'steady',
  rssMiB: 120,
  heapMiB: 40,
  handles: 25,
  connections: 2,
  mostParts: 9,
  partsByTable: {},
  storedParts: 500,
  storedFiles: 4000,
  storedMiB: 30,
  rowsPerSecond: 100,
  batchesPerSecond: 5,
  insertsPerSecond: 20,
  lagMiB: 0,
  walMiB: 5,
  spoolMiB: 0,
};

/** Half an hour, in which each second differs from a calm one. */
function halfAnHour(differ: (second: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 1800 }, (_, second) => ({ ...CALM, atSeconds: second, ...differ(second) }));
}

function broken(samples: readonly Sample[], end = { restWalMiB: 1, differences: 0 }): string[] {
  return judge(samples, end).flatMap(({ what, reached }) => (reached ? [] : [what.split(',')[0] ?? what]));
}

describe('the verdict', () => {
  test('GIVEN bounded resources, whatever happened in the warm-up, THEN nothing is broken', () => {
    expect(broken(halfAnHour((s) => ({ rssMiB: s < 400 ? 100 + s / 10 : 140 + (s % 17) })))).toEqual([]);
  });

  test.each([
    {
      why: 'memory that leaks 2 MiB a minute',
      differ: (s: number) => ({ rssMiB: 100 + s / 30 + (s % 9) }),
      what: 'memory after warm-up',
    },
    { why: 'one peak of memory', differ: (s: number) => ({ rssMiB: s === 700 ? 301 : 120 }), what: 'memory' },
    {
      why: 'one second with 300 parts',
      differ: (s: number) => ({ mostParts: s === 9 ? 300 : 9 }),
      what: 'active parts of a partition',
    },
    { why: 'files that grow on', differ: (s: number) => ({ storedFiles: 1000 + s * 10 }), what: 'files on disk' },
    { why: 'handles that leak', differ: (s: number) => ({ handles: 25 + Math.floor(s / 60) }), what: 'handles' },
    { why: 'WAL that piles up', differ: (s: number) => ({ walMiB: s }), what: 'WAL kept by the source' },
  ])('GIVEN $why THEN that is told', ({ differ, what }) => {
    expect(broken(halfAnHour(differ))).toEqual([what]);
  });

  test('GIVEN one difference THEN it is told', () => {
    const end = { restWalMiB: 1, differences: 1 };
    expect(
      broken(
        halfAnHour(() => ({})),
        end,
      ),
    ).toEqual(['differences between source and copy']);
  });
});

test('the slope of a line is found although a quarter of the points lie anywhere', () => {
  const anywhere = fc.array(fc.double({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 50, maxLength: 50 });
  fc.assert(
    fc.property(fc.double({ min: -5, max: 5, noNaN: true }), anywhere, (slope, noise) => {
      const points = Array.from({ length: 200 }, (_, x) => [x, x % 4 === 0 ? noise[x / 4]! : 7 + slope * x] as const);
      expect(Math.abs(robustSlope(points) - slope)).toBeLessThan(0.5 + Math.abs(slope) / 2);
    }),
  );
});

test('a chart names its lines, its unit and its limit, and lies within its paper', () => {
  const value = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4000 }), (values) => {
      const series = [{ name: 'a < "b"', points: values.map((y, x) => [x, y] as const) }];
      const svg = lineChart({ title: 't', unit: 'MiB', series, limit: { name: 'the limit', y: 5 } });
      for (const text of ['a &lt; &quot;b&quot;', 'MiB', 'the limit']) expect(svg).toContain(text);
      const [, points = ''] = /points="([^"]*)"/.exec(svg) ?? [];
      for (const point of points.split(' ')) {
        const [x = Number.NaN, y = Number.NaN] = point.split(',').map(Number);
        expect(x >= 70 && x <= 844 && y >= 72 && y <= 260).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});
