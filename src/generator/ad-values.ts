/** Names, money and flights of advertisers and campaigns. */
import { wholeBetween, type Random } from './random.ts';

/** Milliseconds of a day. */
export const DAY_MS = 86_400_000;

/** The values of a new campaign; money as decimal text, dates as `YYYY-MM-DD`. */
export interface CampaignValues {
  readonly advertiserId: number;
  readonly name: string;
  readonly bid: string;
  readonly budget: string;
  readonly startDate: string | null;
  readonly endDate: string | null;
}

/** The name of the n-th advertiser (from 0): `Advertiser A` … `Advertiser Z`, `Advertiser AA` … */
export function advertiserName(index: number): string {
  return `Advertiser ${letters(index)}`;
}

/** The name of an advertiser's n-th campaign (from 1): `Campaign_7_1`. */
export function campaignName(advertiserId: number, number: number): string {
  return `Campaign_${advertiserId}_${number}`;
}

/** A campaign that starts today and runs 7–30 days, with a bid of 0.50–5.00 and a budget of 50.00–500.00. */
export function drawCampaign(
  random: Random,
  campaign: { advertiserId: number; number: number; today: Date },
): CampaignValues {
  return {
    advertiserId: campaign.advertiserId,
    name: campaignName(campaign.advertiserId, campaign.number),
    bid: drawBid(random),
    budget: drawBudget(random),
    startDate: dateAfter(campaign.today, 0),
    endDate: dateAfter(campaign.today, wholeBetween(random, 7, 30)),
  };
}

/** A bid of 0.50–5.00. */
export function drawBid(random: Random): string {
  return money(wholeBetween(random, 50, 500));
}

/** A budget of 50.00–500.00. */
export function drawBudget(random: Random): string {
  return money(wholeBetween(random, 5_000, 50_000));
}

/** Cents as decimal text with two places: 505 → `5.05`. */
export function money(cents: number): string {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}

/** The UTC date `days` after `today`'s, as `YYYY-MM-DD`. */
export function dateAfter(today: Date, days: number): string {
  return new Date(today.getTime() + days * DAY_MS).toISOString().slice(0, 10);
}

/** A, B … Z, AA, AB …: whole numbers from 0 in letters, as spreadsheets name columns. */
function letters(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}
