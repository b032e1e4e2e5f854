/**
 * Continuous changes of the source, of every kind that a replica must follow, from several sessions at once.
 *
 *   [pace] ─► [session 0..2: BEGIN, changes, savepoints, COMMIT or ROLLBACK] ─► PostgreSQL
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { isAbort } from '../model/errors.ts';
import { connectPostgres, pgRows } from '../source/connection.ts';
import { drawCampaign } from './ad-values.ts';
import { insertCampaigns, nextAdvertisers } from './insert-campaigns.ts';
import { randomStreams, type Random } from './random.ts';
import { requireRepeatable, requireWhole } from './requirements.ts';
import { KNOWN_LIMIT, type KnownIds } from './traffic-changes.ts';
import { noTraffic, type TrafficCounts } from './traffic-kinds.ts';
import { isConflict, TrafficSession } from './traffic-session.ts';
import { inTransaction } from './transaction.ts';

/** Connections at work at the same time. */
const SESSIONS = 3;

/** What traffic to make. */
export interface TrafficOptions {
  readonly url: string;
  /** Row changes per second, about. */
  readonly ratePerSecond: number;
  /** Ends the traffic: open transactions are rolled back and the connections closed, within a second. */
  readonly signal: AbortSignal;
  /** Gives the same draws; which rows they meet depends on how the sessions interleave. */
  readonly seed: number;
  /** Called after each transaction with the counts so far (always the same object). */
  readonly onTick?: (counts: TrafficCounts) => void;
}

/**
 * Changes the source until the signal. Creates advertisers and campaigns when there are none.
 *
 * @returns What was done.
 * @throws {AppError} When PostgreSQL refuses a statement for a reason that is not another transaction.
 */
export async function runTraffic(options: TrafficOptions): Promise<TrafficCounts> {
  requireRepeatable({ seed: options.seed, now: new Date(0) });
  requireWhole('the rate', options.ratePerSecond, { min: 1, max: 1_000_000 });
  const counts = noTraffic();
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const clients: pg.Client[] = [];
  try {
    while (clients.length < SESSIONS) clients.push(await openSession(options.url));
    const streams = randomStreams(options.seed);
    const known = await lookFirst(clients[0] as pg.Client, streams(), signal);
    if (known === null) return counts;
    const sessions = clients.map((client, part) => {
      const rate = options.ratePerSecond / SESSIONS;
      const context = { client, part, of: SESSIONS, random: streams(), known, insertRows: Math.ceil(rate / 200) };
      return new TrafficSession({ context, counts, rate, signal });
    });
    const work = sessions.map(async (session) =>
      keepGoing(session, { ...options, signal, counts, known }).catch((error: unknown) => {
        failure.abort();
        throw error;
      }),
    );
    const ends = await Promise.allSettled(work);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return counts;
  } finally {
    await Promise.all(clients.map(async (client) => client.end()));
  }
}

/** One session's transactions, one after the other at its pace, until the signal. */
async function keepGoing(
  session: TrafficSession,
  run: Pick<TrafficOptions, 'signal' | 'onTick'> & { counts: TrafficCounts; known: KnownIds },
): Promise<void> {
  while (!run.signal.aborted) {
    const pause = session.pauseMs();
    if (pause > 0) {
      await pauseFor(pause, run.signal);
      continue;
    }
    const outcome = await session.transact();
    if (outcome === 'conflict') await lookAgain(session, run);
    run.onTick?.(run.counts);
  }
}

/** Finds out what exists, however long somebody else holds a table; null when the signal comes first. */
async function lookFirst(client: pg.Client, random: Random, signal: AbortSignal): Promise<KnownIds | null> {
  while (!signal.aborted) {
    try {
      return await knownIds(client, random);
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  return null;
}

/** Finds out what exists after a conflict: what was known may have been deleted. */
async function lookAgain(
  session: TrafficSession,
  { known, counts }: { known: KnownIds; counts: TrafficCounts },
): Promise<void> {
  try {
    Object.assign(known, await knownIds(session.client, session.random));
  } catch (error) {
    if (!isConflict(error)) throw error;
    counts.conflicts++;
  }
}

/** Waits; the signal ends the wait early and is no error. */
async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
}

/** A connection that gives up waiting for somebody else's lock, so that the traffic can end. */
async function openSession(url: string): Promise<pg.Client> {
  const client = await connectPostgres(url, { applicationName: 'millrace traffic' });
  await pgRows(client, "SET lock_timeout = '400ms'");
  return client;
}

/** What exists; created when nothing does. */
async function knownIds(client: pg.Client, random: Random): Promise<KnownIds> {
  const known = await readIds(client);
  if (known.campaigns.length > 0 && known.advertisers.length > 0) return known;
  const now = new Date();
  await inTransaction(client, async () => {
    const advertisers = known.advertisers.length > 0 ? known.advertisers : await nextAdvertisers(client, 3, now);
    const campaigns = advertisers
      .slice(0, 3)
      .flatMap((advertiserId) => [1, 2, 3].map((number) => drawCampaign(random, { advertiserId, number, today: now })));
    await insertCampaigns(client, campaigns, now);
  });
  return readIds(client);
}

async function readIds(client: pg.Client): Promise<KnownIds> {
  const ids = async (table: string): Promise<number[]> => {
    const rows = await pgRows<{ id: string }>(
      client,
      `SELECT id FROM public.${table} ORDER BY id DESC LIMIT ${KNOWN_LIMIT}`,
    );
    return rows.map((row) => Number(row.id)).toReversed();
  };
  return { campaigns: await ids('campaign'), advertisers: await ids('advertiser') };
}
