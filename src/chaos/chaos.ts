/**
 * Chaos: rounds of live traffic with faults, each ended by an exact comparison of source and copy.
 *
 *   plan(seed, round) ─► traffic + faults ─► wait for the copy ─► compare ─► next round, or stop at a difference
 */
import { AppError } from '../model/errors.ts';
import type { FaultKind } from './fault-kinds.ts';
import { Lab } from './lab.ts';
import { LiveTraffic } from './live-traffic.ts';
import { PipelineChild } from './pipeline-child.ts';
import { planRound, type RoundPlan } from './plan.ts';
import { runRound, type RoundResult } from './round.ts';
import { addRound, emptySummary, type ChaosSummary } from './summary.ts';

/** What to do. */
export interface ChaosOptions {
  readonly rounds: number;
  readonly seed: number;
  /** First round to run: a failure at round 17 is tried again with `first` 17. */
  readonly first: number;
  /** Ends after so many minutes, when the round in hand is over; null: after all rounds. */
  readonly minutes: number | null;
  readonly kinds: readonly FaultKind[];
  /** A directory that does not exist yet; removed at the end unless something failed. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onPlan?: (plan: RoundPlan) => void;
  readonly onRound?: (result: RoundResult) => void;
}

/** A round that failed. */
export interface ChaosFailure {
  readonly plan: RoundPlan;
  /** Differences, or why it could not be compared. */
  readonly findings: readonly string[];
  /** What the pipeline wrote last. */
  readonly log: string;
}

/** How a run ended. */
export interface ChaosResult {
  readonly summary: ChaosSummary;
  /** Null when source and copy were equal after every round. */
  readonly failure: ChaosFailure | null;
}

/** Ends of the process by itself that a fault explains; whatever starts it again has to. */
const EXPLAINED: Readonly<Record<string, RegExp>> = {
  SLOT_BUSY: /^postgres-|freeze|zombie/,
  POSTGRES_FAILED: /^postgres-/,
  CLICKHOUSE_FAILED: /^clickhouse-/,
  MIGRATION_FAILED: /^clickhouse-/,
};

/**
 * Runs rounds until all are done, the time is over, the signal aborts, or a round fails.
 *
 * @throws {AppError} `ENGINE_MISSING`, `ENGINE_START`.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { directory, signal } = options;
  const lab = await Lab.open(directory, signal);
  let result: ChaosResult;
  try {
    await using _ = lab;
    await using pipeline = new PipelineChild(lab);
    await using traffic = new LiveTraffic();
    result = await runRounds(options, { lab, pipeline, traffic, signal });
  } catch (error) {
    if (signal.aborted) await lab.remove();
    throw error;
  }
  if (result.failure === null) await lab.remove();
  return result;
}

async function runRounds(options: ChaosOptions, stage: Parameters<typeof runRound>[1]): Promise<ChaosResult> {
  const { rounds, seed, first, minutes, kinds, signal } = options;
  const deadline = minutes === null ? Infinity : performance.now() + minutes * 60_000;
  const summary = emptySummary(seed);
  for (let round = first; round < first + rounds && performance.now() < deadline && !signal.aborted; round++) {
    const planned = planRound(seed, round, kinds);
    // The first round of a run has to make the copy, whatever its number.
    const plan = round === first ? { ...planned, isFresh: true } : planned;
    options.onPlan?.(plan);
    try {
      const result = await runRound(plan, stage);
      addRound(summary, result);
      options.onRound?.(result);
      const findings = [...result.comparison.differences, ...unexplained(result)];
      if (findings.length > 0) return { summary, failure: { plan, findings, log: stage.pipeline.log } };
    } catch (error) {
      if (signal.aborted) break;
      return { summary, failure: { plan, findings: reasons(error), log: stage.pipeline.log } };
    }
  }
  return { summary, failure: null };
}

/** Ends of the process that no fault of the round explains. */
function unexplained({ plan, overheard }: RoundResult): string[] {
  const isExplained = (code: string): boolean => plan.faults.some(({ kind }) => EXPLAINED[code]?.test(kind) === true);
  return overheard.ends
    .filter(({ code }) => !isExplained(code))
    .map(({ how, code, message }) => `the pipeline ended by itself: ${how}, error ${code}: ${message}`);
}

function reasons(error: unknown): string[] {
  const found: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    found.push(cause instanceof AppError ? `${cause.code}: ${cause.message}` : (cause.stack ?? cause.message));
  return found.length > 0 ? found : [String(error)];
}
