/**
 * One statement for each kind of change.
 *
 * Sessions never wait for each other: each updates and deletes only rows whose id leaves its own remainder, and
 * inserts take no lock that an update of other columns would wait for (FOR KEY SHARE goes with NO KEY UPDATE).
 * So no deadlock can come of traffic itself.
 *
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
 */
import type pg from 'pg';
import { drawBid, drawBudget, drawCampaign } from './ad-values.ts';
import { chance, fraction, pick, wholeBetween, type Random } from './random.ts';
import type { ChangeKind } from './traffic-kinds.ts';

/** The campaigns and advertisers that exist, as far as is known; shared by all sessions. */
export interface KnownIds {
  campaigns: number[];
  advertisers: number[];
}

/** Ids kept of each table: the newest. */
export const KNOWN_LIMIT = 1000;

/** Adds ids of committed rows; the oldest are forgotten. */
export function remember(known: KnownIds, added: KnownIds): void {
  known.campaigns = [...known.campaigns, ...added.campaigns].slice(-KNOWN_LIMIT);
  known.advertisers = [...known.advertisers, ...added.advertisers].slice(-KNOWN_LIMIT);
}

/** What a statement works with. */
export interface ChangeContext {
  readonly client: pg.Client;
  readonly random: Random;
  readonly known: KnownIds;
  /** This session's share of the rows: those with `id % of = part`. */
  readonly part: number;
  readonly of: number;
  /** Rows of one insert of events, on average. */
  readonly insertRows: number;
}

/** Rows changed, and the ids of rows that others may use once they are committed. */
export interface Changed {
  readonly rows: number;
  readonly added?: Partial<KnownIds>;
}

type EventTable = 'impressions' | 'clicks';

/** Makes one change of this kind. No row is changed when there is none to choose. */
export async function makeChange(kind: ChangeKind, context: ChangeContext): Promise<Changed> {
  return CHANGES[kind](context);
}

const CHANGES: Record<ChangeKind, (context: ChangeContext) => Promise<Changed>> = {
  impression: async (context) => addEvents(context, { table: 'impressions', seconds: -fraction(context.random) }),
  click: async (context) => addEvents(context, { table: 'clicks', seconds: -fraction(context.random) }),
  lateEvent: async (context) =>
    addEvents(context, { table: anyTable(context), seconds: -wholeBetween(context.random, 600, 7 * 86_400) }),
  futureClick: async (context) =>
    addEvents(context, { table: 'clicks', seconds: wholeBetween(context.random, 1, 120) }),
  unattributedEvent: async (context) =>
    addEvents(context, { table: anyTable(context), seconds: -fraction(context.random), campaign: null }),
  eventMoved: async (context) =>
    changeEvent(context, 'UPDATE', { set: 'campaign_id = $4', value: pick(context.random, context.known.campaigns) }),
  eventShifted: async (context) =>
    changeEvent(context, 'UPDATE', {
      set: "created_at = created_at + $4 * interval '1 hour'",
      value: pick(context.random, [-30, -24, -3, -1, 1, 2, 25]),
    }),
  eventDeleted: async (context) => changeEvent(context, 'DELETE'),
  bidChange: async (context) => updateOwn(context, 'campaign', { column: 'bid', value: drawBid(context.random) }),
  budgetChange: async (context) =>
    updateOwn(context, 'campaign', { column: 'budget', value: drawBudget(context.random) }),
  campaignRenamed: async (context) =>
    updateOwn(context, 'campaign', { column: 'name', value: `Campaign ${newName(context.random)}` }),
  advertiserRenamed: async (context) =>
    updateOwn(context, 'advertiser', { column: 'name', value: `Advertiser ${newName(context.random)}` }),
  campaignMoved: async (context) => {
    const value = pick(context.random, context.known.advertisers);
    return updateOwn(context, 'campaign', { column: 'advertiser_id', value });
  },
  campaignAdded: addCampaign,
  advertiserAdded: addAdvertiser,
};

