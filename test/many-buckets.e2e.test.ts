/** One transaction that touches more buckets of the rollup than a call of a function may have arguments. */
import { expect, test } from 'vitest';
import { differences } from '../src/destination/rollups.ts';
import { pgRows } from '../src/source/connection.ts';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

const BUCKETS = 150_000;

test('GIVEN as many buckets as events WHEN one transaction moves all events THEN the rollup follows', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  await pg.client.query(
    `INSERT INTO campaign (name, bid, budget) SELECT 'c' || i, 1, 1 FROM generate_series(1, 2000) i;
     INSERT INTO impressions (campaign_id, created_at)
     SELECT 1 + i % 2000, timestamp '2026-03-01' + make_interval(hours => i / 2000) FROM generate_series(0, ${BUCKETS - 1}) i`,
  );
  await using pipeline = startPipeline(pg, ch);
  await pipeline.caughtUp();
  expect(await ch.client.rows(`SELECT count() AS n FROM ${ch.database}.campaign_hourly`)).toEqual([
    { n: String(BUCKETS) },
  ]);
  await pg.client.query('UPDATE impressions SET campaign_id = 1 + campaign_id % 2000');
  await pipeline.caughtUp();
  // The rollup equals the mirror, and the mirror's campaigns have what they have in the source.
  expect(await differences(ch.client, ch)).toBe(0);
  const counts = 'SELECT campaign_id AS campaign, count(*) AS n FROM';
  const source = await pgRows(pg.client, `${counts} impressions GROUP BY 1 ORDER BY 1`);
  const copy = await ch.client.rows<{ campaign: number; n: string }>(
    `${counts} ${ch.database}.impressions_current GROUP BY 1 ORDER BY 1`,
  );
  expect(copy.map(({ campaign, n }) => ({ campaign: String(campaign), n }))).toEqual(source);
});
