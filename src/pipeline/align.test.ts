/** Alignment against a model of a table that knows its attnums: whatever happens to it, no value goes to a wrong column. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ShapeColumn, TableShape } from '../model/shape.ts';
import type { RelationMessage } from '../source/changes.ts';
import { align, isAsSeen } from './align.ts';

const [INT, BIGINT, TEXT, VARCHAR] = [23, 20, 25, 1043];

interface Moment {
  readonly columns: readonly ShapeColumn[];
  readonly file: number;
  /** Generated columns that can be published are. */
  readonly isPublished: boolean;
}

type Change =
  | { kind: 'add'; name: string; typeOid: number }
  | { kind: 'drop'; at: number }
  | { kind: 'ungenerate'; at: number }
  | { kind: 'rename'; at: number; name: string }
  | { kind: 'retype'; at: number; typeOid: number }
  | { kind: 'publish' }
  | { kind: 'rewrite' };

const name = fc.constantFrom('a', 'b', 'c', 'd');
const typeOid = fc.constantFrom(INT, BIGINT, TEXT, VARCHAR);
const at = fc.nat(5);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), name, typeOid }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drop' as const), at }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ungenerate' as const), at }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('rename' as const), at, name }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('retype' as const), at, typeOid }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'publish' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rewrite' as const }) },
);

function column(attnum: number, given: Partial<ShapeColumn>): ShapeColumn {
  return { attnum, name: `k${attnum}`, typeOid: INT, typeMod: -1, xmin: '1', kind: 'there', missing: null, ...given };
}

/** What a change makes of the table; the same when PostgreSQL would refuse it. */
function next(moment: Moment, wanted: Change, xid: number): Moment {
  const { columns, file } = moment;
  const { isPublished } = moment;
  const xmin = String(xid);
  if (wanted.kind === 'rewrite') return { columns, file: xid, isPublished };
  if (wanted.kind === 'publish') return { columns, file, isPublished: !isPublished };
  const isTaken = 'name' in wanted && columns.some((c) => c.kind !== 'dropped' && c.name === wanted.name);
  if (isTaken) return moment;
  if (wanted.kind === 'add') {
    const { name: added, typeOid: type } = wanted;
    return {
      columns: [...columns, column(columns.length + 1, { name: added, typeOid: type, xmin })],
      file,
      isPublished,
    };
  }
  const found = columns[1 + (wanted.at % Math.max(1, columns.length - 1))];
  if (found === undefined || found.kind === 'dropped') return moment;
  const put = (given: Partial<ShapeColumn>): readonly ShapeColumn[] =>
    columns.map((c) => (c === found ? { ...c, ...given, xmin } : c));
  if (wanted.kind === 'drop') return { columns: put({ kind: 'dropped', name: '', typeOid: 0 }), file, isPublished };
  if (wanted.kind === 'ungenerate') return { columns: put({ kind: 'there' }), file, isPublished };
  if (wanted.kind === 'rename') return { columns: put({ name: wanted.name }), file, isPublished };
  if (wanted.kind !== 'retype') return moment;
  const isStoredAlike = found.typeOid > BIGINT + 3 && wanted.typeOid > BIGINT + 3;
  return { columns: put({ typeOid: wanted.typeOid }), file: isStoredAlike ? file : xid, isPublished };
}

const first: Moment = {
  file: 1,
  isPublished: false,
  columns: [
    column(1, { name: 'id' }),
    column(2, { name: 'a' }),
    column(3, { name: 'b', typeOid: TEXT }),
    column(4, { name: 'c', kind: 'generated' }),
    column(5, { name: 'e', kind: 'publishable' }),
  ],
};

function history(changes: readonly Change[]): Moment[] {
  const moments = [first];
  for (const [i, wanted] of changes.entries()) moments.push(next(moments.at(-1) ?? first, wanted, i + 2));
  return moments;
}

function look({ columns, file }: Moment): TableShape {
  return { lsn: 0n, snapshot: '1:1:', files: { 7: String(file) }, columns };
}

function isIn({ isPublished }: Moment): (column: ShapeColumn) => boolean {
  return ({ kind }) => kind === 'there' || (isPublished && kind === 'publishable');
}

function relationOf(at: Moment): { relation: RelationMessage; attnums: number[] } {
  const there = at.columns.filter(isIn(at));
  const relation: RelationMessage = {
    oid: 7,
    schema: 'public',
    name: 't',
    replicaIdentity: 'd',
    columns: there.map((c) => ({ name: c.name, typeOid: c.typeOid, typeMod: c.typeMod, isKey: c.attnum === 1 })),
  };
  return { relation, attnums: there.map(({ attnum }) => attnum) };
}

