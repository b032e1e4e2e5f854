import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SourceColumn } from '../model/table.ts';
import type { RowTransform } from '../model/table-rule.ts';
import { codecFor } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import type { ColumnBuffer } from './column.ts';
import { RowIntake, rowPlan } from './row-intake.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const TRANSFORM: RowTransform = {
  reads: { d: 'text', a: 'text', b: 'text' },
  sets: ['b', 'c'],
  apply: ({ a, b, d }) => ({ b: `${a as string}+${b as string}`, c: d === null ? null : `<${d as string}>` }),
  source: '',
};
const SOURCE: readonly SourceColumn[] = NAMES.map((name, i) => ({
  name,
  attnum: i + 1,
  typeOid: 25,
  typeMod: -1,
  typeName: 'text',
  nullable: true,
  ...(TRANSFORM.sets.includes(name) ? { choice: { mask: { kind: 'row', source: '' } } } : {}),
}));

function open(transform: RowTransform | null = TRANSFORM): { columns: ColumnBuffer[]; intake: RowIntake } {
  const columns = SOURCE.map((column) => codecFor(column).open(FAIL_UNFIT));
  return { columns, intake: new RowIntake(rowPlan('public.t', SOURCE, transform), columns) };
}

const valuesOf = (columns: readonly ColumnBuffer[]): unknown[][] =>
  Array.from({ length: columns[0]?.length ?? 0 }, (_, row) => columns.map((column) => column.value(row)));

type Value = string | null;
const FILLER = Symbol('filler');

function append(intake: RowIntake, i: number, value: Value | typeof FILLER): void {
  const sink = intake.sinks[i]!;
  if (value === FILLER) sink.appendFiller();
  else if (value === null) sink.appendNull();
  else sink.appendText(Buffer.from(value), 0, Buffer.byteLength(value));
}

/** What the columns should hold: of a row that is not told whole, fillers in what is made. */
function made([a, b, , d]: readonly (Value | typeof FILLER)[]): unknown[] {
  const shown = (value: Value | typeof FILLER | undefined): unknown => (value === FILLER ? '' : value);
  const isWhole = [a, b, d].every((value) => value !== FILLER);
  if (!isWhole) return [shown(a), '', '', shown(d)];
  return [a, `${a as string}+${b as string}`, d === null ? null : `<${d as string}>`, d];
}

const value = fc.option(fc.string({ unit: 'grapheme' }));
const cell = fc.oneof({ arbitrary: value, weight: 5 }, { arbitrary: fc.constant(FILLER), weight: 1 });
const cells = fc.tuple(cell, cell, cell, cell);

test('rows in any order of their columns, taken back in the middle or not told whole: each is what the function makes of its own', () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
  fc.assert(
    fc.property(
      fc.array(fc.record({ row: cells, order, broken: fc.option(cells), breaks: fc.nat({ max: 3 }) })),
      (steps) => {
        const { columns, intake } = open();
        for (const [at, { row, order, broken, breaks }] of steps.entries()) {
          // A row that ends in the middle, as one whose last bytes have not come.
          for (const i of order.slice(0, broken === null ? 0 : breaks)) append(intake, i, broken![i]!);
          for (const sink of intake.sinks) sink.truncate(at);
          for (const i of order) append(intake, i, row[i]!);
        }
        const nullOf = (row: readonly unknown[]): unknown[] => row.map((cell) => cell ?? null);
        const found = valuesOf(columns);
        for (const [at, { row }] of steps.entries()) {
          const wanted = nullOf(made(row));
          // What a filler holds is nobody's business.
          const isTold = wanted.map((_, i) => (i === 1 || i === 2 ? wanted[1] !== '' : row[i] !== FILLER));
          expect(found[at]?.filter((_, i) => isTold[i])).toEqual(wanted.filter((_, i) => isTold[i]));
        }
        expect(columns.map(({ length }) => length)).toEqual(columns.map(() => steps.length));
      },
    ),
  );
});

test('values of an old row that a new one left out are given to the function as they came, not as it made them', () => {
  const [old, now] = [open(), open()];
  for (const [i, text] of ['a', 'b', 'c', 'd'].entries()) append(old.intake, i, text);
  append(now.intake, 0, 'new');
  for (const i of [1, 2, 3]) now.intake.take(i, old.intake);
  expect(valuesOf(now.columns)).toEqual([['new', 'new+b', '<d>', 'd']]);
  // Of the next old row nothing is told.
  old.intake.forget();
  append(now.intake, 0, 'next');
  for (const i of [1, 2, 3]) now.intake.take(i, old.intake);
  expect([1, 2].map((i) => now.columns[i]?.isNull(1))).toEqual([true, true]);
});

test('without a function rows go to the columns themselves', () => {
  const { columns, intake } = open(null);
  expect(intake.sinks).toBe(columns);
  expect([intake.madeFrom(0), intake.isMade(1)]).toEqual([[], false]);
});

test('what is made of a column, and what is made', () => {
  const { intake } = open();
  expect([0, 1, 2, 3].map((i) => intake.madeFrom(i))).toEqual([[1, 2], [1, 2], [], [1, 2]]);
  expect([0, 1, 2, 3].map((i) => intake.isMade(i))).toEqual([false, true, true, false]);
});

test.each([{ as: 'text' }, { mask: { kind: 'hash', salt: 's' } }] as const)(
  'a number whose column is text by a rule (%o) is read as the number that it is',
  (choice) => {
    const source = [
      { name: 'n', attnum: 1, typeOid: 23, typeMod: -1, typeName: 'integer', nullable: true, readAs: 'number', choice },
      { ...SOURCE[1]!, attnum: 2 },
    ] as const;
    const transform: RowTransform = {
      reads: { n: 'number' },
      sets: ['b'],
      apply: ({ n }) => ({ b: `${typeof n} ${n as number}` }),
      source: '',
    };
    const columns = source.map((column) => codecFor(column).open(FAIL_UNFIT));
    const { sinks } = new RowIntake(rowPlan('public.t', source, transform), columns);
    // COPY in binary form brings such a column as text.
    expect(codecFor(source[0]).binary).toBe(false);
    sinks[0]!.appendBinary(Buffer.from('1234567'), 0, 7);
    sinks[1]!.appendNull();
    expect(columns[1]!.value(0)).toBe('number 1234567');
  },
);
