/** Random transactions over all tables of the ad platform, and how the process may end meanwhile. */
import * as fc from 'fast-check';
import type { Asked } from '../../src/chaos/oracle/asked.ts';
import { ZONES } from '../../src/chaos/oracle/ways.ts';
import { GRAINS, LEVELS } from '../../src/kpi/query.ts';
import { failPointsOn } from './crash.ts';

/** Campaigns of every kind of flight, and events around now. Budgets are small enough to be used up. */
export const FIRST_STATE = `
  ALTER TABLE campaign DROP CONSTRAINT campaign_advertiser_id_fkey;
  INSERT INTO advertiser (name) SELECT 'a' || i FROM generate_series(1, 4) i;
  INSERT INTO campaign (name, bid, budget, start_date, end_date, advertiser_id) SELECT 'c' || i, 0.37 * i, 9 * i,
    CASE WHEN i % 5 <> 0 THEN current_date - 3 * i END, CASE WHEN i % 4 <> 0 THEN current_date + 2 * i - 4 END, nullif(i % 4, 0) FROM generate_series(1, 9) i;
  INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i * i % 9, (now() AT TIME ZONE 'utc') - make_interval(mins => i * 67 % 14000) FROM generate_series(1, 600) i;
  INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + make_interval(secs => id % 90) FROM impressions WHERE id % 8 = 0`;

/** Instants at and around which bids changed. */
const AROUND_CHANGES = `SELECT v.id, v.at + make_interval(secs => k * 0.000001) AS at
  FROM (SELECT id, at FROM audit.version WHERE tbl = 'campaign' AND at IS NOT NULL AND xid IS NULL AND NOT gone ORDER BY md5(seq::text || $1) LIMIT 4) v, generate_series(-1, 1) k`;
const SOME_CAMPAIGN = '(SELECT id FROM campaign ORDER BY md5(id::text || $1) LIMIT 1)';
const SOME_TIME =
  "(now() AT TIME ZONE 'utc') + make_interval(mins => 90 - i * (1 + $2::int) % 20000, secs => ($1::int + i) % 60 * 0.999999)";

/** Statements by kind; `$1` and `$2` are whole numbers from 0 to 999. */
export const STATEMENTS = {
  addImpressions: `INSERT INTO impressions (campaign_id, created_at) SELECT ${SOME_CAMPAIGN}, ${SOME_TIME} FROM generate_series(1, 1 + $1::int % 40) i`,
  addClicks: `INSERT INTO clicks (campaign_id, created_at) SELECT ${SOME_CAMPAIGN}, ${SOME_TIME} FROM generate_series(1, 1 + $1::int % 15) i`,
  addLateClicks: `INSERT INTO clicks (campaign_id, created_at) SELECT id, at FROM (${AROUND_CHANGES}) x`,
  addLateImpressions: `INSERT INTO impressions (campaign_id, created_at) SELECT id, at FROM (${AROUND_CHANGES}) x`,
  addOdd: `INSERT INTO clicks (campaign_id, created_at) VALUES (NULL, NULL), (NULL, '1969-12-31 23:59:59.999999'), (${SOME_CAMPAIGN}, NULL), (999, now() AT TIME ZONE 'utc'), (${SOME_CAMPAIGN}, '2201-02-03 04:05:06.000001')`,
  redateClicks: `UPDATE clicks SET created_at = x.at, campaign_id = x.id FROM (SELECT row_number() OVER () AS n, * FROM (${AROUND_CHANGES}) y) x WHERE clicks.id % 23 = x.n`,
  shiftClicks: `UPDATE clicks SET created_at = created_at - make_interval(mins => $1::int % 300) WHERE id % 7 = $2::int % 7`,
  moveImpressions: `UPDATE impressions SET campaign_id = ${SOME_CAMPAIGN} WHERE id % 19 = $2::int % 19`,
  emptyEvents: `UPDATE impressions SET created_at = CASE WHEN $1::int % 2 = 0 THEN NULL ELSE created_at END, campaign_id = NULL WHERE id % 101 = $2::int % 101`,
  deleteImpressions: `DELETE FROM impressions WHERE id % 11 = $1::int % 11`,
  deleteClicks: `DELETE FROM clicks WHERE id % 5 = $1::int % 5`,
  changeKeys: `UPDATE clicks SET id = -id WHERE id % 13 = $1::int % 13`,
  changeBid: `UPDATE campaign SET bid = $1::int % 450 / 100.0 WHERE id % 3 = $2::int % 3`,
  changeBudget: `UPDATE campaign SET budget = $1::int % 90 WHERE id % 4 = $2::int % 4`,
  changeFlight: `UPDATE campaign SET start_date = CASE WHEN $1::int % 9 > 0 THEN current_date - $1::int % 20 END, end_date = CASE WHEN $2::int % 9 > 0 THEN current_date + $2::int % 20 - 5 END WHERE id % 5 = $2::int % 5`,
  moveCampaign: `UPDATE campaign SET advertiser_id = nullif(($1::int + id) % 6, 0) WHERE id % 3 = $2::int % 3`,
  renameCampaign: `UPDATE campaign SET name = 'n' || $1::text WHERE id % 4 = $2::int % 4`,
  touchCampaign: `UPDATE campaign SET updated_at = now() WHERE id % 2 = $1::int % 2`,
  dropCampaign: `DELETE FROM campaign WHERE id = ${SOME_CAMPAIGN}`,
  makeCampaigns: `INSERT INTO campaign (id, name, bid, budget, advertiser_id, start_date) SELECT i, 'again' || $2::text, $1::int % 300 / 100.0, $2::int % 50, nullif(i % 5, 0), current_date - i
    FROM generate_series(1, 11) i WHERE NOT EXISTS (SELECT FROM campaign c WHERE c.id = i)`,
  rekeyCampaign: `UPDATE campaign SET id = id + 40 WHERE id = ${SOME_CAMPAIGN} AND id < 40`,
  renameAdvertiser: `UPDATE advertiser SET name = 'b' || $1::text WHERE id % 2 = $2::int % 2`,
  dropAdvertiser: `DELETE FROM advertiser WHERE id = 1 + $1::int % 5`,
  makeAdvertisers: `INSERT INTO advertiser (id, name) SELECT i, 'anew' || $1::text FROM generate_series(1, 5) i WHERE NOT EXISTS (SELECT FROM advertiser a WHERE a.id = i)`,
  truncateClicks: 'TRUNCATE clicks',
  truncateImpressions: 'TRUNCATE impressions',
  truncateCampaign: 'TRUNCATE campaign',
  truncateAll: 'TRUNCATE advertiser, campaign, impressions, clicks',
} as const;

