/** How safe the source is from what it keeps for the copy, seen from outside of the pipeline. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { inspectSlot, type SlotState } from '../source/slot.ts';
import { type PipelineVitals, SILENT_SECONDS } from './read-heartbeat.ts';
import { outlookOf, type WalLevel, type WalSample, walSample } from './wal-budget.ts';

/** WAL that the source keeps for the slot, against what it may. */
export interface WalStatus {
  readonly retainedBytes: number;
  readonly budgetBytes: number;
  /** What may still be written before PostgreSQL itself gives the slot up; null without a limit of its own. */
  readonly safeBytes: number | null;
  /** Of the nearer limit; 1: reached. */
  readonly share: number;
  readonly growthBytesPerSecond: number | null;
  /** At this growth; null while nothing grows. */
  readonly secondsUntilBudget: number | null;
  readonly secondsUntilLost: number | null;
  /** `ok`, `half`, `high`, `over`. */
  readonly level: WalLevel;
  /** A limit is less than an hour away. */
  readonly isSoon: boolean;
  /** What happens when the budget is used up. */
  readonly action: 'warn' | 'drop';
}

/** Where to look, and the budget. */
export interface WalSources {
  readonly postgres: pg.Client;
  readonly slot: string;
  readonly walBudget: number;
  readonly walBudgetAction: 'warn' | 'drop';
  readonly pipeline: PipelineVitals | null;
}

/** Between two looks at a slot of which nobody has told how fast it grows, ms. */
const GROWTH_MS = 1_000;

/**
 * What the slot's state means. The growth is what the pipeline tells; when none is heard, what the slot has grown
 * by within a second.
 */
export async function readWal(sources: WalSources, slot: SlotState): Promise<WalStatus | null> {
  const { pipeline } = sources;
  const first = walSample(slot, performance.now());
  if (first === null) return null;
  const isHeard = pipeline !== null && pipeline.ageSeconds < SILENT_SECONDS;
  const growth = isHeard ? pipeline.walGrowthBytesPerSecond : await growthNow(sources, first);
  const outlook = outlookOf(first, sources.walBudget, growth);
  const { retainedBytes, budgetBytes, safeBytes, share, growthBytesPerSecond, level, isSoon } = outlook;
  const { secondsUntilBudget, secondsUntilLost } = outlook;
  const amounts = { retainedBytes, budgetBytes, safeBytes, share, growthBytesPerSecond };
  return { ...amounts, secondsUntilBudget, secondsUntilLost, level, isSoon, action: sources.walBudgetAction };
}

async function growthNow({ postgres, slot }: WalSources, first: WalSample): Promise<number | null> {
  await sleep(GROWTH_MS);
  const state = await inspectSlot(postgres, slot);
  const second = state === null ? null : walSample(state, performance.now());
  if (second === null) return null;
  return ((second.retainedBytes - first.retainedBytes) * 1000) / (second.atMs - first.atMs);
}
