import { expect, test } from 'vitest';
import type { Alert, AlertKind, Finding } from './alert.ts';
import { type Look, transitions } from './transitions.ts';

const FOUND: Finding = {
  kind: 'pacing',
  campaign: { id: 7, name: 'Spring' },
  message: 'behind',
  facts: { percent: 50 },
};

function look(changes: Partial<Look> = {}): Look {
  const kinds = new Set<AlertKind>(['pacing', 'zero_delivery']);
  return {
    pipeline: 'p',
    day: '2026-03-18',
    nowMs: 1000,
    findings: [FOUND],
    kinds,
    receivers: ['webhook'],
    ...changes,
  };
}

/** Writes to a store that keeps the newest state by id. */
function after(stored: readonly Alert[], given: Look): Alert[] {
  const byId = new Map(stored.map((alert) => [alert.id, alert]));
  for (const alert of transitions(stored, given)) {
    expect(alert.seq).toBe((byId.get(alert.id)?.seq ?? 0) + 1);
    byId.set(alert.id, alert);
  }
  return [...byId.values()];
}

test('what is found is opened once, however often it is found', () => {
  const stored = after([], look());
  expect(stored).toMatchObject([{ id: 'p:pacing:7:2026-03-18', resolvedAtMs: null, openedAtMs: 1000 }]);
  expect(stored[0]?.deliveries).toMatchObject([{ to: 'webhook', event: 'opened', sent: false }]);
  expect(transitions(stored, look({ nowMs: 2000 }))).toEqual([]);
});

test('what is over is told once; when it comes back on the same day it is open again and not told again', () => {
  const over = after(after([], look()), look({ findings: [], nowMs: 2000 }));
  expect(over).toMatchObject([{ resolvedAtMs: 2000, resolution: 'over' }]);
  expect(over[0]?.deliveries.map(({ event }) => event)).toEqual(['opened', 'resolved']);
  const again = after(over, look({ nowMs: 3000 }));
  expect(again).toMatchObject([{ resolvedAtMs: null, openedAtMs: 1000 }]);
  const overAgain = after(again, look({ findings: [], nowMs: 4000 }));
  expect(overAgain[0]?.deliveries.map(({ event }) => event)).toEqual(['opened', 'resolved']);
});

test('what goes on is an alert of the next day; that of the day before ends in silence', () => {
  const next = after(after([], look()), look({ day: '2026-03-19', nowMs: 2000 }));
  expect(next.map(({ day, resolution }) => [day, resolution])).toEqual([
    ['2026-03-18', 'next_day'],
    ['2026-03-19', ''],
  ]);
  expect(next[0]?.deliveries.map(({ event }) => event)).toEqual(['opened']);
});

test('what was not looked at stays as it is', () => {
  const stored = after([], look());
  expect(transitions(stored, look({ findings: [], kinds: new Set(['stale_data']) }))).toEqual([]);
});

test('campaigns and kinds do not mix', () => {
  const other: Finding = { ...FOUND, campaign: { id: 8, name: 'Autumn' } };
  const third: Finding = { ...FOUND, kind: 'zero_delivery' };
  const stored = after([], look({ findings: [FOUND, other, third] }));
  expect(stored.length).toBe(3);
  const one = after(stored, look({ findings: [other], nowMs: 2000 }));
  expect(one.filter(({ resolvedAtMs }) => resolvedAtMs === null).map(({ campaign }) => campaign?.id)).toEqual([8]);
});

test('a receiver that came later is not told of what it did not see open', () => {
  const stored = after([], look({ receivers: [] }));
  expect(after(stored, look({ findings: [], receivers: ['slack'] }))[0]?.deliveries).toEqual([]);
});
