import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GroupedRows } from './grouped-rows.ts';

interface Sent {
  readonly ids: readonly number[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function opened(): { grouped: GroupedRows; sent: Sent[] } {
  const sent: Sent[] = [];
  const grouped = new GroupedRows(
    async (rows, signal) =>
      await new Promise((resolve, reject) => {
        sent.push({ ids: rows.map(({ id }) => Number(id)), signal, resolve, reject });
      }),
  );
  return { grouped, sent };
}

test('whatever is added when, every row is sent once, in order, and nobody is told before his rows are in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.constant('send'), fc.integer({ min: 1, max: 3 }))), async (steps) => {
      const { grouped, sent } = opened();
      const done = new Set<number>();
      let added = 0;
      let finished = 0;
      for (const step of [...steps, ...steps.map(() => 'send' as const), 'send', 'send'] as const) {
        if (step === 'send') {
          if (sent.length > finished) sent[finished++]?.resolve();
        } else {
          const ids = Array.from({ length: step }, () => ++added);
          void grouped.add(ids.map((id) => ({ id }))).then(() => ids.forEach((id) => done.add(id)));
        }
        await turn();
        expect(sent.length).toBeLessThanOrEqual(finished + 1);
        expect([...done]).toEqual(sent.slice(0, finished).flatMap(({ ids }) => ids));
      }
      expect(done.size).toBe(added);
      expect([...done]).toEqual([...done].toSorted((a, b) => a - b));
    }),
  );
});

test('what fails fails for its group alone', async () => {
  const { grouped, sent } = opened();
  const first = grouped.add([{ id: 1 }]);
  const [told, toldToo] = [expect(first).rejects.toThrow('no'), turn()];
  await toldToo;
  const [second, third] = [grouped.add([{ id: 2 }]), grouped.add([{ id: 3 }])];
  sent[0]?.reject(new Error('no'));
  await told;
  await turn();
  expect(sent[1]?.ids).toEqual([2, 3]);
  sent[1]?.resolve();
  await Promise.all([second, third]);
});

test('a write is given up once all who wait for it have given up', async () => {
  const { grouped, sent } = opened();
  const [one, other] = [new AbortController(), new AbortController()];
  const first = grouped.add([{ id: 1 }], one.signal);
  const second = grouped.add([{ id: 2 }], other.signal);
  await turn();
  const told = expect(first).rejects.toThrow('one');
  one.abort(new Error('one'));
  await told;
  expect(sent[0]?.signal?.aborted).toBe(false);
  const toldToo = expect(second).rejects.toThrow('other');
  other.abort(new Error('other'));
  await toldToo;
  expect(sent[0]?.signal?.aborted).toBe(true);
  sent[0]?.resolve();
});
