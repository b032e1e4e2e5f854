import { expect, test } from 'vitest';
import { FAULT_KINDS } from './fault-kinds.ts';
import { planRound, planText } from './plan.ts';

const plans = (seed: number, kinds = FAULT_KINDS) =>
  Array.from({ length: 400 }, (_, i) => planRound(seed, i + 1, kinds));

test('a plan depends on seed and round alone', () => {
  expect(plans(7)).toEqual(plans(7));
  expect(plans(7).map(planText)).not.toEqual(plans(8).map(planText));
});

test('every fault is planned, and only those asked for', () => {
  const planned = new Set(plans(1).flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  expect([...planned].toSorted()).toEqual([...FAULT_KINDS].toSorted());
  const few = plans(1, ['kill', 'clickhouse-cut']).flatMap(({ faults }) => faults.map(({ kind }) => kind));
  expect([...new Set(few)].toSorted()).toEqual(['clickhouse-cut', 'kill']);
});

test('some rounds have two faults, some of those during the recovery from the first, and the first round loads', () => {
  expect(plans(1).filter(({ faults }) => faults.length === 2).length).toBeGreaterThan(50);
  expect(plans(1).filter(({ faults }) => faults[1]?.follows === true).length).toBeGreaterThan(25);
  expect(plans(1)[0]?.isFresh).toBe(true);
});
