/** Traffic of a soak: steady, bursty and quiet phases in turn, until the signal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { runTraffic } from '../../src/generator/traffic.ts';
import { isAbort } from '../../src/model/errors.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';

/** What is going on at a moment. */
export type SoakPhase = 'steady' | 'burst' | 'quiet';

/** The phases of one round, with their length. */
const ROUND: readonly { phase: SoakPhase; seconds: number }[] = [
  { phase: 'steady', seconds: 80 },
  { phase: 'burst', seconds: 25 },
  { phase: 'quiet', seconds: 15 },
];

/** In a burst: so many times the steady rate, and so many large transactions of so many rows. */
const BURST_FACTOR = 5;
const BURST_TRANSACTIONS = 4;
const BURST_ROWS = 5_000;

/** What traffic to make. */
export interface SoakTraffic {
  readonly url: string;
  /** Row changes per second in the steady phases. */
  readonly rate: number;
  readonly signal: AbortSignal;
  /** Told when a phase begins. */
  readonly onPhase: (phase: SoakPhase) => void;
}

/** Makes traffic until the signal. */
export async function runSoakTraffic(options: SoakTraffic): Promise<void> {
  for (let seed = 1; !options.signal.aborted; seed++) {
    for (const { phase, seconds } of ROUND) {
      if (options.signal.aborted) return;
      options.onPhase(phase);
      const end = new AbortController();
      const timer = setTimeout(() => end.abort(), seconds * 1000);
      await runPhase(phase, { ...options, seed, signal: AbortSignal.any([options.signal, end.signal]) });
      clearTimeout(timer);
    }
  }
}

async function runPhase(phase: SoakPhase, options: SoakTraffic & { seed: number }): Promise<void> {
  const { url, rate, signal, seed } = options;
  if (phase === 'quiet') return await untilAborted(signal);
  if (phase === 'steady') return void (await runTraffic({ url, ratePerSecond: rate, signal, seed }));
  await Promise.all([
    runTraffic({ url, ratePerSecond: rate * BURST_FACTOR, signal, seed }),
    writeLargeTransactions(url),
  ]);
}

/** Large transactions, as somebody's import makes them: rows that come, half of which are corrected at once. */
async function writeLargeTransactions(url: string): Promise<void> {
  const client = await connectPostgres(url, { applicationName: 'soak' });
  try {
    for (let i = 0; i < BURST_TRANSACTIONS; i++) {
      await pgRows(
        client,
        `WITH added AS (
           INSERT INTO impressions (campaign_id, created_at)
           SELECT (SELECT min(id) FROM campaign), now()::timestamp - n * interval '1 second' FROM generate_series(1, ${BURST_ROWS}) AS n
           RETURNING id)
         INSERT INTO clicks (campaign_id, created_at) SELECT (SELECT min(id) FROM campaign), now() FROM added WHERE id % 10 = 0`,
      );
      await pgRows(
        client,
        `UPDATE impressions SET created_at = created_at - interval '1 hour'
         WHERE id > (SELECT max(id) FROM impressions) - ${BURST_ROWS / 2}`,
      );
    }
  } finally {
    await client.end();
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  await sleep(2 ** 31 - 1, undefined, { signal }).catch((error: unknown) => {
    if (!isAbort(error)) throw error;
  });
}
