import { expect, test } from 'vitest';
import { withoutHeader } from './slot.ts';

const SIZE = { page: 8192n, segment: 16n * 1024n * 1024n };

test.each([
  { lsn: 0x3000000n + 40n, end: 0x3000000n, why: 'behind the long header of a new segment' },
  { lsn: 0x3002000n + 24n, end: 0x3002000n, why: 'behind the header of a new page' },
  { lsn: 0x3002000n + 40n, end: 0x3002000n + 40n, why: 'the end of a record that runs over the page boundary' },
  { lsn: 0x3002000n, end: 0x3002000n, why: 'the boundary itself' },
  { lsn: 0x3002468n, end: 0x3002468n, why: 'the middle of a page' },
])('GIVEN WAL that ends at $lsn ($why) THEN streams reach $end', ({ lsn, end }) => {
  expect(withoutHeader(lsn, SIZE)).toBe(end);
});
