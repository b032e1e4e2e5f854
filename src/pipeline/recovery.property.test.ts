/** Random histories, a crash at any step, several in a row: what the decisions of recovery.ts make of it is exact. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProtocolModel } from '../../test/support/protocol-model.ts';

const change = fc.record({
  key: fc.integer({ min: 0, max: 5 }),
  bucket: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
});
const history = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 });
const life = fc.record({
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  dieAfter: fc.integer({ min: 0, max: 40 }),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
  lazy: fc.integer({ min: 1, max: 5 }),
});

/** Every combination of plan, what has landed of the batch, and confirmed position that the protocol can leave. */
const LANDED = [
  'nothing',
  'mirror',
  'history',
  'rollup',
  'mirror+history',
  'mirror+rollup',
  'history+rollup',
  'mirror+history+rollup',
];
const SITUATIONS = [
  ...LANDED.flatMap((landed) => [`planned · ${landed} · confirmed`, `planned · ${landed} · confirmed behind`]),
  'no plan · nothing · confirmed',
];

test('GIVEN any history and crashes WHEN the last start goes on THEN nothing is lost and nothing counts twice', () => {
  const met = new Set<string>();
  fc.assert(
    fc.property(history, fc.array(life, { minLength: 1, maxLength: 6 }), (source, lives) => {
      const model = new ProtocolModel(source);
      let committed = 0;
      for (const { share, ...rest } of lives) {
        committed = Math.max(committed, Math.round(share * source.length));
        model.run({ ...rest, committed });
      }
      model.run({ committed: source.length, dieAfter: Infinity, sizes: [3], lazy: 1 });
      for (const situation of model.crashes) met.add(situation);
      expect(model.differences()).toEqual([]);
    }),
    { numRuns: 4_000 },
  );
  expect([...met].toSorted()).toEqual(SITUATIONS.toSorted());
});

test('GIVEN one history WHEN the writer dies at every step, and again at every step of its recovery THEN it is exact', () => {
  const source = [
    [
      { key: 1, bucket: 0 },
      { key: 2, bucket: 1 },
    ],
    [
      { key: 1, bucket: 1 },
      { key: 3, bucket: 2 },
      { key: 2, bucket: null },
      { key: 1, bucket: 3 },
    ],
    [
      { key: 3, bucket: null },
      { key: 2, bucket: 0 },
    ],
    [
      { key: 1, bucket: null },
      { key: 4, bucket: 1 },
      { key: 4, bucket: 2 },
    ],
  ];
  for (let first = 0; first < 45; first++) {
    for (let second = 0; second < 45; second++) {
      const model = new ProtocolModel(source);
      model.run({ committed: 3, dieAfter: first, sizes: [2, 3], lazy: 3 });
      model.run({ committed: 4, dieAfter: second, sizes: [4, 1], lazy: 2 });
      model.run({ committed: 4, dieAfter: Infinity, sizes: [2], lazy: 1 });
      expect({ first, second, wrong: model.differences() }).toEqual({ first, second, wrong: [] });
    }
  }
});
