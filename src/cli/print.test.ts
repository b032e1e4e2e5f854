import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byteSize, renderCsv, renderJson, renderTable, roundCents, thousands } from './print.ts';

const COLUMNS = [{ name: 'name' }, { name: 'clicks' }, { name: 'spend' }];

describe('renderTable', () => {
  test('numbers stand right with thousands, NULL is a dash', () => {
    const rows = [
      { name: 'Spring', clicks: '1234567', spend: '1000.50' },
      { name: null, clicks: 7, spend: null },
    ];
    expect(renderTable(COLUMNS, rows)).toBe(
      ['name       clicks     spend', 'Spring  1,234,567  1,000.50', '–               7         –', ''].join('\n'),
    );
  });

  test('ids are numbers without thousands', () => {
    expect(renderTable([{ name: 'id', kind: 'id' }], [{ id: 12_345 }])).toBe('   id\n12345\n');
  });

  test('GIVEN a narrow terminal THEN texts give way, numbers do not', () => {
    const text = renderTable(COLUMNS, [{ name: 'a very long campaign name', clicks: 1_000_000, spend: '1.00' }], {
      width: 30,
    });
    expect(text.split('\n').every((line) => line.length <= 30)).toBe(true);
    expect(text).toContain('…  1,000,000');
  });

  test('GIVEN a name with escape codes THEN they do not reach the terminal', () => {
    expect(renderTable([{ name: 'name' }], [{ name: '\u001B[31mred\n\u202E' }])).toBe('name\n·[31mred··\n');
  });

  test('of more rows than a call may have arguments', () => {
    const rows = Array.from({ length: 200_000 }, (_, i) => ({ a: i }));
    expect(renderTable([{ name: 'a' }], rows).split('\n')).toHaveLength(rows.length + 2);
  });
});

describe('renderCsv', () => {
  test('quotes where needed, NULL is empty', () => {
    const rows = [{ name: 'a "b", c\n', clicks: 1, spend: null }];
    expect(renderCsv(COLUMNS, rows)).toBe('name,clicks,spend\r\n"a ""b"", c\n",1,\r\n');
  });

  test('any text comes back from a field', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const field = renderCsv([{ name: 'x' }], [{ x: text }]).slice('x\r\n'.length, -2);
        const back = field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;
        expect(back).toBe(text);
      }),
    );
  });
});

test('JSON keeps wide integers as text', () => {
  expect(JSON.parse(renderJson({ lsn: 2n ** 60n }))).toEqual({ lsn: '1152921504606846976' });
});

test.each([
  { number: '0', text: '0' },
  { number: '-1234.5', text: '-1,234.5' },
  { number: 1000n, text: '1,000' },
  { number: '123456789012345678901.123456', text: '123,456,789,012,345,678,901.123456' },
])('thousands of $number', ({ number, text }) => {
  expect(thousands(number)).toBe(text);
});

test.each([
  { decimal: '3.8', text: '3.80' },
  { decimal: 7, text: '7.00' },
  { decimal: 'nan', text: 'nan' },
  { decimal: '282.206062', text: '282.21' },
  { decimal: '-0.005', text: '-0.01' },
  { decimal: '0.004999', text: '0.00' },
  { decimal: '12345678901234567890.995', text: '12345678901234567891.00' },
])('$decimal is $text with cents', ({ decimal, text }) => {
  expect(roundCents(decimal)).toBe(text);
});

test.each([
  { bytes: 0, text: '0 B' },
  { bytes: 1536, text: '1.5 KiB' },
  { bytes: 5n * 2n ** 40n, text: '5.0 TiB' },
])('$bytes bytes are $text', ({ bytes, text }) => {
  expect(byteSize(bytes)).toBe(text);
});