/** Inserts events of one campaign at a distance from now; `campaign: null` for events of none. */
async function addEvents(
  context: ChangeContext,
  events: { table: EventTable; seconds: number; campaign?: null },
): Promise<Changed> {
  const { client, random, known } = context;
  const campaign = events.campaign === null ? null : pick(random, known.campaigns);
  const rows = wholeBetween(random, 1, 2 * context.insertRows - 1);
  return run(client, {
    text: `INSERT INTO public.${events.table} (campaign_id, created_at)
           SELECT $1::int, (clock_timestamp() AT TIME ZONE 'UTC') + $2::float8 * interval '1 second'
           FROM generate_series(1, $3::int)`,
    values: [campaign, events.seconds, rows],
  });
}

/** Updates or deletes one event of this session's share, at or after a random place in the table. */
async function changeEvent(
  context: ChangeContext,
  verb: 'UPDATE' | 'DELETE',
  change: { set?: string; value?: number | undefined } = {},
): Promise<Changed> {
  const table = anyTable(context);
  const chosen = `id = (
    SELECT id FROM public.${table}
    WHERE id % $2::int = $3::int
      AND id >= (SELECT min(id) + floor((max(id) - min(id)) * $1::float8)::int FROM public.${table})
    ORDER BY id LIMIT 1)`;
  const place = [fraction(context.random), context.of, context.part];
  if (verb === 'DELETE') {
    return run(context.client, { text: `DELETE FROM public.${table} WHERE ${chosen}`, values: place });
  }
  const text = `UPDATE public.${table} SET ${change.set} WHERE ${chosen}`;
  return run(context.client, { text, values: [...place, change.value] });
}

/** Updates one column of a campaign or advertiser of this session's share; `updated_at` only now and then. */
async function updateOwn(
  context: ChangeContext,
  table: 'campaign' | 'advertiser',
  change: { column: string; value: string | number | undefined },
): Promise<Changed> {
  const known = table === 'campaign' ? context.known.campaigns : context.known.advertisers;
  const id = pick(
    context.random,
    known.filter((candidate) => candidate % context.of === context.part),
  );
  if (id === undefined || change.value === undefined) return { rows: 0 };
  const touched = chance(context.random, 0.5) ? ", updated_at = now() AT TIME ZONE 'UTC'" : '';
  const text = `UPDATE public.${table} SET ${change.column} = $2${touched} WHERE id = $1`;
  return run(context.client, { text, values: [id, change.value] });
}

async function addCampaign(context: ChangeContext): Promise<Changed> {
  const advertiserId = pick(context.random, context.known.advertisers);
  if (advertiserId === undefined) return { rows: 0 };
  const number = wholeBetween(context.random, 1000, 9999);
  const values = drawCampaign(context.random, { advertiserId, number, today: new Date() });
  const result = await context.client.query(
    `INSERT INTO public.campaign (advertiser_id, name, bid, budget, start_date, end_date)
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
    [advertiserId, values.name, values.bid, values.budget, values.startDate, values.endDate],
  );
  return { rows: 1, added: { campaigns: idsOf(result) } };
}

async function addAdvertiser(context: ChangeContext): Promise<Changed> {
  const name = `Advertiser ${newName(context.random)}`;
  const result = await context.client.query('INSERT INTO public.advertiser (name) VALUES ($1) RETURNING id', [name]);
  return { rows: 1, added: { advertisers: idsOf(result) } };
}

async function run(client: pg.Client, query: { text: string; values: unknown[] }): Promise<Changed> {
  const result = await client.query(query);
  return { rows: result.rowCount ?? 0 };
}

function idsOf(result: pg.QueryResult): number[] {
  return result.rows.map((row: { id: string }) => Number(row.id));
}

function anyTable(context: ChangeContext): EventTable {
  return chance(context.random, 0.75) ? 'impressions' : 'clicks';
}

/** A name with letters of several scripts, as names have. */
function newName(random: Random): string {
  const word = pick(random, ['Spring', 'Été', 'Größe', '夏のセール', 'Скидки', 'O’Neil', 'Back\\slash', '50 % "off"']);
  return `${word} ${wholeBetween(random, 1, 9999)}`;
}
