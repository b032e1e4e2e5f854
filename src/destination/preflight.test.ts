import { describe, expect, test } from 'vitest';
import { clockFindings } from '../model/finding.ts';
import { judgeSettings, versionFindings } from './preflight.ts';

const SETTINGS = [
  { name: 'async_insert', value: '1', readonly: 0 },
  { name: 'deduplicate_blocks_in_dependent_materialized_views', value: '0', readonly: 0 },
  { name: 'enable_extended_results_for_datetime_functions', value: '0', readonly: 0 },
  { name: 'input_format_skip_unknown_fields', value: '1', readonly: 0 },
  { name: 'insert_deduplication_token', value: '', readonly: 0 },
  { name: 'log_comment', value: '', readonly: 0 },
  { name: 'min_free_disk_bytes_to_perform_insert', value: '0', readonly: 0 },
  { name: 'readonly', value: '0', readonly: 0 },
];

function changed(name: string, change: { value?: string; readonly?: number }) {
  return SETTINGS.map((row) => (row.name === name ? { ...row, ...change } : row));
}

describe('versionFindings', () => {
  test.each(['25.8.1.1', '25.12.3.1', '26.1.1.1', '26.7.3.1-stable', '27.1'])('%s will do', (version) => {
    expect(versionFindings(version)).toEqual([]);
  });

  test.each(['24.12.1.1', '25.7.9.9', '1.1.54388'])('%s is too old', (version) => {
    expect(versionFindings(version)).toMatchObject([{ code: 'version', severity: 'error' }]);
  });
});

describe('judgeSettings', () => {
  test('GIVEN the defaults of the server THEN nothing is wrong: ours are sent with each statement', () => {
    expect(judgeSettings(SETTINGS)).toEqual([]);
  });

  test.each([
    { name: 'async_insert', value: '1' },
    { name: 'deduplicate_blocks_in_dependent_materialized_views', value: '0' },
    { name: 'insert_deduplication_token', value: '' },
  ])('GIVEN $name is fixed to “$value” THEN it is an error', ({ name, value }) => {
    expect(judgeSettings(changed(name, { value, readonly: 1 }))).toMatchObject([{ object: `setting ${name}` }]);
  });

  test('GIVEN a setting is fixed to what we send THEN it is none', () => {
    expect(judgeSettings(changed('async_insert', { value: '0', readonly: 1 }))).toEqual([]);
  });

  test('GIVEN an unknown setting THEN it is an error', () => {
    const rows = SETTINGS.filter((row) => row.name !== 'async_insert');
    expect(judgeSettings(rows)).toMatchObject([{ code: 'setting', object: 'setting async_insert' }]);
  });

  test.each(['1', '2'])('GIVEN readonly = %s THEN it is an error', (value) => {
    expect(judgeSettings(changed('readonly', { value }))).toMatchObject([{ code: 'readonly' }]);
  });
});

describe('clockFindings', () => {
  test.each([
    { serverMs: 9_000, why: 'the question took long' },
    { serverMs: 12_000, why: 'it is 2 s ahead' },
    { serverMs: 6_000, why: 'it is 2 s behind' },
  ])('$serverMs between 8,000 and 10,000 is no finding: $why', ({ serverMs }) => {
    expect(clockFindings('server', serverMs, { before: 8_000, after: 10_000 })).toEqual([]);
  });

  test.each([5_000, 13_000])('%d is a warning', (serverMs) => {
    const findings = clockFindings('server', serverMs, { before: 8_000, after: 10_000 });
    expect(findings).toMatchObject([{ code: 'clock_skew', severity: 'warning' }]);
    expect(findings[0]?.message).toContain('3.0 s');
  });
});
