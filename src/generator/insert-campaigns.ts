/** Inserts of advertisers and campaigns. */
import type pg from 'pg';
import { AppError } from '../model/errors.ts';
import { pgRows } from '../source/connection.ts';
import { advertiserName, drawCampaign, type CampaignValues } from './ad-values.ts';
import { randomStreams } from './random.ts';
import { requireRepeatable, requireWhole, type Repeatable } from './requirements.ts';
import { inTransaction } from './transaction.ts';

/** Rows of one INSERT. */
const INSERT_ROWS = 5000;

/** Adds advertisers, named on from those that are there. Returns their ids. */
export async function addAdvertisers(client: pg.Client, options: Repeatable & { count: number }): Promise<number[]> {
  requireRepeatable(options);
  requireWhole('the number of advertisers', options.count);
  return inTransaction(client, async () => nextAdvertisers(client, options.count, options.now));
}

/**
 * Adds campaigns to an advertiser. Returns their ids.
 *
 * @throws {AppError} `NOT_FOUND` when there is no such advertiser.
 */
export async function addCampaigns(
  client: pg.Client,
  options: Repeatable & { advertiserId: number; count: number },
): Promise<number[]> {
  requireRepeatable(options);
  requireWhole('the advertiser id', options.advertiserId, { min: 1 });
  requireWhole('the number of campaigns', options.count);
  const { advertiserId, count, now } = options;
  const random = randomStreams(options.seed)();
  return inTransaction(client, async () => {
    await requireRow(client, 'advertiser', advertiserId);
    const counted = await pgRows<{ n: string }>(
      client,
      'SELECT count(*) AS n FROM public.campaign WHERE advertiser_id = $1',
      [advertiserId],
    );
    const first = Number(counted[0]?.n) + 1;
    const values = Array.from({ length: count }, (_, index) =>
      drawCampaign(random, { advertiserId, number: first + index, today: now }),
    );
    return insertCampaigns(client, values, now);
  });
}

/** Inserts `count` advertisers, named on from those that are there; part of the caller's transaction. */
export async function nextAdvertisers(client: pg.Client, count: number, createdAt: Date): Promise<number[]> {
  const counted = await pgRows<{ n: string }>(client, 'SELECT count(*) AS n FROM public.advertiser');
  const first = Number(counted[0]?.n);
  const names = Array.from({ length: count }, (_, index) => advertiserName(first + index));
  return insertAdvertisers(client, names, createdAt);
}

/** Inserts advertisers; part of the caller's transaction. Returns their ids in the order of the names. */
export async function insertAdvertisers(
  client: pg.Client,
  names: readonly string[],
  createdAt: Date,
): Promise<number[]> {
  return inBlocks(names, async (block) =>
    pgRows(
      client,
      `INSERT INTO public.advertiser (name, created_at)
       SELECT name, $2::timestamp FROM unnest($1::text[]) WITH ORDINALITY AS new (name, n) ORDER BY n
       RETURNING id`,
      [block, timestampText(createdAt)],
    ),
  );
}

/** Inserts campaigns; part of the caller's transaction. Returns their ids in the order of the values. */
export async function insertCampaigns(
  client: pg.Client,
  campaigns: readonly CampaignValues[],
  createdAt: Date,
): Promise<number[]> {
  return inBlocks(campaigns, async (block) =>
    pgRows(
      client,
      `INSERT INTO public.campaign (advertiser_id, name, bid, budget, start_date, end_date, created_at)
       SELECT advertiser_id, name, bid, budget, start_date, end_date, $7::timestamp
       FROM unnest($1::int[], $2::text[], $3::numeric[], $4::numeric[], $5::date[], $6::date[]) WITH ORDINALITY
         AS new (advertiser_id, name, bid, budget, start_date, end_date, n)
       ORDER BY n
       RETURNING id`,
      [
        block.map((campaign) => campaign.advertiserId),
        block.map((campaign) => campaign.name),
        block.map((campaign) => campaign.bid),
        block.map((campaign) => campaign.budget),
        block.map((campaign) => campaign.startDate),
        block.map((campaign) => campaign.endDate),
        timestampText(createdAt),
      ],
    ),
  );
}

/**
 * Makes sure that the row is there and stays until the transaction ends.
 *
 * @throws {AppError} `NOT_FOUND`.
 */
export async function requireRow(client: pg.Client, table: 'advertiser' | 'campaign', id: number): Promise<void> {
  const rows = await pgRows(client, `SELECT id FROM public.${table} WHERE id = $1 FOR KEY SHARE`, [id]);
  if (rows.length === 0) throw new AppError('NOT_FOUND', `there is no ${table} with id ${id}`, { details: { id } });
}

/** A time as PostgreSQL's `timestamp`, in UTC. */
function timestampText(time: Date): string {
  return time.toISOString().replace('Z', '');
}

async function inBlocks<Item>(
  items: readonly Item[],
  insert: (block: Item[]) => Promise<Record<string, string | null>[]>,
): Promise<number[]> {
  const ids: number[] = [];
  for (let start = 0; start < items.length; start += INSERT_ROWS) {
    const rows = await insert(items.slice(start, start + INSERT_ROWS));
    for (const row of rows) ids.push(Number(row['id']));
  }
  return ids;
}
