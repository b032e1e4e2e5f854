/** Random transactions as fast-check draws and shrinks them. */
import * as fc from 'fast-check';
import { CONNECTIONS, type Kind, STATEMENTS, type Step, WEIGHTS } from '../../src/chaos/random-sessions.ts';

/** Steps in any order. */
export function arbitrarySteps(least: number, most: number): fc.Arbitrary<Step[]> {
  const kinds = (Object.keys(STATEMENTS) as Kind[]).map((kind) => ({
    arbitrary: fc.constant(kind),
    weight: WEIGHTS[kind] ?? 2,
  }));
  const step = fc.record({
    connection: fc.nat({ max: CONNECTIONS - 1 }),
    kind: fc.oneof(...kinds),
    a: fc.nat({ max: 999 }),
    b: fc.nat({ max: 999 }),
  });
  return fc.array(step, { minLength: least, maxLength: most, size: 'max' });
}
