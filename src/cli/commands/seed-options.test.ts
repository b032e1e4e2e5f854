import { expect, test } from 'vitest';
import { parseDuration, parseNumber, parseTime, seedOrNew } from './seed-options.ts';

test.each([
  ['60s', 60_000],
  ['500ms', 500],
  ['5m', 300_000],
  ['2min', 120_000],
  ['1h', 3_600_000],
  ['1.5s', 1500],
  ['30', 30_000],
])('GIVEN %s WHEN read as a duration THEN it is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', 'soon', '-5s', '0s', '5d', '5 s', '1e3s', '9999h'])(
  'GIVEN “%s” WHEN read as a duration THEN it is refused',
  (text) => {
    expect(() => parseDuration(text)).toThrow(/duration/);
  },
);

test.each(['', ' ', 'x', '1e5', '0x10', '1,000', 'Infinity', '--5', '1.'])(
  'GIVEN “%s” WHEN read as a number THEN it is refused',
  (text) => {
    expect(() => parseNumber(text)).toThrow(/number/);
  },
);

test('GIVEN numbers WHEN read THEN they are as written', () => {
  expect(['0', '-1', '0.08', '+3'].map((text) => parseNumber(text))).toEqual([0, -1, 0.08, 3]);
});

test('GIVEN times WHEN read THEN a zone is needed, and a date alone is UTC', () => {
  expect(parseTime('2026-03-01').toISOString()).toBe('2026-03-01T00:00:00.000Z');
  expect(parseTime('2026-03-01T12:00+02:00').toISOString()).toBe('2026-03-01T10:00:00.000Z');
  for (const text of ['2026-03-01T12:00:00', '2026-13-01', 'today', '1', '']) {
    expect(() => parseTime(text)).toThrow(/time/);
  }
});

test('GIVEN a seed WHEN asked THEN it is kept, also 0; without one there is one', () => {
  expect(seedOrNew(0)).toBe(0);
  expect(seedOrNew(undefined)).toBeGreaterThanOrEqual(0);
});
