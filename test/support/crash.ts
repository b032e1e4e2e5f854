/** A pipeline that is killed at fail points, and what brings it to them. */
import { FAIL_POINT_TABLE, FAIL_POINTS, type FailOccasion, type FailPoint } from '../../src/pipeline/fail-points.ts';
import type { TemporaryPostgres } from './databases.ts';
import type { PipelineProcess } from './process.ts';
import { waitFor } from './wait.ts';

/** One transaction that moves events between buckets, changes prices and keys, and deletes. */
export const CHANGES = `
  BEGIN;
  UPDATE impressions SET campaign_id = 1 + id % 4, created_at = created_at - interval '3 hours' WHERE id % 5 = 0;
  UPDATE campaign SET bid = bid + 1 WHERE id IN (1, 2);
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 200) i;
  INSERT INTO clicks (campaign_id, created_at) SELECT 1 + i % 6, now() at time zone 'utc' + interval '1 hour' FROM generate_series(1, 100) i;
  DELETE FROM impressions WHERE id % 7 = 0;
  UPDATE clicks SET id = -id WHERE id % 3 = 0;
  COMMIT`;

/** Nothing that has an old state: the plan then names no bucket, recovery has to tell them from the rows. */
export const INSERTS = 'INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 100) i';

/** Empties all tables in the midst of other changes. */
export const TRUNCATE = `
  BEGIN; UPDATE impressions SET campaign_id = 2 WHERE id % 4 = 0; UPDATE campaign SET bid = bid + 1;
  TRUNCATE clicks, impressions, campaign, advertiser RESTART IDENTITY;
  INSERT INTO advertiser (name) VALUES ('again'), ('anew'); INSERT INTO campaign (name, bid, budget, advertiser_id) SELECT 'c' || i, i, 9, 1 + i % 2 FROM generate_series(1, 6) i;
  INSERT INTO impressions (campaign_id) SELECT 1 + i % 6 FROM generate_series(1, 300) i; INSERT INTO clicks (campaign_id) SELECT 1 + i % 3 FROM generate_series(1, 50) i; COMMIT`;

/** The fail points that something brings about, in the order of the protocol. */
export function failPointsOn(...occasions: readonly FailOccasion[]): FailPoint[] {
  return FAIL_POINTS.filter((point) => occasions.includes(FAIL_POINT_TABLE[point].on));
}

/** Repeats changes, at longer and longer intervals, until the process has died, or has not for a minute. */
export async function changeUntilDead(pg: TemporaryPostgres, pipeline: PipelineProcess, sql: string): Promise<void> {
  for (let seconds = 0.5; seconds <= 32 && pipeline.isRunning; seconds *= 2) {
    await pg.client.query(sql);
    await waitFor(() => !pipeline.isRunning, { what: 'its death', timeoutMs: seconds * 1000 }).catch(() => undefined);
  }
}
