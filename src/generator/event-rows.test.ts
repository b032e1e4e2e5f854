import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CHUNK_ROWS, encodeEvents } from './event-rows.ts';

const ROW_BYTES = 22;
const POSTGRES_EPOCH_US = 946_684_800_000_000n;

test('GIVEN any event WHEN encoded THEN the row has its campaign and its time, before 2000 as well', () => {
  const events = fc.record({
    campaignId: fc.integer({ min: 1, max: 2_147_483_647 }),
    micros: fc.integer({ min: -2e15, max: 9e15 }),
  });
  fc.assert(
    fc.property(events, (event) => {
      const [chunk] = [...encodeEvents([event])];
      const bytes = chunk?.bytes as Buffer;
      expect(bytes).toHaveLength(ROW_BYTES);
      expect([bytes.readInt16BE(0), bytes.readInt32BE(2), bytes.readInt32BE(10)]).toEqual([2, 4, 8]);
      expect(bytes.readInt32BE(6)).toBe(event.campaignId);
      expect(bytes.readBigInt64BE(14) + POSTGRES_EPOCH_US).toBe(BigInt(event.micros));
    }),
  );
});

test.each([0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS])(
  'GIVEN %i events WHEN encoded THEN all are in the chunks, full ones are at least 64 KB, none is shared',
  (count) => {
    const events = Array.from({ length: count }, (_, index) => ({ campaignId: index + 1, micros: 0 }));
    const chunks = [...encodeEvents(events)];
    expect(chunks.reduce((sum, chunk) => sum + chunk.rows, 0)).toBe(count);
    const ids = chunks.flatMap(({ bytes, rows }) =>
      Array.from({ length: rows }, (_, row) => bytes.readInt32BE(row * ROW_BYTES + 6)),
    );
    expect(ids).toEqual(events.map((event) => event.campaignId));
    for (const { bytes } of chunks.slice(0, -1)) expect(bytes.length).toBeGreaterThanOrEqual(65_536);
  },
);
