/**
 * Finds out which campaigns' events a batch of price changes makes worth something else: their rollup
 * buckets are recomputed from the mirror once the new prices are loaded.
 */
import { chIdent } from '../model/quote.ts';
import type { ClickHouse } from './client.ts';
import type { Names } from './ddl.ts';

/** One new state of a campaign, in the order of the stream. */
export interface PriceChange {
  readonly campaignId: number;
  /** The bid, unscaled (in hundredths). */
  readonly bid: bigint;
  /** Hour since 1970 in which it was committed. */
  readonly hour: number;
}

/** What a batch of price changes means. */
export interface PriceEffect {
  /** The dictionary of prices is out of date. */
  readonly reload: boolean;
  /** Campaigns whose events from that hour on have another price than before. */
  readonly repriced: { campaignId: number; sinceHour: number }[];
}

/**
 * Compares new states with what the history has.
 *
 * A campaign's first price holds since ever. Its events, if any are there already, had none: then all of
 * them are repriced.
 */
export async function priceEffect(
  clickhouse: ClickHouse,
  names: Names,
  changes: readonly PriceChange[],
): Promise<PriceEffect> {
  if (changes.length === 0) return { reload: false, repriced: [] };
  const ids = [...new Set(changes.map((change) => change.campaignId))];
  const known = await knownBids(clickhouse, names, ids);
  const unknown = ids.filter((id) => !known.has(id));
  const firstHours = await firstEventHours(clickhouse, names, unknown);
  const since = new Map(firstHours);
  const bids = new Map(known);
  let reload = unknown.length > 0;
  for (const { campaignId, bid, hour } of changes) {
    const before = bids.get(campaignId);
    bids.set(campaignId, bid);
    if (before === undefined || before === bid) continue;
    reload = true;
    since.set(campaignId, Math.min(since.get(campaignId) ?? hour, hour));
  }
  return { reload, repriced: [...since].map(([campaignId, sinceHour]) => ({ campaignId, sinceHour })) };
}

async function knownBids(clickhouse: ClickHouse, names: Names, ids: readonly number[]): Promise<Map<number, bigint>> {
  const rows = await clickhouse.rows<{ id: number; bid: string }>(
    `SELECT id, toInt64(argMax(bid, _version) * 100) AS bid FROM ${chIdent(names.database)}.campaign_history
     WHERE id IN {ids:Array(Int32)} AND _deleted = 0 GROUP BY id`,
    { params: { ids } },
  );
  return new Map(rows.map((row) => [row.id, BigInt(row.bid)]));
}

/** The first hour with events of each campaign that has any; the earliest hour there is for those without a time. */
async function firstEventHours(
  clickhouse: ClickHouse,
  names: Names,
  ids: readonly number[],
): Promise<Map<number, number>> {
  if (ids.length === 0) return new Map();
  const rows = await clickhouse.rows<{ id: number; hour: string | null }>(
    `SELECT assumeNotNull(campaign_id) AS id, intDiv(toUnixTimestamp64Micro(toDateTime64(min(hour), 6, 'UTC')), 3600000000) AS hour
     FROM ${chIdent(names.database)}.campaign_hourly WHERE campaign_id IN {ids:Array(Int32)} GROUP BY campaign_id`,
    { params: { ids } },
  );
  return new Map(rows.map((row) => [row.id, Number(row.hour ?? 0) - 1]));
}
