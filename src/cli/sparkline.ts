/** Series as one line of text: `▁▂▅█▃`. */
import type { KpiColumn } from '../kpi/definition.ts';
import type { Row } from './print.ts';

const BLOCKS = '▁▂▃▄▅▆▇█';
const GAP = '·';

/**
 * Draws numbers as blocks, from zero (or the least, if that is below) to the greatest. What is no number is a dot.
 *
 * @param width Most characters; of a longer series the end is drawn.
 */
export function sparkline(values: readonly (number | null)[], width: number): string {
  const drawn = values.slice(-width);
  const known = drawn.filter((value) => value !== null);
  const low = Math.min(0, ...known);
  const span = Math.max(0, ...known) - low;
  return drawn.map((value) => (value === null ? GAP : block(span === 0 ? 0 : (value - low) / span))).join('');
}

function block(part: number): string {
  return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(part * BLOCKS.length))] ?? GAP;
}

/** What the rows of a series are told apart by, and what is in order along it. */
const STEPS = ['period', 'day', 'hour', 'campaign_day'];
const OWNERS = ['advertiser', 'campaign'];
/** Most series that are drawn. */
const MAX_SERIES = 20;

/**
 * A line per series and figure: all figures of one series, impressions alone of several. Empty when the rows are no
 * series of at least three steps.
 */
export function seriesLines(columns: readonly KpiColumn[], rows: readonly Row[], width: number): string {
  const step = columns.find(({ name }) => STEPS.includes(name))?.name;
  if (step === undefined || rows.length < 3) return '';
  const series = new Map<string, Row[]>();
  for (const row of rows.filter((one) => one[step] !== null)) {
    const owner = OWNERS.map((name) => row[name]).filter((name) => name !== undefined && name !== '(all)');
    const key = owner.map(String).join(' / ');
    series.set(key, [...(series.get(key) ?? []), row]);
  }
  const figures = columns.filter(({ unit }) => unit === 'count' || unit === 'ratio' || unit === 'money');
  const shown = series.size === 1 ? figures : figures.slice(0, 1);
  const lines = [...series].slice(0, MAX_SERIES).flatMap(([owner, points]) =>
    points.length < 3
      ? []
      : shown.map(({ name, label }) => ({
          label: series.size === 1 ? label : `${owner}: ${label}`,
          values: points.map((row) => (row[name] === null ? null : Number(row[name]))),
        })),
  );
  const indent = Math.max(0, ...lines.map(({ label }) => label.length)) + 2;
  return lines
    .map(({ label, values }) => `${label.padEnd(indent)}${sparkline(values, Math.max(10, width - indent))}\n`)
    .join('');
}
