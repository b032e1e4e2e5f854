import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { land, type LandingRow, temporaryAdCopy } from '../../test/support/ad-copy.ts';
import type { TemporaryClickHouse } from '../../test/support/databases.ts';
import { priceEffect } from './prices.ts';
import { differences, reconcile, reloadPrices } from './rollups.ts';

const CLEAN = { all: false, impressions: [], clicks: [], repriced: [] };
const FACTS = ['impressions', 'clicks'] as const;
const HOURS = 6;

/** An event as the source has it: a campaign or none, minutes since the start or no time. */
interface Event {
  readonly campaign: number | null;
  readonly minute: number | null;
}

type Step =
  | { readonly kind: 'put'; readonly fact: 0 | 1; readonly id: number; readonly event: Event }
  | { readonly kind: 'delete'; readonly fact: 0 | 1; readonly id: number }
  | { readonly kind: 'price'; readonly campaign: number; readonly cents: number; readonly minute: number }
  | { readonly kind: 'damage'; readonly event: Event; readonly by: number };

/** In 1912, so that hours are negative. */
const aMinute = fc.integer({ min: -30_000_000, max: -30_000_000 + HOURS * 60 });
const anEvent: fc.Arbitrary<Event> = fc.record({
  campaign: fc.option(fc.integer({ min: 1, max: 3 })),
  minute: fc.option(aMinute),
});
const aFact = fc.constantFrom(0 as const, 1 as const);
const anId = fc.integer({ min: 1, max: 8 });
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('put' as const), fact: aFact, id: anId, event: anEvent }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant('delete' as const), fact: aFact, id: anId }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constant('price' as const),
      campaign: fc.integer({ min: 1, max: 3 }),
      cents: fc.integer({ min: 0, max: 500 }),
      minute: aMinute,
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ kind: fc.constant('damage' as const), event: anEvent, by: fc.constantFrom(-2, 3) }),
    weight: 1,
  },
);

let ch: TemporaryClickHouse;
beforeAll(async () => {
  ch = await temporaryAdCopy();
});
afterAll(async () => ch[Symbol.asyncDispose]());

const time = (minute: number): string => new Date(minute * 60_000).toISOString().replace('T', ' ').replace('Z', '');
const columns = (id: number, { campaign, minute }: Event): LandingRow => ({
  id,
  campaign_id: campaign,
  created_at: minute === null ? null : time(minute),
});

/** The writer of these tests: what a pipeline does, one step at a time. */
class Writer {
  readonly #state = [new Map<number, Event>(), new Map<number, Event>()] as const;
  #version = 0;

  async apply(step: Step): Promise<void> {
    this.#version += 10;
    if (step.kind === 'damage') await this.#damage(step.event, step.by);
    else if (step.kind === 'price') await this.#price(step);
    else await this.#event(step);
  }

  async #event(step: Extract<Step, { kind: 'put' | 'delete' }>): Promise<void> {
    const state = this.#state[step.fact];
    const old = state.get(step.id);
    const _version = this.#version;
    const rows: LandingRow[] = [];
    if (step.kind === 'put') {
      if (old !== undefined) rows.push({ ...columns(step.id, old), _version, _raw: 0, _sign: -1 });
      rows.push({ ...columns(step.id, step.event), _version });
      state.set(step.id, step.event);
    } else if (old !== undefined) {
      rows.push({ ...columns(step.id, old), _version, _deleted: 1, _sign: -1 });
      state.delete(step.id);
    }
    await land(ch, FACTS[step.fact], rows);
  }

  async #price({ campaign, cents, minute }: Extract<Step, { kind: 'price' }>): Promise<void> {
    const change = { campaignId: campaign, bid: BigInt(cents), hour: Math.floor(minute / 60) };
    const effect = await priceEffect(ch.client, ch, [change]);
    const bid = (cents / 100).toFixed(2);
    await land(ch, 'campaign', [
      { id: campaign, name: 'c', bid, budget: '9', _version: this.#version, _committed_at: time(minute) },
    ]);
    if (effect.reload) await reloadPrices(ch.client, ch);
    await reconcile(ch.client, ch, { ...CLEAN, repriced: effect.repriced });
  }

  async #damage({ campaign, minute }: Event, by: number): Promise<void> {
    const hour = minute === null ? null : Math.floor(minute / 60);
    const bucket = { campaignId: campaign, hour };
    await ch.client.command(
      `INSERT INTO ${ch.database}.campaign_hourly VALUES ({c:Nullable(Int32)}, fromUnixTimestamp64Second({h:Nullable(Int64)}), {by:Int64}, 0, {by:Int64}, 0)`,
      {
        params: { c: campaign, h: hour === null ? null : hour * 3600, by },
        settings: { deduplicate_insert: 'disable' },
      },
    );
    expect(await differences(ch.client, ch)).toBe(1);
    expect(await reconcile(ch.client, ch, { ...CLEAN, impressions: [bucket], clicks: [bucket] })).toBe(1);
  }

  /** Events per fact, campaign and hour. */
  counts(): string[] {
    const found = new Map<string, number>();
    for (const [fact, state] of this.#state.entries()) {
      for (const { campaign, minute } of state.values()) {
        const key = `${fact} ${campaign} ${minute === null ? null : Math.floor(minute / 60)}`;
        found.set(key, (found.get(key) ?? 0) + 1);
      }
    }
    return [...found].map(([key, n]) => `${key} ${n}`).toSorted();
  }
}

async function rollupCounts(): Promise<string[]> {
  const rows = await ch.client.rows<Record<'c' | 'h' | 'i' | 'k', string | number | null>>(
    `SELECT campaign_id AS c, intDiv(toUnixTimestamp64Second(hour), 3600) AS h, sum(impressions) AS i, sum(clicks) AS k
     FROM ${ch.database}.campaign_hourly GROUP BY c, h`,
  );
  const counts = rows.flatMap(({ c, h, i, k }) => [`0 ${c} ${h} ${i}`, `1 ${c} ${h} ${k}`]);
  return counts.filter((text) => !text.endsWith(' 0')).toSorted();
}

test('GIVEN random changes, price changes and damage THEN the rollup equals the model and the mirrors', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { minLength: 5, maxLength: 25 }), async (steps) => {
      for (const table of [...FACTS, 'campaign', 'campaign_history', 'campaign_hourly']) {
        await ch.client.command(`TRUNCATE TABLE ${ch.database}.${table}`);
      }
      await reloadPrices(ch.client, ch);
      const writer = new Writer();
      for (const step of steps) await writer.apply(step);
      expect(await rollupCounts()).toEqual(writer.counts());
      expect(await differences(ch.client, ch)).toBe(0);
    }),
    { numRuns: 20 },
  );
}, 240_000);
