import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAY_US, evenTimes, HOUR_US, rhythmicTimes, rhythmOf, windowBefore } from './event-times.ts';
import { randomStreams } from './random.ts';

const NOW = new Date('2026-03-04T10:30:15.123Z');

test('GIVEN any window WHEN times are drawn THEN they are whole µs within it', () => {
  const bounds = fc.tuple(fc.integer({ min: 0, max: 4e15 }), fc.integer({ min: 1, max: 60 * DAY_US }));
  fc.assert(
    fc.property(bounds, fc.nat(1000), ([from, length], seed) => {
      const window = { from, to: from + length };
      const random = randomStreams(seed)();
      for (const times of [evenTimes(window), rhythmicTimes(window)]) {
        const micros = times.draw(random);
        expect(Number.isInteger(micros)).toBe(true);
        expect(micros).toBeGreaterThanOrEqual(window.from);
        expect(micros).toBeLessThan(window.to);
      }
    }),
    { numRuns: 50 },
  );
});

test('GIVEN a time WHEN going back 7 days THEN the window ends at that time', () => {
  const window = windowBefore(NOW, 7);
  expect(window.to).toBe(NOW.getTime() * 1000);
  expect(window.to - window.from).toBe(7 * DAY_US);
});

function at(text: string): number {
  return rhythmOf(Date.parse(text) * 1000);
}

test('GIVEN the rhythm WHEN comparing hours THEN evenings and weekends are busier than nights and weekdays', () => {
  expect(at('2026-03-04T20:00:00Z')).toBeGreaterThan(5 * at('2026-03-04T03:00:00Z'));
  // 2026-03-07 was a Saturday, the 3rd a Tuesday.
  expect(at('2026-03-07T12:00:00Z')).toBeGreaterThan(at('2026-03-03T12:00:00Z'));
});

test('GIVEN two weeks WHEN 50 000 rhythmic times are drawn THEN hour 20 has over five times those of hour 3', () => {
  const times = rhythmicTimes(windowBefore(NOW, 14));
  const random = randomStreams(9)();
  const counts = Array.from({ length: 24 }, () => 0);
  for (let draws = 0; draws < 50_000; draws++) {
    const hour = Math.floor(times.draw(random) / HOUR_US) % 24;
    counts[hour] = (counts[hour] as number) + 1;
  }
  expect(counts[20]).toBeGreaterThan(5 * (counts[3] as number));
});
