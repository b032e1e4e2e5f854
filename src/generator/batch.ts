/** A batch: advertisers, their campaigns, and the events of these, in one transaction. */
import type pg from 'pg';
import { drawCampaign } from './ad-values.ts';
import { requireDays } from './add-events.ts';
import { copyEvents } from './copy-events.ts';
import { apportion, zipfWeights } from './distributions.ts';
import { clickEvents, clicksOf, impressionEvents, type EventPlan } from './event-stream.ts';
import { evenTimes, rhythmicTimes, windowBefore } from './event-times.ts';
import { insertCampaigns, nextAdvertisers } from './insert-campaigns.ts';
import { randomStreams, shuffled, type Random } from './random.ts';
import { MAX_COUNT, requireRatio, requireRepeatable, requireWhole, type Repeatable } from './requirements.ts';
import { inTransaction } from './transaction.ts';

/** What to generate. */
export interface BatchOptions extends Repeatable {
  readonly advertisers: number;
  /** Campaigns of each advertiser. */
  readonly campaigns: number;
  /** Impressions of each campaign; with `skew`, on average. */
  readonly impressions: number;
  /** Clicks per impression, 0 … 1. */
  readonly ctr: number;
  /** Impressions lie in the `days` before `now`. */
  readonly days: number;
  /** Few campaigns get most of the traffic (Zipf), and it follows the rhythm of the day. */
  readonly skew: boolean;
  readonly onProgress?: Progress | undefined;
  /** Stops the work: nothing is written. */
  readonly signal?: AbortSignal | undefined;
}

/** Called as rows are written; `total` is of impressions and clicks together. */
export type Progress = (progress: { done: number; total: number }) => void;

/** What was written. */
export interface BatchResult {
  readonly advertisers: number;
  readonly campaigns: number;
  readonly impressions: number;
  readonly clicks: number;
}

/** How much each campaign gets. */
interface Share {
  readonly impressions: number;
  readonly clicks: number;
}

/** Generates a batch. On any error nothing is written. */
export async function addBatch(client: pg.Client, options: BatchOptions): Promise<BatchResult> {
  requireBatch(options);
  const streams = randomStreams(options.seed);
  const valuesRandom = streams();
  const shares = campaignShares(options, streams());
  return inTransaction(client, async () => {
    const advertiserIds = await nextAdvertisers(client, options.advertisers, options.now);
    const campaigns = advertiserIds.flatMap((advertiserId) =>
      Array.from({ length: options.campaigns }, (_, index) =>
        drawCampaign(valuesRandom, { advertiserId, number: index + 1, today: options.now }),
      ),
    );
    const campaignIds = await insertCampaigns(client, campaigns, options.now);
    const window = windowBefore(options.now, options.days);
    const times = options.skew ? rhythmicTimes(window) : evenTimes(window);
    const plans = campaignIds.map((campaignId, index): EventPlan => {
      const share = shares[index] as Share;
      return { campaignId, ...share, times, random: streams() };
    });
    const written = await writeEvents(client, plans, options);
    return { advertisers: advertiserIds.length, campaigns: campaignIds.length, ...written };
  });
}

/** Writes the impressions and then the clicks of the plans, within the caller's transaction. */
export async function writeEvents(
  client: pg.Client,
  plans: readonly EventPlan[],
  { onProgress, signal }: Pick<BatchOptions, 'onProgress' | 'signal'>,
): Promise<{ impressions: number; clicks: number }> {
  const total = plans.reduce((sum, plan) => sum + plan.impressions + plan.clicks, 0);
  const impressions = await copyEvents(client, 'impressions', {
    events: impressionEvents(plans),
    signal,
    onRows: (rows) => onProgress?.({ done: rows, total }),
  });
  const clicks = await copyEvents(client, 'clicks', {
    events: clickEvents(plans),
    signal,
    onRows: (rows) => onProgress?.({ done: impressions + rows, total }),
  });
  return { impressions, clicks };
}

/** The events of each campaign: all alike, or by Zipf's law in a random order of campaigns. */
function campaignShares(options: BatchOptions, random: Random): Share[] {
  const campaigns = options.advertisers * options.campaigns;
  const weights = options.skew ? shuffled(random, zipfWeights(campaigns)) : zipfWeights(campaigns, 0);
  return apportion(campaigns * options.impressions, weights).map((impressions) => ({
    impressions,
    clicks: clicksOf(impressions, options.ctr),
  }));
}

/** The most campaigns of one batch: their values are held in memory, other than events. */
const MAX_CAMPAIGNS = 100_000;

function requireBatch(options: BatchOptions): void {
  requireRepeatable(options);
  requireWhole('the number of advertisers', options.advertisers, { max: MAX_CAMPAIGNS });
  requireWhole('the number of campaigns per advertiser', options.campaigns, { max: MAX_CAMPAIGNS });
  requireWhole('the number of impressions per campaign', options.impressions);
  requireRatio('the click-through rate', options.ctr);
  requireDays(options.days);
  const campaigns = options.advertisers * options.campaigns;
  requireWhole('the number of campaigns of a batch', campaigns, { max: MAX_CAMPAIGNS });
  requireWhole('the number of impressions of a batch', campaigns * options.impressions, { max: MAX_COUNT });
}
