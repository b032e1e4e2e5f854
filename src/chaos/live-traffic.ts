/**
 * Everything that happens to the source in a round: the steady traffic of the generator, and random transactions
 * beside it, until it is told to stop. A source that crashes is connected to again, as an application would.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { WeightedChoice } from '../generator/distributions.ts';
import { type Random, wholeBetween } from '../generator/random.ts';
import { committedRows, type TrafficCounts } from '../generator/traffic-kinds.ts';
import { runTraffic } from '../generator/traffic.ts';
import { ERRORS, isAbort } from '../model/errors.ts';
import { postgresError } from '../source/connection.ts';
import { CONNECTIONS, type Kind, MORE_STATEMENTS, RandomSessions, STATEMENTS, WEIGHTS } from './random-sessions.ts';

/** What traffic to make. */
export interface LiveTrafficOptions {
  readonly url: () => string;
  readonly seed: number;
  /** Of the steady traffic. */
  readonly ratePerSecond: number;
  /** Only what does not decide about prices: while a copy is loaded nobody can know the bids of before. */
  readonly eventsOnly: boolean;
}

/** What was done. */
export interface TrafficTotals {
  readonly transactions: number;
  readonly changes: number;
}

const ALL_KINDS = [...Object.keys(STATEMENTS), ...Object.keys(MORE_STATEMENTS)] as Kind[];
/** They change campaigns or advertisers: their versions before a load are unknown. */
const DIMENSION_KINDS = new Set<Kind>([
  'addCampaign',
  'changeBid',
  'renameAdvertiser',
  'moveCampaign',
  'dropCampaign',
  'truncateCampaigns',
]);
/**
 * In transactions of their own: a bid that is changed or deleted in the transaction that set it was never in force, and
 * what it costs events of before or after is nothing that source and copy have to agree on.
 */
const ALONE = new Set<Kind>(['addCampaign', 'dropCampaign', 'truncateCampaigns']);
/** Chooses what the transaction that stays open adds. */
const LEFT_OPEN = 17;
/** Pause between random steps, ms: the steady traffic and the pipeline want the processors too. */
const STEP_PAUSE_MS = 8;
/** Transactions that stay open hold up the making of a slot: all are ended after so many steps of a load. */
const SETTLE_EVERY = 40;
/** Between attempts to reach a source that has crashed, ms. */
const RECONNECT_MS = 50;

/** Traffic of all kinds, begun and ended with each round; its sessions may leave a transaction open in between. */
export class LiveTraffic implements AsyncDisposable {
  #sessions: RandomSessions | null = null;
  #transactions = 0;
  #changes = 0;

  /** Makes traffic until the signal. */
  async run(options: LiveTrafficOptions, signal: AbortSignal): Promise<void> {
    const steady = options.eventsOnly ? Promise.resolve() : this.#steady(options, signal);
    await Promise.all([steady, this.#random(options, signal)]);
  }

  /** Ends all transactions, and begins one that stays open if `leavesOpen`. */
  async settle(url: string, leavesOpen: boolean): Promise<void> {
    try {
      await this.#sessions?.settle();
      if (leavesOpen) await this.#sessions?.leaveOpen(LEFT_OPEN);
    } catch (error) {
      if (!isDown(error)) throw error;
      await this.#reopen(url);
    }
  }

  /** What was done since the last call. */
  totals(): TrafficTotals {
    this.#collect();
    const totals = { transactions: this.#transactions, changes: this.#changes };
    this.#transactions = 0;
    this.#changes = 0;
    return totals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions?.[Symbol.asyncDispose]();
  }

  async #steady(options: LiveTrafficOptions, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      let counts: TrafficCounts | null = null;
      const onTick = (done: TrafficCounts): void => {
        counts = done;
      };
      try {
        const seed = (options.seed + attempt) & 0x7fffffff;
        await runTraffic({ url: options.url(), ratePerSecond: options.ratePerSecond, seed, signal, onTick });
      } catch (error) {
        if (!isDown(error)) throw error;
        await pause(RECONNECT_MS, signal);
      }
      this.#count(counts);
    }
  }

  #count(counts: TrafficCounts | null): void {
    if (counts === null) return;
    this.#changes += committedRows(counts);
    this.#transactions += Object.values(counts.transactions).reduce((sum, n) => sum + n, 0);
  }

  async #random(options: LiveTrafficOptions, signal: AbortSignal): Promise<void> {
    const random = xoroshiro128plus(options.seed);
    const kinds = options.eventsOnly ? ALL_KINDS.filter((kind) => !DIMENSION_KINDS.has(kind)) : ALL_KINDS;
    const choice = new WeightedChoice(kinds.map((kind) => WEIGHTS[kind] ?? 2));
    for (let step = 1; !signal.aborted; step++) {
      try {
        this.#sessions ??= await RandomSessions.open(options.url());
        const drawn = drawStep(random, kinds[choice.draw(random)] as Kind);
        if (ALONE.has(drawn.kind)) await this.#sessions.run({ ...drawn, kind: 'commit' });
        await this.#sessions.run(drawn);
        if (options.eventsOnly && step % SETTLE_EVERY === 0) await this.#sessions.settle();
        await pause(STEP_PAUSE_MS, signal);
      } catch (error) {
        if (!isDown(error)) throw error;
        await pause(RECONNECT_MS, signal);
        await this.#close();
      }
    }
  }

  async #reopen(url: string): Promise<void> {
    await this.#close();
    this.#sessions = await RandomSessions.open(url);
  }

  async #close(): Promise<void> {
    this.#collect();
    const sessions = this.#sessions;
    this.#sessions = null;
    await sessions?.[Symbol.asyncDispose]();
  }

  #collect(): void {
    if (this.#sessions === null) return;
    this.#changes += this.#sessions.changes;
    this.#transactions += this.#sessions.transactions;
    this.#sessions.changes = 0;
    this.#sessions.transactions = 0;
  }
}

function drawStep(random: Random, kind: Kind) {
  return {
    connection: wholeBetween(random, 0, CONNECTIONS - 1),
    kind,
    a: wholeBetween(random, 0, 999),
    b: wholeBetween(random, 0, 999),
  };
}

/** Whether the source is not there at the moment. */
function isDown(error: unknown): boolean {
  return !(error instanceof TypeError) && ERRORS[postgresError(error, 'traffic').code].remedy === 'retry';
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (!isAbort(error)) throw error;
  });
}