const copiedOf = (at: Moment): { attnum: number; typeOid: number }[] =>
  at.columns.filter(isIn(at)).map(({ attnum, typeOid: oid }) => ({ attnum, typeOid: oid }));

const NONE: ReadonlySet<number> = new Set();
const moment = (moments: readonly Moment[], i: number): Moment => moments[i] ?? first;

test('GIVEN any history of a table WHEN a relation of it is aligned THEN no column of the tuple goes to a wrong one', () => {
  let certain = 0;
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 9 }),
      fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
      (changes, places) => {
        const moments = history(changes);
        const [from = 0, here = 0, to = 0, now = 0] = places.map((i) => i % moments.length).toSorted((a, b) => a - b);
        const { relation, attnums } = relationOf(moment(moments, here));
        const copied = copiedOf(moment(moments, now));
        const facts = {
          before: look(moment(moments, from)),
          after: look(moment(moments, to)),
          copied,
          unpublished: NONE,
        };
        const reading = align(relation, facts);
        if (reading === null) return;
        if (reading.lost.length === 0) certain++;
        const truth = attnums.map((attnum) => copied.findIndex((c) => c.attnum === attnum));
        for (const [i, target] of reading.targets.entries()) {
          const isUncertain = target === -1 && reading.lost.includes(truth[i] ?? -2);
          if (!isUncertain) expect(target).toBe(truth[i]);
        }
        // A column that is not in the tuple and had a value all the same may not pass for one that was added later.
        for (const i of reading.missing) {
          expect(truth).not.toContain(i);
          expect(moment(moments, here).columns[(copied[i]?.attnum ?? 0) - 1]).toBeUndefined();
        }
        const told = new Set([...reading.targets.filter((t) => t >= 0), ...reading.missing, ...reading.lost]);
        expect(told.size).toBe(copied.length);
      },
    ),
    { numRuns: 10_000 },
  );
  expect(certain).toBeGreaterThan(1000);
});

describe('GIVEN two looks WHEN one thing has happened in between THEN it is certain', () => {
  test.each<[string, Change[]]>([
    ['added', [{ kind: 'add', name: 'd', typeOid: INT }]],
    ['dropped', [{ kind: 'drop', at: 0 }]],
    ['renamed', [{ kind: 'rename', at: 0, name: 'z' }]],
    [
      'renamed, and another added under its name',
      [
        { kind: 'rename', at: 0, name: 'z' },
        { kind: 'add', name: 'a', typeOid: INT },
      ],
    ],
    [
      'swapped',
      [
        { kind: 'rename', at: 0, name: 'z' },
        { kind: 'rename', at: 1, name: 'a' },
        { kind: 'rename', at: 0, name: 'b' },
      ],
    ],
    [
      'replaced by one of another type',
      [
        { kind: 'drop', at: 0 },
        { kind: 'add', name: 'a', typeOid: TEXT },
      ],
    ],
  ])('%s', (_, changes) => {
    const moments = history(changes);
    const now = moment(moments, moments.length - 1);
    for (const here of moments) {
      const { relation, attnums } = relationOf(here);
      const reading = align(relation, {
        before: look(first),
        after: look(now),
        copied: copiedOf(now),
        unpublished: NONE,
      });
      expect(reading?.lost).toEqual([]);
      expect(reading?.targets).toEqual(attnums.map((attnum) => copiedOf(now).findIndex((c) => c.attnum === attnum)));
    }
  });
});

test('GIVEN a column replaced by one of the same name and type WHEN a tuple has one of that name THEN which one is not guessed', () => {
  const changes: Change[] = [
    { kind: 'drop', at: 1 },
    { kind: 'add', name: 'b', typeOid: TEXT },
  ];
  const now = moment(history(changes), 2);
  const facts = { before: look(first), after: look(now), copied: copiedOf(now), unpublished: NONE };
  const reading = align(relationOf(first).relation, facts);
  expect(reading).toEqual({ targets: [0, 1, -1], missing: [], lost: [2] });
});

test('GIVEN a publication that somebody has cut WHEN a relation lacks a column that is there THEN it is not read', () => {
  const { relation } = relationOf(first);
  const cut = { ...relation, columns: relation.columns.slice(0, 2) };
  const facts = { before: look(first), after: look(first), copied: copiedOf(first), unpublished: NONE };
  expect(align(cut, facts)).toBeNull();
  expect(align(relation, facts)).toEqual({ targets: [0, 1, 2], missing: [], lost: [] });
  expect(isAsSeen(relation, look(first), new Set([1, 2, 3]))).toBe(true);
  expect(isAsSeen(cut, look(first), new Set([1, 2, 3]))).toBe(false);
});
