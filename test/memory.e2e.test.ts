/** What waits to be applied is bounded by bytes, whatever the source sends and however slow ClickHouse is. */
import { expect, test } from 'vitest';
import { tableDifferences } from '../src/chaos/compare.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { temporaryClickHouse, temporaryPostgres } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

const BATCH_BYTES = 256 << 10;
/** The largest read of the socket, and the largest row. */
const READ_BYTES = 128 << 10;
const ROW_BYTES = 50_000;

test.each([
  { rows: 400, width: ROW_BYTES, what: 'few wide rows' },
  { rows: 100_000, width: 20, what: 'many narrow rows' },
])(
  'GIVEN a slow ClickHouse WHEN one transaction is many times as large as a batch ($what) THEN what waits stays bounded',
  async ({ rows, width }) => {
    await using pg = await temporaryPostgres();
    await using ch = await temporaryClickHouse();
    await using proxy = await openProxy(ch.url);
    await pg.client.query('CREATE TABLE item (id int PRIMARY KEY, body text)');
    await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url, batchMaxBytes: BATCH_BYTES });
    await pipeline.caughtUp();
    proxy.setWeather({ kind: 'slow', delayMs: 5, pieceBytes: 1 << 16 });
    await pg.client.query(
      `INSERT INTO item SELECT i, string_agg(md5(i::text || j), '') FROM generate_series(1, ${rows}) i, generate_series(1, ${Math.ceil(width / 32)}) j GROUP BY i`,
    );
    await pipeline.caughtUp();
    const peak = pipeline.progress()?.peakQueuedBytes ?? 0;
    expect(peak).toBeGreaterThan(2 * BATCH_BYTES);
    expect(peak).toBeLessThanOrEqual(3 * (BATCH_BYTES + READ_BYTES + ROW_BYTES));
    proxy.setWeather({ kind: 'clear' });
    expect(await tableDifferences(pg, ch, 'item')).toEqual([]);
  },
);
