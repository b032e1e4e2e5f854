/** Impressions and clicks of one campaign, on request. */
import type pg from 'pg';
import { pgRows } from '../source/connection.ts';
import { copyEvents, type RowsWritten } from './copy-events.ts';
import { CLICK_DELAY_US, clicksOf, impressionEvents } from './event-stream.ts';
import { evenTimes, windowBefore } from './event-times.ts';
import { requireRow } from './insert-campaigns.ts';
import { randomStreams } from './random.ts';
import { requireRatio, requireRepeatable, requireWhole, type Repeatable } from './requirements.ts';
import { inTransaction } from './transaction.ts';

/**
 * Adds impressions to a campaign, spread evenly over the past `days`. Returns their number.
 *
 * @throws {AppError} `NOT_FOUND` when there is no such campaign.
 */
export async function addImpressions(
  client: pg.Client,
  options: Repeatable & {
    campaignId: number;
    count: number;
    days: number;
    onRows?: RowsWritten | undefined;
    signal?: AbortSignal;
  },
): Promise<number> {
  requireRepeatable(options);
  requireWhole('the campaign id', options.campaignId, { min: 1 });
  requireWhole('the number of impressions', options.count);
  requireDays(options.days);
  const { campaignId, count, onRows } = options;
  const times = evenTimes(windowBefore(options.now, options.days));
  const random = randomStreams(options.seed)();
  const events = impressionEvents([{ campaignId, impressions: count, clicks: 0, times, random }]);
  return inTransaction(client, async () => {
    await requireRow(client, 'campaign', campaignId);
    return copyEvents(client, 'impressions', { events, onRows, signal: options.signal });
  });
}

/** A sample of the impressions by a hash of id and seed: repeatable, and drawn where the rows are. */
const CLICK_SAMPLE = `
  INSERT INTO public.clicks (campaign_id, created_at)
  SELECT campaign_id, created_at + interval '1 microsecond' * ($5 + abs(draw % ($6::bigint - $5::bigint + 1)))
  FROM (
    SELECT id, campaign_id, created_at, hashint8extended(hashint8extended(id, $2), $2) AS draw
    FROM public.impressions
    WHERE campaign_id = $1 AND created_at IS NOT NULL AND id <= $4
    ORDER BY hashint8extended(id, $2), id
    LIMIT $3
  ) AS sample
  ORDER BY id`;

/**
 * Adds clicks to a sample of a campaign's impressions, each 1–120 s after its impression.
 * Every call samples from all impressions, so several calls may click the same one again.
 *
 * @param options `ratio`: clicks per impression, 0 … 1.
 * @returns The impressions sampled from and the clicks added.
 * @throws {AppError} `NOT_FOUND` when there is no such campaign.
 */
export async function addClicks(
  client: pg.Client,
  options: { campaignId: number; ratio: number; seed: number },
): Promise<{ impressions: number; clicks: number }> {
  const { campaignId, ratio, seed } = options;
  requireWhole('the campaign id', campaignId, { min: 1 });
  requireRatio('the ratio', ratio);
  requireRepeatable({ seed, now: new Date(0) });
  return inTransaction(client, async () => {
    await requireRow(client, 'campaign', campaignId);
    const rows = await pgRows<{ n: string; last: string | null }>(
      client,
      `SELECT count(*) AS n, max(id) AS last FROM public.impressions
       WHERE campaign_id = $1 AND created_at IS NOT NULL`,
      [campaignId],
    );
    const impressions = Number(rows[0]?.n);
    const clicks = clicksOf(impressions, ratio);
    if (clicks === 0) return { impressions, clicks };
    const { min, max } = CLICK_DELAY_US;
    const parameters = [campaignId, seed, clicks, rows[0]?.last, min, max];
    const result = await client.query(CLICK_SAMPLE, parameters);
    return { impressions, clicks: result.rowCount ?? 0 };
  });
}

/** @throws {AppError} `USAGE` when events cannot be spread over so many days. */
export function requireDays(days: number): void {
  requireWhole('the number of days', days, { min: 1, max: 3660 });
}
