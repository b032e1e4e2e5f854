import { describe, expect, test } from 'vitest';
import { column } from '../../kpi/definition.ts';
import type { KpiResult } from '../../kpi/query.ts';
import { resultText } from './kpi.ts';

const RESULT: KpiResult = {
  columns: [
    column('campaign_id', 'Campaign', 'id'),
    column('clicks', 'Clicks', 'count'),
    column('ctr', 'CTR', 'ratio'),
    column('spend', 'Spend', 'money'),
    column('gone', 'Gone', 'flag'),
  ],
  rows: [
    { campaign_id: 1001, clicks: '1234', ctr: 0.081234, spend: '1282.206062', gone: true },
    { campaign_id: 1002, clicks: '0', ctr: null, spend: null, gone: 0 },
  ],
  range: { from: '2026-03-01', to: '2026-03-02' },
  asOf: { lsn: '0/1A2B', commitTime: '2026-03-02 12:00:00.000000' },
  loading: false,
  timezone: 'UTC',
};

describe('resultText', () => {
  test('a table for people: percentages, thousands, NULL as a dash, and up to where it is true', () => {
    expect(resultText('ctr', RESULT, 'table')).toBe(
      [
        'Campaign  Clicks     CTR     Spend  Gone',
        '    1001   1,234  8.12 %  1,282.21  yes',
        '    1002       0       –         –',
        '',
        '2026-03-01 to 2026-03-02, as of 2026-03-02 12:00:00.000000 UTC (0/1A2B)',
        '',
      ].join('\n'),
    );
  });

  test('GIVEN tables still load THEN the table says so', () => {
    expect(resultText('ctr', { ...RESULT, loading: true }, 'table')).toContain('still loading');
  });

  test('GIVEN no rows THEN it says so, and still up to where', () => {
    const empty = { ...RESULT, rows: [], range: null, asOf: { lsn: null, commitTime: null } };
    expect(resultText('ctr', empty, 'table')).toBe('no data\n\nas of – UTC (–)\n');
  });

  test('CSV keeps the fraction, and each row carries as_of', () => {
    expect(resultText('ctr', RESULT, 'csv').split('\r\n').slice(0, 2)).toEqual([
      'campaign_id,clicks,ctr,spend,gone,as_of,as_of_lsn',
      '1001,1234,0.081234,1282.206062,true,2026-03-02 12:00:00.000000,0/1A2B',
    ]);
  });

  test('JSON has everything', () => {
    expect(JSON.parse(resultText('ctr', RESULT, 'json'))).toEqual({ kpi: 'ctr', ...RESULT });
  });
});
