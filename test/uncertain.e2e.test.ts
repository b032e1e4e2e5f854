/** Inserts of which nobody knows whether they arrived: the server took them, the answer was lost. */
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';
import { openProxy } from '../src/chaos/proxy.ts';
import { FIRST_ROWS } from '../src/chaos/random-sessions.ts';

test.each(['impressions_in', 'clicks_in', 'campaign_in', 'checkpoint', 'RELOAD'])(
  'GIVEN a live copy WHEN the answer to a request about %s is lost THEN it is sent again and counts once',
  async (text) => {
    await using pg = await temporaryAdSource();
    await using ch = await temporaryClickHouse();
    await using proxy = await openProxy(ch.url);
    await pg.client.query(FIRST_ROWS);
    await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url });
    await pipeline.caughtUp();
    const lost = proxy.loseAnswer(text);
    await pg.client.query(`BEGIN;
      INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 300) i;
      UPDATE impressions SET campaign_id = 2, created_at = created_at - interval '2 hours' WHERE id % 3 = 0;
      UPDATE campaign SET bid = bid + 1 WHERE id = 2;
      DELETE FROM clicks WHERE id % 4 = 0; INSERT INTO clicks (campaign_id) SELECT 3 FROM generate_series(1, 50);
      COMMIT`);
    await pipeline.caughtUp();
    expect(lost.count()).toBe(1);
    expect(await adDifferences(pg, ch)).toEqual([]);
  },
);

test('GIVEN a load WHEN the answer to an insert of a chunk is lost THEN each row is there once', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await using proxy = await openProxy(ch.url);
  await pg.client.query(FIRST_ROWS);
  const lost = proxy.loseAnswer(`%60${ch.database}%60.%60impressions%60`);
  await using pipeline = startPipeline(pg, ch, { clickhouseUrl: proxy.url, chunkRows: 1000 });
  await pipeline.caughtUp();
  expect(lost.count()).toBe(1);
  expect(await adDifferences(pg, ch)).toEqual([]);
});
