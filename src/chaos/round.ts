/** One round: traffic, faults, then the wait for the copy, then the comparison. */
import { setTimeout as sleep } from 'node:timers/promises';
import { currentLsn } from '../source/slot.ts';
import { pgRows } from '../source/connection.ts';
import { type Comparison, compareAll } from './compare-round.ts';
import { FAULTS, type Victim } from './fault-kinds.ts';
import { inject, type Injected } from './faults.ts';
import { askedInRound } from './oracle/ways.ts';
import { type Lab, PIPELINE } from './lab.ts';
import type { LiveTraffic, TrafficTotals } from './live-traffic.ts';
import type { Overheard, PipelineChild } from './pipeline-child.ts';
import type { RoundPlan } from './plan.ts';
import { isCopyAt } from './run-child.ts';
import { until } from './until.ts';

/** What a run goes through its rounds with. */
export interface Stage {
  readonly lab: Lab;
  readonly pipeline: PipelineChild;
  readonly traffic: LiveTraffic;
  readonly signal: AbortSignal;
}

/** What a round came to. */
export interface RoundResult {
  readonly plan: RoundPlan;
  readonly injected: readonly Injected[];
  readonly traffic: TrafficTotals;
  readonly comparison: Comparison;
  readonly overheard: Overheard;
  /** Rollup buckets computed again from the mirrors: statements. */
  readonly reconciles: number;
  /** From the end of the last fault until the copy held what had been committed by then, and nothing was in doubt, ms. */
  readonly recoveryMs: number;
  readonly totalMs: number;
}

/** The copy did not catch up: a failure, with what the pipeline said. */
export class Stuck extends Error {}

/** How long the copy may take to catch up, ms. */
const CATCH_UP_MS = 240_000;
/** Traffic ends after so long, also where a fault takes longer to be over, ms. */
const MAX_TRAFFIC_MS = 8_000;
/** Between two looks at the copy, ms. */
const POLL_MS = 50;
/** Events above which half of them are deleted before a round: the rounds stay short. */
const MAX_EVENTS = 5_000;

/** Runs a round. Throws {@link Stuck}, and what traffic or faults fail with. */
export async function runRound(plan: RoundPlan, stage: Stage): Promise<RoundResult> {
  const startedAt = performance.now();
  const { lab, pipeline, traffic } = stage;
  const reconciles = lab.clickhouseProxy.count('log_comment=millrace+reconcile');
  if (plan.isFresh) await renew(stage, plan.hasJournal);
  else await lab.withSource(async (client) => shrink(client));
  const { injected, recovery } = await disturb(plan, stage);
  const recoveryMs = await recovery;
  await catchUp(lab, stage.signal);
  const comparison = await lab.withSource(async (client) =>
    compareAll({ client }, lab.copy, askedInRound(plan.round, new Date())),
  );
  return {
    plan,
    injected,
    traffic: traffic.totals(),
    comparison,
    overheard: pipeline.overheard(),
    reconciles: reconciles(),
    recoveryMs,
    totalMs: performance.now() - startedAt,
  };
}

/** Begins a new copy of a new source. */
async function renew({ lab, pipeline, traffic }: Stage, hasJournal: boolean): Promise<void> {
  await pipeline.end('SIGKILL');
  await traffic.settle(lab.postgresUrl, false);
  await lab.renew();
  pipeline.hasJournal = hasJournal;
  pipeline.start();
}

async function shrink(client: Parameters<Parameters<Lab['withSource']>[0]>[0]): Promise<void> {
  for (const table of ['impressions', 'clicks', 'document']) {
    const [row] = await pgRows(client, `SELECT count(*) AS n FROM ${table}`);
    if (Number(row?.['n']) > MAX_EVENTS) await pgRows(client, `DELETE FROM ${table} WHERE id % 2 = 0`);
  }
}

/** Traffic and faults. Returns when both are over, and the recovery from the last fault still to wait for. */
async function disturb(
  plan: RoundPlan,
  stage: Stage,
): Promise<{ injected: readonly Injected[]; recovery: Promise<number> }> {
  const { lab, traffic } = stage;
  const stop = new AbortController();
  const running = traffic.run(
    {
      url: () => lab.postgresUrl,
      seed: (plan.seed + plan.round) & 0x7fffffff,
      ratePerSecond: plan.trafficRate,
      eventsOnly: plan.isFresh,
    },
    AbortSignal.any([stop.signal, stage.signal, AbortSignal.timeout(MAX_TRAFFIC_MS)]),
  );
  // A failure of the traffic is thrown below, where it is waited for.
  running.catch(() => undefined);
  const shortest = sleep(plan.trafficMs);
  const failed = new AbortController();
  let recovery: Promise<number> = Promise.resolve(0);
  try {
    const injected = await injectAll(plan, stage);
    recovery = recover(lab, AbortSignal.any([failed.signal, stage.signal]));
    recovery.catch(() => undefined);
    await shortest;
    stop.abort();
    await running;
    return { injected, recovery };
  } catch (error) {
    failed.abort();
    throw error;
  } finally {
    stop.abort();
    await Promise.allSettled([running]);
    await lab.onPostgres(async () => undefined);
    await traffic.settle(lab.postgresUrl, plan.leavesOpen);
  }
}

/** The faults at their times; those of one victim one after the other. */
async function injectAll(plan: RoundPlan, stage: Stage): Promise<Injected[]> {
  const free = new Map<Victim, Promise<unknown>>();
  let before: Promise<unknown> = Promise.resolve();
  const running = plan.faults.map((fault) => {
    const { victim } = FAULTS[fault.kind];
    const isDue = Promise.all([fault.follows ? before : null, free.get(victim)]);
    const run = isDue.then(async () => {
      await sleep(fault.atMs);
      return await inject(fault, stage);
    });
    free.set(victim, run);
    before = run;
    return run;
  });
  const ends = await Promise.allSettled(running);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return await Promise.all(running);
}

/** How long it takes until the copy holds what is committed now, and nothing is in doubt, ms. */
async function recover(lab: Lab, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  await catchUp(lab, signal);
  return performance.now() - startedAt;
}

async function catchUp(lab: Lab, signal: AbortSignal): Promise<void> {
  const target = await lab.onPostgres(async (client) => currentLsn(client));
  const isThere = async (): Promise<void> => {
    if (!(await isCopyAt(lab.copy, PIPELINE, target))) throw new Error(`the copy is not at ${target} yet`);
  };
  await until(isThere, { what: 'the copy to catch up', timeoutMs: CATCH_UP_MS, pollMs: POLL_MS, signal }).catch(
    (error: unknown) => {
      throw new Stuck(`the copy did not catch up within ${CATCH_UP_MS / 1000} s`, { cause: error });
    },
  );
}
