/** What is in the source: counts, and a table of its campaigns. */
import type pg from 'pg';
import { pgRows } from '../source/connection.ts';

/** One campaign with its events. */
export interface CampaignStatistics {
  readonly id: number;
  readonly name: string;
  readonly advertiser: string | null;
  /** Money as decimal text. */
  readonly bid: string;
  readonly budget: string;
  readonly impressions: number;
  readonly clicks: number;
  /** Clicks per impression; null without impressions. */
  readonly ctr: number | null;
}

/** The whole source. Events of no campaign are in the totals only. */
export interface SourceStatistics {
  readonly advertisers: number;
  readonly campaigns: number;
  readonly impressions: number;
  readonly clicks: number;
  /** Clicks per impression; null without impressions. */
  readonly ctr: number | null;
  readonly perCampaign: readonly CampaignStatistics[];
}

/** Each table is counted once; the counts are joined, never the events. */
const PER_CAMPAIGN = `
  SELECT c.id, c.name, a.name AS advertiser, c.bid, c.budget,
         coalesce(i.n, 0) AS impressions, coalesce(k.n, 0) AS clicks
  FROM public.campaign AS c
  LEFT JOIN public.advertiser AS a ON a.id = c.advertiser_id
  LEFT JOIN (SELECT campaign_id, count(*) AS n FROM public.impressions GROUP BY 1) AS i ON i.campaign_id = c.id
  LEFT JOIN (SELECT campaign_id, count(*) AS n FROM public.clicks GROUP BY 1) AS k ON k.campaign_id = c.id
  ORDER BY c.id`;

const TOTALS = `
  SELECT (SELECT count(*) FROM public.advertiser) AS advertisers, (SELECT count(*) FROM public.campaign) AS campaigns,
         (SELECT count(*) FROM public.impressions) AS impressions, (SELECT count(*) FROM public.clicks) AS clicks`;

/** Counts the source, all of it as of one moment. */
export async function readStatistics(client: pg.Client): Promise<SourceStatistics> {
  await pgRows(client, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    const [totals] = await pgRows(client, TOTALS);
    const rows = await pgRows(client, PER_CAMPAIGN);
    const count = (name: string): number => Number(totals?.[name]);
    return {
      advertisers: count('advertisers'),
      campaigns: count('campaigns'),
      impressions: count('impressions'),
      clicks: count('clicks'),
      ctr: ratio(count('clicks'), count('impressions')),
      perCampaign: rows.map((row) => campaignStatistics(row)),
    };
  } finally {
    await pgRows(client, 'ROLLBACK');
  }
}

function campaignStatistics(row: Record<string, string | null>): CampaignStatistics {
  const impressions = Number(row['impressions']);
  const clicks = Number(row['clicks']);
  return {
    id: Number(row['id']),
    name: String(row['name']),
    advertiser: row['advertiser'] ?? null,
    bid: String(row['bid']),
    budget: String(row['budget']),
    impressions,
    clicks,
    ctr: ratio(clicks, impressions),
  };
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