type Kind = keyof typeof STATEMENTS;

/** How often, relative to the others; those not named: 4. */
const WEIGHTS: Partial<Record<Kind, number>> = {
  addImpressions: 10,
  addClicks: 8,
  addLateClicks: 8,
  changeBid: 8,
  makeCampaigns: 6,
  truncateClicks: 1,
  truncateImpressions: 1,
  truncateCampaign: 1,
  truncateAll: 1,
};

/** One statement. */
export interface Statement {
  readonly kind: Kind;
  readonly a: number;
  readonly b: number;
}

/** A transaction; `held`: it stays open while the next one commits, so that it commits later than ids and positions say. */
export interface Transaction {
  readonly statements: readonly Statement[];
  readonly ending: 'commit' | 'rollback' | 'held';
}

/** What happens to the process: it dies at a fail point, or from outside after some transactions. */
export type Fault =
  | { readonly at: string; readonly times: number }
  | { readonly signal: 'SIGKILL' | 'SIGTERM'; readonly after: number };

/** Some transactions, then a comparison. */
export interface History {
  readonly transactions: readonly Transaction[];
  readonly fault: Fault | null;
  readonly asked: Omit<Asked, 'from' | 'to' | 'now'> & {
    readonly daysBack: number;
    readonly days: number;
    readonly nowMinutes: number;
  };
}

const number = fc.nat({ max: 999 });
const statement = fc.record({
  kind: fc.oneof(
    ...(Object.keys(STATEMENTS) as Kind[]).map((kind) => ({
      arbitrary: fc.constant(kind),
      weight: WEIGHTS[kind] ?? 4,
    })),
  ),
  a: number,
  b: number,
});
const transaction = fc.record({
  statements: fc.array(statement, { minLength: 1, maxLength: 4 }),
  ending: fc.constantFrom(
    'commit' as const,
    'commit' as const,
    'commit' as const,
    'held' as const,
    'rollback' as const,
  ),
});
const fault = fc.oneof(
  { arbitrary: fc.constant(null), weight: 5 },
  {
    arbitrary: fc.record({
      at: fc.constantFrom(...failPointsOn('changes', 'truncate', 'recovery')),
      times: fc.integer({ min: 1, max: 4 }),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      signal: fc.constantFrom('SIGKILL' as const, 'SIGTERM' as const),
      after: fc.nat({ max: 6 }),
    }),
    weight: 1,
  },
);
const id = fc.option(fc.integer({ min: 1, max: 11 }), { nil: undefined, freq: 4 });

/** Histories as fast-check draws them. */
export const arbitraryHistory: fc.Arbitrary<History> = fc.record({
  transactions: fc.array(transaction, { minLength: 2, maxLength: 8 }),
  fault,
  asked: fc
    .record({
      timezone: fc.constantFrom('UTC', 'UTC', 'UTC', ...ZONES),
      throughView: fc.boolean(),
      grain: fc.constantFrom(...GRAINS),
      by: fc.constantFrom(...LEVELS),
      pricingModel: fc.constantFrom('cpc' as const, 'cpm' as const),
      budgetKind: fc.constantFrom('lifetime' as const, 'daily' as const),
      hours: fc.integer({ min: 0, max: 30 }),
      daysBack: fc.integer({ min: 0, max: 12 }),
      days: fc.integer({ min: 1, max: 14 }),
      nowMinutes: fc.oneof(fc.constant(0), fc.integer({ min: -9000, max: 4000 })),
      advertiser: id,
      campaign: id,
    })
    .map(({ advertiser, campaign, ...rest }) => ({
      ...rest,
      ...(advertiser === undefined ? {} : { advertiser }),
      ...(campaign === undefined ? {} : { campaign }),
    })),
});

/** What is drawn, around an instant of the source's clock in UTC, `YYYY-MM-DD HH:MM:SS.ffffff`. */
export function askedAround(instant: string, { daysBack, days, nowMinutes, ...rest }: History['asked']): Asked {
  const at = Date.parse(`${instant.slice(0, 19).replace(' ', 'T')}Z`);
  const text = (ms: number, length: number): string => new Date(ms).toISOString().slice(0, length).replace('T', ' ');
  const from = at - daysBack * 86_400_000;
  return {
    ...rest,
    from: text(from, 10),
    to: text(from + (days - 1) * 86_400_000, 10),
    now: `${text(at + nowMinutes * 60_000, 19)}${instant.slice(19)}`,
  };
}
