import { describe, expect, test } from 'vitest';
import type { Leaf } from '../model/table.ts';
import { leavesFault, parseLeaves, recordLeaves, withSeenLeaf } from './partitions.ts';

const leaf = (oid: number, more: Partial<Leaf> = {}): Leaf => {
  return { oid, schema: 's', name: `p${oid}`, filenode: String(oid), isBorn: true, ...more };
};

describe('what partitions mean for a copy', () => {
  const before = recordLeaves([leaf(1), leaf(2, { filenode: '99' })], null);

  test.each<[string, Leaf[], RegExp | null]>([
    ['nothing has changed', [leaf(1), leaf(2, { filenode: '99' })], null],
    ['one was made as a partition', [leaf(1), leaf(2, { filenode: '99' }), leaf(3)], null],
    [
      'one was made and truncated',
      [leaf(1), leaf(2, { filenode: '99' }), leaf(3, { filenode: '77' })],
      /p3 was attached/,
    ],
    ['one was attached', [leaf(1), leaf(2, { filenode: '99' }), leaf(3, { isBorn: false })], /p3 was attached/],
    ['one was truncated', [leaf(1), leaf(2, { filenode: '100' })], /p2 was truncated or rewritten/],
    ['one was dropped', [leaf(2, { filenode: '99' })], /oid 1.*detached or dropped/],
  ])('GIVEN that %s THEN the table is loaded again if the stream cannot tell it', (_, found, expected) => {
    const fault = leavesFault(before, found);
    if (expected === null) expect(fault).toBeNull();
    else expect(fault).toMatch(expected);
  });

  test('GIVEN one that only the stream has named THEN the table is loaded again once, and its rows may still come', () => {
    const seen = parseLeaves(withSeenLeaf(JSON.stringify(before), 7));
    const found = [leaf(1), leaf(2, { filenode: '99' })];
    expect(leavesFault(seen!, found)).toMatch(/oid 7.*came and went/);
    const after = recordLeaves(found, seen);
    expect(after).toEqual({ files: { 1: '1', 2: '99' }, gone: [7], seen: [] });
    expect(leavesFault(after, found)).toBeNull();
    expect(leavesFault({ ...after, seen: [7] }, found)).toBeNull();
  });

  test('GIVEN one that the stream has named WHEN it is there THEN it is recorded', () => {
    const seen = parseLeaves(withSeenLeaf('', 3));
    expect(leavesFault(seen!, [leaf(3)])).toBeNull();
    expect(recordLeaves([leaf(3)], seen)).toEqual({ files: { 3: '3' }, gone: [], seen: [] });
  });
});
