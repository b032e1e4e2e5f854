/** The ad schema end to end: load, every kind of change, restart; source, mirrors and rollups equal at each step. */
import { expect, test } from 'vitest';
import { adDifferences } from '../src/chaos/compare.ts';
import { pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

const ROWS = `
  INSERT INTO advertiser (name) VALUES ('A'), ('B'), ('C');
  INSERT INTO campaign (name, bid, budget, start_date, end_date, advertiser_id)
    SELECT 'Campaign_' || i, 0.5 + i * 0.25, 100 * i, current_date, current_date + i, 1 + i % 3 FROM generate_series(1, 6) i;
  INSERT INTO impressions (campaign_id, created_at)
    SELECT nullif(i % 7, 0), now() at time zone 'utc' - make_interval(mins => i % 5000) FROM generate_series(1, 20000) i;
  INSERT INTO clicks (campaign_id, created_at)
    SELECT campaign_id, created_at + interval '30 s' FROM impressions WHERE id % 11 = 0;
  INSERT INTO impressions (campaign_id, created_at) VALUES (1, NULL), (NULL, NULL), (2, '1950-05-05 05:05'), (2, '2150-01-01')`;

test('every kind of change reaches mirrors and rollups', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(ROWS);
  await using pipeline = startPipeline(pg, ch, { chunkRows: 3000 });
  await pipeline.caughtUp();
  expect(await adDifferences(pg, ch)).toEqual([]);

  const steps: Record<string, string> = {
    'inserts, also without campaign or time': `INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 500) i;
       INSERT INTO clicks (campaign_id, created_at) VALUES (NULL, NULL), (3, '2000-01-01'), (3, NULL)`,
    'events move between campaigns and hours': `UPDATE impressions SET campaign_id = 2 WHERE id % 5 = 0;
       UPDATE clicks SET created_at = created_at - interval '90 min' WHERE id % 2 = 0;
       UPDATE impressions SET campaign_id = NULL WHERE id % 97 = 0; UPDATE impressions SET created_at = NULL WHERE id % 101 = 0`,
    deletes: 'DELETE FROM impressions WHERE id % 6 = 1; DELETE FROM clicks WHERE campaign_id = 4',
    'keys change, also to a key that was just freed': `UPDATE clicks SET id = id + 1000000 WHERE id % 3 = 0;
       DELETE FROM clicks WHERE id = 1; INSERT INTO clicks (id, campaign_id, created_at) VALUES (1, 5, '2020-02-02 02:02')`,
    'a row changes many times in one transaction': `BEGIN; INSERT INTO clicks (id, campaign_id, created_at) VALUES (900001, 1, '2021-01-01');
       UPDATE clicks SET campaign_id = 2 WHERE id = 900001; UPDATE clicks SET created_at = '2021-01-02' WHERE id = 900001;
       DELETE FROM clicks WHERE id = 900001; INSERT INTO clicks (id, campaign_id, created_at) VALUES (900001, 3, '2021-01-03');
       UPDATE clicks SET id = 900002 WHERE id = 900001; COMMIT`,
    'what was rolled back is not there': `BEGIN; DELETE FROM impressions; ROLLBACK; BEGIN; SAVEPOINT s; INSERT INTO clicks (campaign_id) VALUES (1);
       ROLLBACK TO s; INSERT INTO clicks (campaign_id) VALUES (2); COMMIT`,
    'bids, names and owners change': `UPDATE campaign SET bid = bid * 2 WHERE id IN (1, 2); UPDATE advertiser SET name = 'B2' WHERE id = 2;
       UPDATE campaign SET advertiser_id = 3 WHERE id = 2; UPDATE campaign SET bid = 9.99, advertiser_id = NULL WHERE id = 3;
       INSERT INTO clicks (campaign_id, created_at) SELECT 1, now() at time zone 'utc' + make_interval(secs => i) FROM generate_series(-50, 50) i`,
    'truncate, and new rows behind it in one transaction': `BEGIN; INSERT INTO clicks (campaign_id) VALUES (1); TRUNCATE clicks;
       INSERT INTO clicks (campaign_id) VALUES (2); COMMIT`,
    reset: 'DELETE FROM clicks; DELETE FROM impressions; DELETE FROM campaign; DELETE FROM advertiser',
    'and all over again': ROWS.replaceAll('1 + i % 3', '(SELECT min(id) FROM advertiser)')
      .replaceAll('nullif(i % 7, 0)', '(SELECT max(id) FROM campaign) - i % 3')
      .replaceAll('(1, NULL)', '(NULL, NULL)')
      .replaceAll("(2, '1950-05-05 05:05'), (2, '2150-01-01')", "(NULL, '1950-05-05')"),
  };
  for (const [what, sql] of Object.entries(steps)) {
    await pg.client.query(sql);
    await pipeline.caughtUp();
    expect(await adDifferences(pg, ch), what).toEqual([]);
  }
  await pipeline.stop();
  await pg.client.query(
    'UPDATE impressions SET campaign_id = NULL WHERE id % 2 = 0; DELETE FROM impressions WHERE id % 3 = 0',
  );
  await using second = startPipeline(pg, ch);
  await second.caughtUp();
  expect(await adDifferences(pg, ch), 'after a restart').toEqual([]);
  const [counts] = await pgRows(pg.client, 'SELECT count(*) AS n FROM impressions');
  expect(Number(counts?.['n'])).toBeGreaterThan(1000);
});
