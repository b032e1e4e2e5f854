/** Tables are what their oids say, and mirrors move to where their tables are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newTableState, type TableState } from '../destination/table-state.ts';
import { identifyTables } from './identify-tables.ts';
import { planMoves } from './place-mirrors.ts';

function state(oid: number, name: string): TableState {
  return newTableState({ oid, schema: 'public', name, target: name });
}

function known(...tables: readonly [number, string][]): Map<string, TableState> {
  return new Map(tables.map(([oid, name]) => [`public.${name}`, state(oid, name)]));
}

function found(...tables: readonly [number, string][]): { oid: number; label: string }[] {
  return tables.map(([oid, name]) => ({ oid, label: `public.${name}` }));
}

function fates(
  states: Map<string, TableState>,
  tables: { oid: number; label: string }[],
  others: readonly (readonly [number, string])[] = [],
): unknown {
  const labels = new Map([
    ...tables.map(({ oid, label }): [number, string] => [oid, label]),
    ...others.map(([oid, label]): [number, string] => [oid, label]),
  ]);
  const { found: all, lost } = identifyTables(tables, states, labels);
  return [
    ...all.map(({ table, state: own, fate }) => `${table.label} ${fate} ${own?.oid ?? '–'}`),
    ...lost.map(({ state: own, label }) => `${own.table} lost ${label ?? '–'}`),
  ];
}

describe('identity', () => {
  test.each([
    ['nothing happened', known([1, 'a']), found([1, 'a']), [], ['public.a same 1']],
    ['a new one', known(), found([1, 'a']), [], ['public.a new –']],
    ['written before oids were', known([0, 'a']), found([1, 'a']), [], ['public.a same 0']],
    ['renamed', known([1, 'a']), found([1, 'b']), [], ['public.b renamed 1']],
    ['dropped', known([1, 'a']), found(), [], ['public.a lost –']],
    ['left out', known([1, 'a']), found(), [[1, 'public.a']], ['public.a lost public.a']],
    ['renamed out of the patterns', known([1, 'a']), found(), [[1, 'far.a']], ['public.a lost far.a']],
    ['made again', known([1, 'a']), found([2, 'a']), [], ['public.a recreated 1']],
    [
      'exchanged',
      known([1, 'a'], [2, 'b']),
      found([2, 'a'], [1, 'b']),
      [],
      ['public.a renamed 2', 'public.b renamed 1'],
    ],
    ['replaced by another', known([1, 'a'], [2, 'b']), found([2, 'a']), [], ['public.a renamed 2']],
    [
      'replaced, and its name used again',
      known([1, 'a'], [2, 'b']),
      found([2, 'a'], [3, 'b']),
      [],
      ['public.a renamed 2', 'public.b new –'],
    ],
  ] as const)('%s', (_what, states, tables, others, expected) => {
    expect(fates(states, [...tables], others)).toEqual(expected);
  });

  test('no state is given to two tables, whatever was renamed, dropped and made', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 });
    fc.assert(
      fc.property(
        names,
        names,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 5, maxLength: 5 }),
        (before, after, oids) => {
          const states = known(...before.map((name, i): [number, string] => [i + 1, name]));
          const own = [...new Set(oids)].slice(0, after.length);
          const tables = own.map((oid, i): [number, string] => [oid, after[i] ?? '']);
          const { found: all, lost } = identifyTables(found(...tables), states, new Map());
          const given = all.map(({ state: one }) => one).filter((one) => one !== null);
          expect(new Set(given).size).toBe(given.length);
          for (const { state: one } of lost) expect(given).not.toContain(one);
          for (const { table, state: one, fate } of all)
            expect(one?.oid === table.oid).toBe(fate === 'same' || fate === 'renamed');
        },
      ),
    );
  });
});

test('after the moves every mirror is where its table is, wherever a process died among them', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  fc.assert(
    fc.property(
      fc.shuffledSubarray(names),
      fc.shuffledSubarray(names),
      fc.integer({ min: 0, max: 6 }),
      (from, to, died) => {
        const holds = new Map(from.map((name, i): [string, number] => [name, i + 1]));
        const wanted = new Map(to.map((name, i): [number, string] => [i + 1, name]));
        const go = (limit: number): void => {
          const mirrors = new Map([...holds].map(([name, oid]) => [name, { oid, build: 0n }]));
          for (const move of planMoves(mirrors, wanted).slice(0, limit)) {
            const moved = holds.get(move.from);
            const other = holds.get(move.to);
            expect(other !== undefined).toBe(move.isExchange);
            if (moved === undefined) throw new Error(`there is no ${move.from}`);
            holds.set(move.to, moved);
            if (other === undefined) holds.delete(move.from);
            else holds.set(move.from, other);
          }
        };
        go(died);
        go(Infinity);
        for (const [oid, name] of wanted) if ([...holds.values()].includes(oid)) expect(holds.get(name)).toBe(oid);
      },
    ),
  );
});
