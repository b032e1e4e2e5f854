import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { civilFromDays, daysFromCivil, formatDate, formatTimestamp } from './civil.ts';

const DAY_MS = 86_400_000;

describe('the calendar', () => {
  it('agrees with JavaScript’s for every day it can hold', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000_000, max: 100_000_000 }), (days) => {
        const date = new Date(days * DAY_MS);
        const civil = civilFromDays(days);
        expect(civil).toEqual({ year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() });
        expect(daysFromCivil(civil.year, civil.month, civil.day)).toBe(days);
      }),
      { numRuns: 2000 },
    );
  });

  it('writes dates and times as PostgreSQL does', () => {
    expect(formatDate(-719163)).toBe('0001-12-31 BC');
    expect(formatTimestamp(-1n, '')).toBe('1969-12-31 23:59:59.999999');
    expect(formatTimestamp(1_500_000n, '+00')).toBe('1970-01-01 00:00:01.5+00');
  });
});
