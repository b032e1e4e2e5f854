import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openNative } from './codecs.ts';
import { FAIL_UNFIT } from './column-base.ts';
import { HashColumn, TruncatedColumn } from './mask-column.ts';
import { NulledColumn } from './wrapped-column.ts';

const options = { type: 'String', nullable: true, label: 'column x', policy: FAIL_UNFIT };

function append(column: { appendText(bytes: Buffer, start: number, end: number): void }, text: string): void {
  const bytes = Buffer.from(`<${text}>`);
  column.appendText(bytes, 1, bytes.length - 1);
}

test('a hash is SHA-256 of salt and text, whatever came before', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(null))), (salt, values) => {
      const column = new HashColumn(options, salt, false);
      for (const value of values) {
        if (value === null) column.appendNull();
        else append(column, value);
      }
      const hash = (text: string): string => createHash('sha256').update(salt).update(text).digest('hex');
      expect(values.map((_, row) => column.value(row))).toEqual(
        values.map((value) => (value === null ? null : hash(value))),
      );
    }),
  );
});

test('a truncated text has the first characters, not bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 20 }), (text, characters) => {
      const column = new TruncatedColumn(options, characters, false);
      const wellFormed = Buffer.from(text).toString();
      append(column, wellFormed);
      expect(column.value(0)).toBe(Array.from(wellFormed).slice(0, characters).join(''));
    }),
  );
});

test('character(n) is masked without the blanks at its end', () => {
  const [padded, plain] = [new HashColumn(options, 's', true), new HashColumn(options, 's', false)];
  append(padded, 'ab   ');
  append(plain, 'ab');
  expect(padded.value(0)).toBe(plain.value(0));
  const cut = new TruncatedColumn(options, 4, true);
  append(cut, 'a b   ');
  expect(cut.value(0)).toBe('a b');
});

test('a nulled column takes anything and keeps nothing', () => {
  const column = new NulledColumn(openNative('Nullable(Int32)'));
  append(column, '17');
  column.appendFiller();
  column.appendFrom();
  column.truncate(2);
  const parts: Uint8Array[] = [];
  column.encode(parts);
  expect([column.length, column.value(), column.isNull()]).toEqual([2, null, true]);
  expect(Buffer.concat(parts)).toEqual(Buffer.from([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
  expect(() => new NulledColumn(openNative('Int32'))).toThrow('cannot hold NULL');
});
