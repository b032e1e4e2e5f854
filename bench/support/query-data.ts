/** What the key figures are measured on: 2,000 campaigns, 90 days, a click for every tenth impression; some rows changed, some deleted. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { packageRoot } from '../../src/model/package-root.ts';
import { pgRows } from '../../src/source/connection.ts';

/** Days of the events, and the moment the figures are of. */
export const SPAN = { from: '2026-03-01', to: '2026-05-29', now: '2026-05-29 15:00:00' } as const;

/** First of the last seven days. */
export const LAST_WEEK = '2026-05-23';

const DAYS = 90;
const CAMPAIGNS = 2_000;

/** Makes the four tables. Foreign keys of events are dropped: to check a hundred million of them takes longer than all else. */
export async function createAdSource(pg: Client, rows: number): Promise<void> {
  await pg.query('DROP TABLE IF EXISTS clicks, impressions, campaign, advertiser');
  await pg.query(await readFile(join(packageRoot(), 'sql/postgres/V1__create_schema.sql'), 'utf8'));
  for (const table of ['impressions', 'clicks'])
    await pgRows(pg, `ALTER TABLE ${table} DROP CONSTRAINT ${table}_campaign_id_fkey`);
  await pgRows(pg, "INSERT INTO advertiser (name) SELECT 'Advertiser ' || n FROM generate_series(1, 200) AS n");
  await pgRows(
    pg,
    `INSERT INTO campaign (name, bid, budget, advertiser_id, start_date, end_date)
     SELECT 'Campaign ' || n, 0.10 + n % 490 / 100.0, 100 + n % 900, 1 + n % 200, date '2026-03-01' + n % 30, date '2026-05-01' + n % 60
     FROM generate_series(1, ${CAMPAIGNS}) AS n`,
  );
  await pgRows(pg, 'SELECT setseed(0.42)');
  for (const [table, count] of [
    ['impressions', rows],
    ['clicks', Math.floor(rows / 10)],
  ] as const) {
    await pgRows(
      pg,
      `INSERT INTO ${table} (campaign_id, created_at)
       SELECT 1 + floor(random() ^ 2 * ${CAMPAIGNS})::int, timestamp '${SPAN.from}' + (n - random()) / ${count} * interval '${DAYS} days'
       FROM generate_series(1, ${count}) AS n`,
    );
  }
}

/** 1 % of the events move to another campaign, 0.1 % are deleted. @returns Rows changed. */
export async function changeEvents(pg: Client): Promise<number> {
  let changed = 0;
  for (const table of ['impressions', 'clicks']) {
    const moved = await pg.query(
      `UPDATE ${table} SET campaign_id = 1 + (campaign_id * 7 + 11) % ${CAMPAIGNS} WHERE id % 100 = 7`,
    );
    const deleted = await pg.query(`DELETE FROM ${table} WHERE id % 1000 = 13`);
    changed += (moved.rowCount ?? 0) + (deleted.rowCount ?? 0);
  }
  return changed;
}

/** Indexes that somebody who asks these questions of PostgreSQL would make; all of them covering. */
export async function createIndexes(pg: Client): Promise<void> {
  for (const table of ['impressions', 'clicks']) {
    await pgRows(pg, `CREATE INDEX ON ${table} (created_at, campaign_id)`);
    await pgRows(pg, `CREATE INDEX ON ${table} (campaign_id, created_at)`);
  }
  await pgRows(pg, 'VACUUM ANALYZE');
}

const COUNTS = (step: string, from: string = SPAN.from): string => `WITH e AS (
    SELECT campaign_id, ${step} AS step, count(*) AS i, 0 AS k FROM impressions WHERE created_at >= '${from}' AND created_at < date '${SPAN.to}' + 1 GROUP BY 1, 2
    UNION ALL SELECT campaign_id, ${step}, 0, count(*) FROM clicks WHERE created_at >= '${from}' AND created_at < date '${SPAN.to}' + 1 GROUP BY 1, 2)`;

/** The same figures asked of PostgreSQL; prices are today's bids there, as it keeps no history. */
export const POSTGRES_QUERIES: Readonly<Record<string, string>> = {
  ctr: `${COUNTS('0')} SELECT c.id, c.name, a.name, sum(i), sum(k), sum(k) / nullif(sum(i), 0)
    FROM campaign c LEFT JOIN e ON e.campaign_id = c.id LEFT JOIN advertiser a ON a.id = c.advertiser_id GROUP BY 1, 2, 3 ORDER BY 1`,
  daily: `${COUNTS("date_trunc('day', created_at)")} SELECT step, sum(i), sum(k), sum(k) / nullif(sum(i), 0) FROM e GROUP BY 1 ORDER BY 1`,
  hourly: `${COUNTS("date_trunc('hour', created_at)", LAST_WEEK)} SELECT step, sum(i), sum(k), sum(k) / nullif(sum(i), 0) FROM e GROUP BY 1 ORDER BY 1`,
  spend: `${COUNTS('0')} SELECT c.id, c.name, c.budget, sum(k) * c.bid AS spend, sum(k) * c.bid / nullif(c.budget, 0)
    FROM campaign c LEFT JOIN e ON e.campaign_id = c.id GROUP BY c.id ORDER BY spend DESC NULLS LAST`,
  advertisers: `${COUNTS('0')} SELECT a.id, a.name, count(DISTINCT c.id), sum(i), sum(k), sum(k * c.bid)
    FROM advertiser a LEFT JOIN campaign c ON c.advertiser_id = a.id LEFT JOIN e ON e.campaign_id = c.id GROUP BY 1 ORDER BY 1`,
};
