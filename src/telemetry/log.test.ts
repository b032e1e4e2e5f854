import { describe, expect, test } from 'vitest';
import { AppError } from '../model/errors.ts';
import { openLog } from './log.ts';

function capture(isTTY: boolean) {
  const lines: string[] = [];
  const stream = { isTTY, write: (line: string) => lines.push(line) };
  return { lines, log: openLog({ level: 'info', stream }) };
}

describe('openLog', () => {
  test('off a terminal: one JSON object per line, levels by name', () => {
    const { lines, log } = capture(false);
    log.child({ table: 'public.clicks' }).info({ rows: 7 }, 'chunk loaded');
    log.debug('not shown');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { level: 'info', time: expect.any(String) as string, table: 'public.clicks', rows: 7, msg: 'chunk loaded' },
    ]);
  });

  test('on a terminal: a readable line', () => {
    const { lines, log } = capture(true);
    log.warn({ rows: 7, table: 'public.clicks' }, 'slow');
    expect(lines.join('')).toMatch(/^\d\d:\d\d:\d\d\.\d{3} .*warn.* slow rows=7 table=public\.clicks\n$/);
  });

  test('secrets are replaced, also one level down', () => {
    const { lines, log } = capture(false);
    log.info({ url: 'http://me:hunter2@host', config: { postgresUrl: 'postgres://me:hunter2@host' } }, 'starting');
    expect(lines.join('')).not.toContain('hunter2');
  });

  test('an error is told with its causes, without the row that a driver quotes', () => {
    const { lines, log } = capture(false);
    const cause = Object.assign(new Error('duplicate key'), { detail: 'Key (email)=(ann@example.com) exists' });
    log.error({ err: new AppError('POSTGRES_FAILED', 'cannot insert', { cause }) }, 'seed failed');
    expect(JSON.parse(lines.join(''))).toMatchObject({
      err: { code: 'POSTGRES_FAILED', cause: { message: 'duplicate key' } },
    });
    expect(lines.join('')).not.toContain('ann@example.com');
  });
});
