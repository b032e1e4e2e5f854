import { describe, expect, test } from 'vitest';
import { compareMigrations, fillPlaceholders, flywayChecksum, parseMigration } from './migration-files.ts';

const file = (name: string) => parseMigration(name, '');

describe('file names', () => {
  test('GIVEN Flyway names WHEN parsed THEN version and description come out', () => {
    expect(file('V1_2__create_schema.sql')).toMatchObject({ version: '1.2', description: 'create schema' });
    expect(file('R__views.sql')).toMatchObject({ version: null, description: 'views' });
  });

  test.each(['V1_x.sql', 'create.sql', 'V__x.sql', 'R_views.sql', 'Va__b.sql'])(
    'GIVEN %s WHEN parsed THEN it is refused',
    (name) => {
      expect(() => file(name)).toThrow(expect.objectContaining({ code: 'MIGRATION_FAILED' }));
    },
  );

  test('GIVEN files in any order WHEN sorted THEN versions go by number, repeatable ones come last', () => {
    const names = ['R__b.sql', 'V10__x.sql', 'R__a.sql', 'V2_1__x.sql', 'V2__x.sql'];
    const sorted = names.map(file).toSorted(compareMigrations);
    expect(sorted.map(({ script }) => script)).toEqual([
      'V2__x.sql',
      'V2_1__x.sql',
      'V10__x.sql',
      'R__a.sql',
      'R__b.sql',
    ]);
  });
});

describe('checksum', () => {
  test('GIVEN line ends and byte order marks of any kind WHEN summed THEN they make no difference', () => {
    const sums = ['a\nb\n', 'a\r\nb', '\uFEFFa\rb'].map(flywayChecksum);
    expect(new Set(sums).size).toBe(1);
  });

  test('GIVEN the check value of CRC-32 WHEN summed THEN it comes out, as a signed integer', () => {
    // https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-32-iso-hdlc: 0xCBF43926.
    expect(flywayChecksum('1234\n56789\n')).toBe(0xcbf43926 | 0);
  });
});

describe('placeholders', () => {
  test('GIVEN values WHEN filled in THEN each stands where its name stood, literally', () => {
    expect(fillPlaceholders('${a}.x ${b} $c', { a: '`$&`', b: '2' }, 'V1')).toBe('`$&`.x 2 $c');
  });

  test.each(['${nope}', '${toString}'])('GIVEN the unknown name %s WHEN filled in THEN it is refused', (text) => {
    expect(() => fillPlaceholders(text, {}, 'V1__x.sql')).toThrow(/V1__x\.sql: no value for the placeholder/);
  });
});
