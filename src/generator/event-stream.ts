/**
 * The impressions and clicks of campaigns as streams that can be drawn again.
 *
 * A click belongs to an impression of the same campaign and comes 1–120 s after it. COPY fills one table at a
 * time, so a batch walks its events twice, once for each table: the same seed gives the same events both times
 * and nothing has to be kept in memory.
 */
import { SECOND_US, type EventTimes } from './event-times.ts';
import { chance, wholeBetween, type Random } from './random.ts';

/** One row of `impressions` or `clicks`. */
export interface AdEvent {
  readonly campaignId: number;
  /** `created_at`, in µs since 1970, UTC. */
  readonly micros: number;
}

/** What to generate for one campaign. */
export interface EventPlan {
  readonly campaignId: number;
  readonly impressions: number;
  /** At most as many as impressions. */
  readonly clicks: number;
  readonly times: EventTimes;
  /** A fresh stream of this campaign: both walks start from the same number. */
  readonly random: Random;
}

/** The shortest and the longest time from an impression to its click, in µs. */
export const CLICK_DELAY_US = { min: SECOND_US, max: 120 * SECOND_US } as const;

/** How many of `impressions` are clicked at this ratio (0 … 1). */
export function clicksOf(impressions: number, ratio: number): number {
  return Math.round(impressions * ratio);
}

/** The impressions of all plans, plan by plan. */
export function* impressionEvents(plans: Iterable<EventPlan>): Generator<AdEvent, void> {
  for (const plan of plans) {
    for (const { impression } of walk(plan)) yield { campaignId: plan.campaignId, micros: impression };
  }
}

/** The clicks of all plans, plan by plan. */
export function* clickEvents(plans: Iterable<EventPlan>): Generator<AdEvent, void> {
  for (const plan of plans) {
    for (const { click } of walk(plan)) {
      if (click !== undefined) yield { campaignId: plan.campaignId, micros: click };
    }
  }
}

/**
 * Each impression with its click, if it has one. Exactly `plan.clicks` of them do, every choice of so many
 * being equally likely.
 *
 * @see Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm S (selection sampling).
 */
function* walk(plan: EventPlan): Generator<{ impression: number; click: number | undefined }, void> {
  const random = plan.random.clone();
  let wanted = plan.clicks;
  for (let left = plan.impressions; left > 0; left--) {
    const impression = plan.times.draw(random);
    const isClicked = chance(random, wanted / left);
    if (isClicked) wanted--;
    const delay = isClicked ? wholeBetween(random, CLICK_DELAY_US.min, CLICK_DELAY_US.max) : undefined;
    yield { impression, click: delay === undefined ? undefined : impression + delay };
  }
}
