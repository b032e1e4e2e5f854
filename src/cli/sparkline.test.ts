import { expect, test } from 'vitest';
import { column } from '../kpi/definition.ts';
import { seriesLines, sparkline } from './sparkline.ts';

test('heights are from zero to the greatest; gaps are dots; the end of a long series is drawn', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 80)).toBe('▁▂▃▄▅▆▇██');
  expect(sparkline([100, 100], 80)).toBe('██');
  expect(sparkline([null, 0, 0], 80)).toBe('·▁▁');
  expect(sparkline([-4, 0, 4], 80)).toBe('▁▅█');
  expect(sparkline([9, 9, 0, 9], 2)).toBe('▁█');
});

const COLUMNS = [
  column('day', 'Day', 'day'),
  column('campaign', 'Campaign', 'text'),
  column('clicks', 'Clicks', 'count'),
];
const rowsOf = (campaign: string) => [1, 2, 4].map((clicks, i) => ({ day: `2026-03-0${i + 1}`, campaign, clicks }));

test('one line per figure of one series, one per owner of several; none for what is no series', () => {
  expect(seriesLines(COLUMNS, rowsOf('(all)'), 80)).toBe('Clicks  ▃▅█\n');
  expect(seriesLines(COLUMNS, [...rowsOf('a'), ...rowsOf('b')], 80)).toBe('a: Clicks  ▃▅█\nb: Clicks  ▃▅█\n');
  expect(seriesLines(COLUMNS.slice(1), rowsOf('a'), 80)).toBe('');
  expect(seriesLines(COLUMNS, rowsOf('a').slice(1), 80)).toBe('');
});
