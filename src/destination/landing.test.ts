/** How attempts follow one another. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppError } from '../model/errors.ts';
import { retryDelayMs, untilDone } from './landing.ts';

test('waits rise from 50 ms to 5 s and stay there, however long it lasts', () => {
  expect(retryDelayMs(1)).toBe(50);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (attempt) => {
      expect(retryDelayMs(attempt + 1)).toBeGreaterThanOrEqual(retryDelayMs(attempt));
      expect(retryDelayMs(attempt)).toBeLessThanOrEqual(5_000);
    }),
  );
  expect(retryDelayMs(8)).toBe(5_000);
});

test('what may pass is tried again with those waits, what may not is thrown as it is', async () => {
  const waits: number[] = [];
  const patience = {
    signal: new AbortController().signal,
    onRetry: (_: unknown, attempt: number, delayMs: number) => void waits.push(attempt, delayMs),
  };
  const outcomes = [
    new AppError('CLICKHOUSE_UNREACHABLE', 'gone'),
    new AppError('CLICKHOUSE_FAILED', 'full', { details: { clickhouseCode: '243' } }),
    new AppError('CLICKHOUSE_FAILED', 'no such table', { details: { clickhouseCode: '60' } }),
  ];
  const running = untilDone(() => Promise.reject(outcomes.shift() ?? new Error('once too often')), patience);
  await expect(running).rejects.toThrow('no such table');
  expect(waits).toEqual([1, 50, 2, 100]);
  expect(outcomes).toEqual([]);
});
