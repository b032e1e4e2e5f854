import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitSql } from './split-sql.ts';

/** Statements that must stay whole, each with a semicolon where it does not end one. */
const WHOLE = [
  `SELECT 'a;b''c;'`,
  `SELECT E'a\\';b'`,
  `SELECT 1 AS "x;""y"`,
  `SELECT $$a;b$$, $tag$ $$ ; $tag$`,
  `/* a; /* b; */ c; */ SELECT 1`,
  `-- a; b\nSELECT 2`,
  `CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)`,
  `CREATE FUNCTION f(a$1 int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN a$1 > 0 THEN 1 END; SELECT 2; END`,
  `DO $$ BEGIN PERFORM 1; END $$`,
  `SELECT begin, "end" FROM t`,
];

test('statements are cut where they end, whatever lies between', () => {
  const statement = fc.constantFrom(...WHOLE);
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 8 }), fc.constantFrom(';', ';\n\n', ' ;; '), (parts, separator) => {
      expect(splitSql(parts.join(separator)).map(({ text }) => text)).toEqual(parts);
    }),
  );
});

test('a script of comments has no statement; lines are counted; what is left open is one statement', () => {
  expect(splitSql('-- nothing\n/* at ; all */ ;')).toEqual([]);
  expect(splitSql("SELECT 1;\n\nSELECT\n 2; SELECT 'open; ").map(({ line, text }) => [line, text])).toEqual([
    [1, 'SELECT 1'],
    [3, 'SELECT\n 2'],
    [4, "SELECT 'open;"],
  ]);
  expect(splitSql('/* a */ begin; -- b\nEND')).toMatchObject([{ plain: 'begin' }, { plain: 'END' }]);
});
