import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLICK_DELAY_US, clickEvents, impressionEvents, type EventPlan } from './event-stream.ts';
import { evenTimes } from './event-times.ts';
import { randomStreams } from './random.ts';

const plans = fc
  .tuple(fc.integer({ min: 0, max: 300 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(10_000))
  .map(([impressions, ratio, seed]): EventPlan => {
    const times = evenTimes({ from: 1_000_000_000, to: 2_000_000_000_000 });
    return {
      campaignId: 7,
      impressions,
      clicks: Math.floor(impressions * ratio),
      times,
      random: randomStreams(seed)(),
    };
  });

test('GIVEN any plan WHEN both tables are walked THEN the counts are exact and each click follows an impression', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const impressions = [...impressionEvents([plan])];
      const clicks = [...clickEvents([plan])];
      expect(impressions).toHaveLength(plan.impressions);
      expect(clicks).toHaveLength(plan.clicks);
      let from = 0;
      for (const click of clicks) {
        // Clicks come in the order of their impressions, one for each at most.
        const index = impressions.findIndex(
          ({ micros }, at) =>
            at >= from && click.micros - micros >= CLICK_DELAY_US.min && click.micros - micros <= CLICK_DELAY_US.max,
        );
        expect(index).toBeGreaterThanOrEqual(from);
        from = index + 1;
      }
    }),
  );
});

test('GIVEN a plan WHEN walked twice THEN the events are the same', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      expect([...impressionEvents([plan])]).toEqual([...impressionEvents([plan])]);
      expect([...clickEvents([plan])]).toEqual([...clickEvents([plan])]);
    }),
  );
});

test('GIVEN several plans WHEN walked THEN they come one after the other', () => {
  const times = evenTimes({ from: 0, to: 1000 });
  const streams = randomStreams(1);
  const list = [1, 2].map((campaignId) => ({ campaignId, impressions: 2, clicks: 1, times, random: streams() }));
  expect([...impressionEvents(list)].map((event) => event.campaignId)).toEqual([1, 1, 2, 2]);
  expect([...clickEvents(list)].map((event) => event.campaignId)).toEqual([1, 2]);
});
