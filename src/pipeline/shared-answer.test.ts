import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { SharedAnswer } from './shared-answer.ts';

test('an answer was sought after it was asked for, once for all who ask meanwhile', async () => {
  const seeking: { resolve: (n: number) => void; reject: (error: Error) => void }[] = [];
  const shared = new SharedAnswer(
    async () => await new Promise<number>((resolve, reject) => seeking.push({ resolve, reject })),
  );
  const first = [shared.ask(), shared.ask()];
  await turn();
  const second = [shared.ask(), shared.ask()];
  await turn();
  expect(seeking).toHaveLength(1);
  seeking[0]?.resolve(1);
  expect(await Promise.all(first)).toEqual([1, 1]);
  await turn();
  expect(seeking).toHaveLength(2);
  const told = Promise.all(second.map(async (answer) => await expect(answer).rejects.toThrow('lost')));
  seeking[1]?.reject(new Error('lost'));
  await told;
  const third = shared.ask();
  await turn();
  seeking[2]?.resolve(3);
  expect(await third).toBe(3);
});
