import { expect, it } from 'vitest';
import { openNative } from './codecs.ts';
import { decodeBlocks, encodeBlock } from './native.ts';

it('GIVEN two columns THEN the block is the one of the manual', () => {
  const number = openNative('Nullable(Int32)');
  const text = openNative('String');
  number.appendText(Buffer.from('258'), 0, 3);
  number.appendNull();
  text.appendText(Buffer.from('ab'), 0, 2);
  text.appendText(Buffer.from(''), 0, 0);
  const block = Buffer.concat(
    encodeBlock(
      [
        { name: 'n', column: number },
        { name: 't', column: text },
      ],
      2,
    ),
  );
  expect(block.toString('latin1')).toBe(
    '\x02\x02\x01n\x0fNullable(Int32)\x00\x01\x02\x01\x00\x00\x00\x00\x00\x00\x01t\x06String\x02ab\x00',
  );
});

it('GIVEN a column of another length THEN no block is made', () => {
  expect(() => encodeBlock([{ name: 'n', column: openNative('Int8') }], 1)).toThrow(
    'column n has 0 rows in a block of 1',
  );
});

it('GIVEN no block or an empty one THEN there are no rows', () => {
  expect(decodeBlocks(Buffer.alloc(0), (_name, type) => openNative(type))).toEqual({ rows: 0, columns: [] });
  const empty = Buffer.concat(encodeBlock([{ name: 'n', column: openNative('Int8') }], 0));
  expect(decodeBlocks(empty, (_name, type) => openNative(type))).toMatchObject({ rows: 0, columns: [{ name: 'n' }] });
});

it('GIVEN blocks of different columns THEN they are refused', () => {
  const blocks = ['Int8', 'Int16'].map((type) =>
    Buffer.concat(encodeBlock([{ name: 'n', column: openNative(type) }], 0)),
  );
  expect(() => decodeBlocks(Buffer.concat(blocks), (_name, type) => openNative(type))).toThrow(
    'was not in the first block',
  );
});
