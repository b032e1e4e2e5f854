/** A verification for people and for programs. */
import { formatLsn } from '../model/lsn.ts';
import { formatMicros } from '../model/instant.ts';
import type { Difference } from '../verify/difference.ts';
import type { TableVerification, Verdict, Verification } from '../verify/verification.ts';
import { byteSize, type Column, renderTable, thousands } from './print.ts';
import { duration } from './progress.ts';

const TABLE_COLUMNS: readonly Column[] = [
  { name: 'table', kind: 'text' },
  { name: 'sourceRows', label: 'rows in source', kind: 'number' },
  { name: 'copyRows', label: 'in copy', kind: 'number' },
  { name: 'compared', label: 'ranges compared', kind: 'text' },
  { name: 'missing', kind: 'number' },
  { name: 'extra', kind: 'number' },
  { name: 'different', kind: 'number' },
  { name: 'history', kind: 'number' },
  { name: 'ahead', kind: 'number' },
  { name: 'note', kind: 'text' },
];

const DIFFERENCE_COLUMNS: readonly Column[] = [
  { name: 'table', kind: 'text' },
  { name: 'key', kind: 'text' },
  { name: 'kind', label: 'what', kind: 'text' },
  { name: 'column', kind: 'text' },
  { name: 'expected', kind: 'text' },
  { name: 'found', kind: 'text' },
  { name: 'version', kind: 'text' },
  { name: 'note', kind: 'text' },
];

const VERDICTS: Readonly<Record<Verdict, string>> = {
  equal: 'equal',
  partial: 'equal as far as compared; some was left out',
  repaired: 'repaired: equal now',
  different: 'DIFFERENT',
  unproved: 'nothing could be compared',
};

/** The result for people. */
export function verificationText(found: Verification): string {
  const width = process.stdout.columns;
  const tables = renderTable(TABLE_COLUMNS, found.tables.map(tableRow), { width });
  const sections = [tables, rollupText(found)];
  if (found.differences.length > 0) {
    const shown = found.differences.flatMap(differenceRows);
    sections.push(`\n${renderTable(DIFFERENCE_COLUMNS, shown, { width })}`);
    const more = found.differing - found.differences.length;
    if (more > 0) sections.push(`… and ${thousands(more)} more (--limit shows more)\n`);
  }
  return `${sections.join('')}\n${conclusion(found)}\n`;
}

function tableRow(table: TableVerification): Record<string, unknown> {
  const { ranges, rangesCompared, differing, replaced, leftOut, notCompared } = table;
  const notes = [
    replaced > 0 ? `${thousands(replaced)} values replaced by policy, as recorded` : '',
    notCompared === '' ? '' : `not compared: ${notCompared}`,
  ];
  if (leftOut !== null) return { table: table.table, note: `left out: ${leftOut}` };
  return {
    ...table,
    ...differing,
    compared: rangesCompared === ranges ? thousands(ranges) : `${thousands(rangesCompared)} of ${thousands(ranges)}`,
    note: notes.filter((note) => note !== '').join('; '),
  };
}

function rollupText({ rollup, mode }: Verification): string {
  if (rollup === null) return '';
  if (rollup.leftOut !== null) return `campaign_hourly: left out, ${rollup.leftOut}\n`;
  if (mode === 'quick' && rollup.buckets === 0) return 'campaign_hourly: totals agree with the tables\n';
  return `campaign_hourly: ${thousands(rollup.buckets)} buckets against the tables, ${thousands(rollup.differing)} differ\n`;
}

/** One line per value; a difference without values has one line, too. */
function differenceRows(difference: Difference): Record<string, unknown>[] {
  const { table, key, kind, version, values, note } = difference;
  const head = { table, key: key.map((part) => part ?? 'NULL').join(', '), kind, version, note };
  if (values.length === 0) return [head];
  return values.map(({ column, expected, found }, i) => {
    const sides = { column, expected: side(expected, kind === 'extra'), found: side(found, kind === 'missing') };
    return i === 0 ? { ...head, ...sides } : { ...blank(head), ...sides };
  });
}

/** A missing row has no values; NULL is one; so is the empty text. */
function side(value: string | null, isAbsent: boolean): string {
  if (value === null) return isAbsent ? '–' : 'NULL';
  return value === '' ? "''" : value;
}

function blank(head: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.keys(head).map((name) => [name, '']));
}

function conclusion(found: Verification): string {
  const seconds = (found.finishedAt.getTime() - found.startedAt.getTime()) / 1000;
  const bytes = found.tables.reduce((sum, table) => sum + table.bytes, 0);
  const left = found.differing - found.repaired;
  const counts = found.repaired > 0 ? `, ${thousands(found.repaired)} repaired, ${thousands(left)} left` : '';
  const differing = found.differing > 0 ? `: ${thousands(found.differing)} rows and buckets differ${counts}` : '';
  return [
    `${VERDICTS[found.verdict]}${differing}`,
    `as of ${commitText(found)} (${formatLsn(found.lsn)})${found.mode === 'quick' ? ', counts and samples only' : ''}`,
    `took ${duration(seconds)}; source ${(found.sourceMs / 1000).toFixed(1)} s for ${byteSize(bytes)}, ClickHouse ${(found.copyMs / 1000).toFixed(1)} s; the copy stood still for ${Math.round(found.heldMs)} ms`,
  ].join('\n');
}

function commitText({ commitTimeUs }: Verification): string {
  return commitTimeUs === 0n ? 'before the first change' : `${formatMicros(commitTimeUs)} UTC`;
}

/** The result for programs: positions and times as text. */
export function verificationJson(found: Verification): Record<string, unknown> {
  return {
    ...found,
    lsn: formatLsn(found.lsn),
    commitTime: found.commitTimeUs === 0n ? null : formatMicros(found.commitTimeUs),
    commitTimeUs: undefined,
    startedAt: found.startedAt.toISOString(),
    finishedAt: found.finishedAt.toISOString(),
  };
}
