import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitStatements } from './split-statements.ts';

describe('splitStatements', () => {
  test.each([
    ['nothing', '', []],
    ['only comments', '-- a;\n/* b; */ ;\n;', []],
    ['two statements, the last without an end', 'SELECT 1; SELECT 2', ['SELECT 1', 'SELECT 2']],
    ['a semicolon in a string', "SELECT 'a;b'; SELECT 2", ["SELECT 'a;b'", 'SELECT 2']],
    ['a doubled quote', "SELECT 'it''s;'; X", ["SELECT 'it''s;'", 'X']],
    ['an escaped quote', String.raw`SELECT 'it\';'; X`, [String.raw`SELECT 'it\';'`, 'X']],
    ['an escaped backslash at the end', String.raw`SELECT '\\'; X`, [String.raw`SELECT '\\'`, 'X']],
    ['quoted identifiers', 'SELECT `a;b`, "c;d"; X', ['SELECT `a;b`, "c;d"', 'X']],
    ['a line comment with a quote', "SELECT 1 -- it's;\n; X", ["SELECT 1 -- it's;", 'X']],
    ['a block comment with a quote', "SELECT /* it's; */ 1; X", ["SELECT /* it's; */ 1", 'X']],
    ['a comment with a hash', "SELECT 1 # it's;\n; X", ["SELECT 1 # it's;", 'X']],
    ['a heredoc', "SELECT $a$ it's; $b$ ; $a$; X", ["SELECT $a$ it's; $b$ ; $a$", 'X']],
    ['an unclosed string', "SELECT 'a; b", ["SELECT 'a; b"]],
    ['a minus and a division', 'SELECT 4 - 2 / 1; X', ['SELECT 4 - 2 / 1', 'X']],
  ])('GIVEN %s WHEN split THEN only real ends count', (_name, script, statements) => {
    expect(splitStatements(script)).toEqual(statements);
  });

  test('GIVEN any pieces, quoted or commented out WHEN joined by semicolons and split THEN they come back', () => {
    const inner = fc.string({ unit: fc.constantFrom('a', ';', '-', '*', '\n', '"', '`', '$', '#') });
    const piece = fc.oneof(
      inner.map((text) => `SELECT '${text}'`),
      inner.map((text) => `SELECT 1 /* ${text} */ + 1`),
      inner.map((text) => `SELECT 1 -- ${text.replaceAll('\n', ' ')}\n+ 1`),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        expect(splitStatements(pieces.join(';\n'))).toEqual(pieces);
      }),
    );
  });
});
