import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeControl, encodeControl, parseSnapshot } from './control.ts';

test('a message survives its way', () => {
  const message = { kind: 'snapshot', id: 'a', snapshot: '5:9:6,7' } as const;
  expect(decodeControl(Buffer.from(encodeControl(message)))).toEqual(message);
  for (const month of [null, 'none', '202603', '190012']) {
    const rebuild = { kind: 'rebuild', id: 'a', month } as const;
    expect(decodeControl(Buffer.from(encodeControl(rebuild)))).toEqual(rebuild);
  }
});

test.each([
  '',
  'hello',
  '1',
  'null',
  '{}',
  '{"kind":"hold"}',
  '{"kind":"hold","id":"a"}',
  '{"kind":"snapshot","id":"a"}',
  '{"kind":"drop","id":"a"}',
  '{"kind":"rebuild","id":"a"}',
  '{"kind":"rebuild","id":"a","month":"202613"}',
  '{"kind":"rebuild","id":"a","month":"2026-03"}',
])('%j is not a message of ours', (content) => {
  expect(decodeControl(Buffer.from(content))).toBeNull();
});

test('a snapshot sees what had ended before it, and nothing that ran', () => {
  const snapshot = parseSnapshot('750:760:752,758');
  expect([3, 749, 750, 751, 753, 759].map((xid) => snapshot.sees(xid))).toEqual(Array(6).fill(true));
  expect([752, 758, 760, 761, 800].map((xid) => snapshot.sees(xid))).toEqual(Array(5).fill(false));
});

test('ids are compared on the circle, whatever their epoch', () => {
  const whole = fc.bigInt({ min: 1n << 31n, max: 1n << 40n });
  fc.assert(
    fc.property(whole, fc.bigInt({ min: -100_000n, max: 100_000n }), (xmax, distance) => {
      const snapshot = parseSnapshot(`${xmax}:${xmax}:`);
      expect(snapshot.sees(Number((xmax + distance) & 0xffff_ffffn))).toBe(distance < 0n);
    }),
  );
});

test.each(['', '1', '1:2', 'a:b:', '1:2:3,', '-1:2:'])('%j is no snapshot', (text) => {
  expect(() => parseSnapshot(text)).toThrow(/is not a snapshot/);
});
