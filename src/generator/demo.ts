/** The data that a first start shows: two weeks of an ad platform, with the cases that its key figures must master. */
import type pg from 'pg';
import {
  advertiserName,
  campaignName,
  dateAfter,
  DAY_MS,
  drawBid,
  drawBudget,
  money,
  type CampaignValues,
} from './ad-values.ts';
import { writeEvents, type BatchResult, type Progress } from './batch.ts';
import { apportion, zipfWeights } from './distributions.ts';
import { clicksOf, type EventPlan } from './event-stream.ts';
import { rhythmicTimes, windowBefore } from './event-times.ts';
import { insertAdvertisers, insertCampaigns } from './insert-campaigns.ts';
import { fraction, randomStreams, shuffled, wholeBetween, type Random } from './random.ts';
import { requireRepeatable } from './requirements.ts';
import { inTransaction } from './transaction.ts';
import { pgRows } from '../source/connection.ts';

const ADVERTISERS = 6;
/** Days of traffic. */
const DAYS = 14;
const IMPRESSIONS = 200_000;

/** Where in its life a campaign is: first and last day against today, and whether it is served at all. */
interface Flight {
  readonly count: number;
  /** The range of the first day. */
  readonly start: readonly [number, number];
  /** The range of the last day; null runs without end. */
  readonly end: readonly [number, number] | null;
  readonly served: boolean;
}

/** 24 campaigns. Idle ones run and get no impression: somebody must notice. */
const FLIGHTS: readonly Flight[] = [
  { count: 13, start: [-13, -3], end: [5, 21], served: true },
  { count: 2, start: [-13, -10], end: null, served: true },
  { count: 5, start: [-13, -8], end: [-6, -1], served: true },
  { count: 2, start: [2, 6], end: [14, 30], served: false },
  { count: 2, start: [-4, -2], end: [8, 14], served: false },
];

/** A campaign to be, with its traffic. */
interface DemoCampaign {
  readonly values: CampaignValues;
  readonly impressions: number;
  readonly clicks: number;
  /** First and last day against today, both included. */
  readonly days: readonly [number, number];
}

/**
 * Whether the four tables have no row.
 *
 * @throws {AppError} `POSTGRES_FAILED` when one of them is not there.
 */
export async function isSourceEmpty(client: pg.Client): Promise<boolean> {
  const rows = await pgRows<{ filled: string }>(
    client,
    `SELECT EXISTS (SELECT FROM public.advertiser) OR EXISTS (SELECT FROM public.campaign)
         OR EXISTS (SELECT FROM public.impressions) OR EXISTS (SELECT FROM public.clicks) AS filled`,
  );
  return rows[0]?.filled === 'f';
}

/**
 * Writes the demonstration: 6 advertisers, 24 campaigns (running, open-ended, ended, scheduled, idle), about
 * 200 000 impressions over 14 days, few campaigns having most of them, with click-through rates of 2–10 %.
 * Budgets fit what the campaigns spend at a price per click: some are on course, some below, some above.
 *
 * @param options `now` defaults to this moment; the same seed and `now` give the same rows.
 */
export async function seedDemo(
  client: pg.Client,
  options: { seed: number; now?: Date; onProgress?: Progress | undefined; signal?: AbortSignal | undefined },
): Promise<BatchResult> {
  const now = options.now ?? new Date();
  requireRepeatable({ seed: options.seed, now });
  const streams = randomStreams(options.seed);
  const random = streams();
  return inTransaction(client, async () => {
    const since = new Date(now.getTime() - 30 * DAY_MS);
    const names = Array.from({ length: ADVERTISERS }, (_, index) => advertiserName(index));
    const advertiserIds = await insertAdvertisers(client, names, since);
    const campaigns = drawCampaigns(random, advertiserIds, now);
    const values = campaigns.map((campaign) => campaign.values);
    const campaignIds = await insertCampaigns(client, values, since);
    const plans = campaigns.flatMap(({ impressions, clicks, days }, index): EventPlan[] => {
      const campaignId = campaignIds[index] as number;
      if (impressions === 0) return [];
      return [{ campaignId, impressions, clicks, times: flightTimes(days, now), random: streams() }];
    });
    const written = await writeEvents(client, plans, options);
    return { advertisers: advertiserIds.length, campaigns: campaignIds.length, ...written };
  });
}

function drawCampaigns(random: Random, advertiserIds: readonly number[], now: Date): DemoCampaign[] {
  const flights = shuffled(
    random,
    FLIGHTS.flatMap((flight) => Array.from({ length: flight.count }, () => flight)),
  );
  const weights = shuffled(random, zipfWeights(flights.length, 0.9));
  const drawn = flights.map((flight, index) => {
    const days = flightDays(random, flight);
    const served = flight.served ? servedDays(days) : 0;
    return { flight, days, weight: (weights[index] as number) * served };
  });
  const shares = apportion(
    IMPRESSIONS,
    drawn.map(({ weight }) => weight),
  );
  const perAdvertiser = new Map<number, number>();
  return drawn.map(({ flight, days }, index) => {
    const advertiserId = advertiserIds[index % advertiserIds.length] as number;
    const number = (perAdvertiser.get(advertiserId) ?? 0) + 1;
    perAdvertiser.set(advertiserId, number);
    const impressions = shares[index] as number;
    const clicks = clicksOf(impressions, 0.02 + 0.08 * fraction(random));
    const bid = drawBid(random);
    const values: CampaignValues = {
      advertiserId,
      name: campaignName(advertiserId, number),
      bid,
      budget: drawFittingBudget(random, { spend: Number(bid) * clicks, days }),
      startDate: dateAfter(now, days[0]),
      endDate: flight.end === null ? null : dateAfter(now, days[1]),
    };
    return { values, impressions, clicks, days };
  });
}

function flightDays(random: Random, flight: Flight): readonly [number, number] {
  const start = wholeBetween(random, ...flight.start);
  return [start, flight.end === null ? 30 : wholeBetween(random, ...flight.end)];
}

/** Days of the flight among those with traffic: at least one, as every served flight reaches into them. */
function servedDays([first, last]: readonly [number, number]): number {
  return Math.max(1, Math.min(last, 0) - Math.max(first, -DAYS) + 1);
}

/** A budget for the whole flight: any without traffic, else 0.7–1.6 times what it would spend at its present pace, in full tens. */
function drawFittingBudget(random: Random, campaign: { spend: number; days: readonly [number, number] }): string {
  if (campaign.spend === 0) return drawBudget(random);
  const length = campaign.days[1] - campaign.days[0] + 1;
  const whole = (campaign.spend * length) / servedDays(campaign.days);
  const factor = 0.7 + 0.9 * fraction(random);
  return money(Math.max(5, Math.round((whole * factor) / 10)) * 1000);
}

/** The times of a flight: within its days and the last two weeks, by the rhythm of the day. */
function flightTimes([first, last]: readonly [number, number], now: Date): EventPlan['times'] {
  const midnight = Date.parse(dateAfter(now, 0)) * 1000;
  const { from, to } = windowBefore(now, DAYS);
  const day = DAY_MS * 1000;
  return rhythmicTimes({
    from: Math.max(from, midnight + first * day),
    to: Math.min(to, midnight + (last + 1) * day),
  });
}
