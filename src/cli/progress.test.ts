import { describe, expect, test } from 'vitest';
import { barLine, duration, Progress } from './progress.ts';

const CLICKS = { name: 'public.clicks', rows: 1500, rowsExpected: 3000, done: false };

/** A stream that keeps what is written, and a clock that only a test moves. */
function stage(isTTY: boolean, silent = false) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const stream = { isTTY, columns: 100, write: (text: string) => written.push(text) };
  return { written, clock, progress: new Progress({ stream, silent, now: () => clock.ms }) };
}

describe('barLine', () => {
  test('shows share, rows, rate and time left', () => {
    expect(barLine(CLICKS, 3, 13)).toBe('public.clicks ████████████░░░░░░░░░░░░  50 % 1,500 rows, 500/s, 3 s left');
  });

  test('GIVEN more rows than expected THEN it stays below 100 % until done', () => {
    expect(barLine({ ...CLICKS, rows: 9000 }, 3, 0)).toContain(' 99 %');
    expect(barLine({ ...CLICKS, rows: 9000, done: true }, 3, 0)).toContain('100 %');
  });

  test('GIVEN nothing is known yet THEN nothing is promised', () => {
    expect(barLine({ ...CLICKS, rows: 0, rowsExpected: 0 }, 0, 0)).toMatch(/ {2}0 % 0 rows, 0\/s$/);
  });
});

describe('Progress', () => {
  test('off a terminal: a line now and then, each finished table once', () => {
    const { written, clock, progress } = stage(false);
    progress.update([CLICKS]);
    clock.ms = 1000;
    progress.update([{ ...CLICKS, rows: 1600 }]);
    progress.update([{ ...CLICKS, rows: 3000, done: true }]);
    progress.update([{ ...CLICKS, rows: 3000, done: true }]);
    expect(written.join('')).toBe('public.clicks: 1,500 rows\npublic.clicks: 3,000 rows, loaded\n');
  });

  test('on a terminal: redraws in place, at a bounded rate', () => {
    const { written, clock, progress } = stage(true);
    progress.update([CLICKS], 'lag 0 s');
    progress.update([CLICKS], 'lag 1 s');
    expect(written).toHaveLength(1);
    clock.ms = 1000;
    progress.update([CLICKS], 'lag 2 s');
    expect(written[1]).toBe('\u001B[2A\u001B[0J');
    progress[Symbol.dispose]();
    expect(written.at(-1)).toBe('\u001B[2A\u001B[0J');
  });

  test('silent: nothing', () => {
    const { written, progress } = stage(true, true);
    progress.update([CLICKS]);
    progress.print('done');
    expect(written).toEqual([]);
  });
});

test.each([
  { seconds: 0.4, text: '0 s' },
  { seconds: 200, text: '3 min 20 s' },
  { seconds: 7500, text: '2 h 5 min' },
])('$seconds s are $text', ({ seconds, text }) => {
  expect(duration(seconds)).toBe(text);
});
