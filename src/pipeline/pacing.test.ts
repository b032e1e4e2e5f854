import { describe, expect, test } from 'vitest';
import { flushDelayMs, type PacingInput } from './pacing.ts';

const IDLE: PacingInput = {
  sinceLastFlushMs: 1000,
  lastApplyMs: 15,
  lastChanges: 1,
  openChanges: 1,
  activeParts: 5,
  minIntervalMs: 10,
};

describe('flushDelayMs', () => {
  test.each<{ given: Partial<PacingInput>; delayMs: number; why: string }>([
    { given: {}, delayMs: -990, why: 'one change after a pause: at once' },
    { given: { sinceLastFlushMs: 4 }, delayMs: 6, why: 'the least interval between two batches' },
    {
      given: { sinceLastFlushMs: 15, lastChanges: 20 },
      delayMs: 15,
      why: 'steady traffic: twice what the last batch took',
    },
    {
      given: { sinceLastFlushMs: 0, lastChanges: 20, lastApplyMs: 900 },
      delayMs: 250,
      why: 'but never more than a quarter of a second',
    },
    { given: { sinceLastFlushMs: 50, openChanges: 5000 }, delayMs: 150, why: 'a backlog: larger batches' },
    { given: { sinceLastFlushMs: 0, activeParts: 240 }, delayMs: 2000, why: 'parts at their limit: merges come first' },
  ])('$given → $delayMs ms: $why', ({ given, delayMs }) => {
    expect(flushDelayMs({ ...IDLE, ...given })).toBe(delayMs);
  });

  test('rises with the parts', () => {
    const delays = [0, 60, 100, 150, 200, 240, 400].map((activeParts) =>
      flushDelayMs({ ...IDLE, sinceLastFlushMs: 0, activeParts }),
    );
    expect(delays).toEqual(delays.toSorted((a, b) => a - b));
  });
});
