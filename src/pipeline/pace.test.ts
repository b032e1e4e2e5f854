import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import type { Parts } from '../destination/parts.ts';
import { Pace } from './pace.ts';

/** A partition whose parts only the test merges, and a pace that watches it. */
function paced(countParts: (parts: number) => Promise<Parts>) {
  const state = { parts: 0, inserts: 0, told: [] as boolean[] };
  const pace = new Pace({
    minIntervalMs: 0,
    countParts: () => countParts(state.parts),
    inserts: () => state.inserts,
    onError: () => undefined,
    onFull: (isFull) => state.told.push(isFull),
  });
  const insert = (): void => {
    state.inserts++;
    state.parts++;
  };
  return { pace, state, insert };
}

const counted = async (parts: number): Promise<Parts> => ({ table: 'ads.clicks', parts });

describe('the pace', () => {
  test('GIVEN nothing is merged WHEN every insert is made that there is room for THEN no partition has 300 parts', async () => {
    const { pace, state, insert } = paced(counted);
    for (let i = 0; i < 1000; i++) {
      if (!pace.isFull) insert();
      await sleep(0);
    }
    expect(state.parts).toBeGreaterThanOrEqual(240);
    expect(state.parts).toBeLessThan(300);
    await waitFor(() => pace.waitingFor === 'merges of ClickHouse: ads.clicks has 240 parts', { what: 'the reason' });
  });

  test('GIVEN it is full WHEN ClickHouse has merged THEN there is room, and both were told once', async () => {
    const { pace, state } = paced(counted);
    state.parts = 250;
    await waitFor(() => pace.isFull, { what: 'it to be full' });
    state.parts = 12;
    await pace.room(AbortSignal.timeout(10_000));
    expect({ told: state.told, waitingFor: pace.waitingFor }).toEqual({ told: [true, false], waitingFor: '' });
  });

  test('GIVEN a server that does not let us count WHEN thousands of inserts are made THEN they need not wait for ever', async () => {
    const { pace, insert } = paced(() => Promise.reject(new Error('not allowed')));
    for (let i = 0; i < 2000; i++) {
      insert();
      await pace.room(AbortSignal.timeout(10_000));
    }
    expect(pace.parts.parts).toBe(0);
  });

  test('however counts and inserts take turns, it never believes in fewer parts than there are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 400 }), async (steps) => {
        const { pace, state, insert } = paced(counted);
        for (const isInsert of steps) {
          if (isInsert && !pace.isFull) insert();
          else await Promise.resolve();
          expect(state.parts).toBeLessThanOrEqual(240);
        }
      }),
    );
  });
});
