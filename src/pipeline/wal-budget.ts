/**
 * How much WAL the source may keep for us: what it keeps now, how fast that grows, when it will be too much.
 * Pure; wal-watch.ts feeds it with what PostgreSQL says.
 */
import type { SlotState } from '../source/slot.ts';

/** What the slot kept at one moment. */
export interface WalSample {
  /** Monotonic, ms. */
  readonly atMs: number;
  /** WAL kept for the slot. */
  readonly retainedBytes: number;
  /** What may still be written before PostgreSQL itself gives the slot up (`max_slot_wal_keep_size`); null without a limit. */
  readonly safeBytes: number | null;
}

/** How near the limit is: below a half, from a half, from four fifths, reached. */
export type WalLevel = 'ok' | 'half' | 'high' | 'over';

/** What the samples so far mean. */
export interface WalOutlook extends WalSample {
  readonly budgetBytes: number;
  /** Of the nearer limit, the budget or the server's own; 1: reached. */
  readonly share: number;
  /** Smoothed; negative while it shrinks. Null after one sample. */
  readonly growthBytesPerSecond: number | null;
  /** At the present growth; null while it does not grow. */
  readonly secondsUntilBudget: number | null;
  /** Until PostgreSQL may give the slot up; null without a limit of its own, or while nothing grows. */
  readonly secondsUntilLost: number | null;
  readonly level: WalLevel;
  /** One of the limits is less than an hour away. */
  readonly isSoon: boolean;
}

/** Levels from the top, with the share from which each holds. */
const LEVELS: readonly { level: WalLevel; from: number }[] = [
  { level: 'over', from: 1 },
  { level: 'high', from: 0.8 },
  { level: 'half', from: 0.5 },
  { level: 'ok', from: 0 },
];
/** A level that was reached holds until the share is a tenth below its start: no warnings in turn at the edge. */
const HOLD = 0.9;
/** “Soon”: entered below an hour, left above one and a half. */
const SOON_SECONDS = 3600;
const NOT_SOON_SECONDS = 5400;
/** Below this share nothing is soon: the slot's position moves in jumps, and the growth between two of them means little. */
const SOON_FROM = 0.2;
/** Time constant of the smoothed growth, s: several of those jumps (the server logs a position every 15 s). */
const SMOOTHING_SECONDS = 60;

/** The outlook after one more sample. */
export function nextOutlook(previous: WalOutlook | null, sample: WalSample, budgetBytes: number): WalOutlook {
  return outlookOf(sample, budgetBytes, smoothedGrowth(previous, sample), previous);
}

/** The outlook at a growth that is known from elsewhere, bytes per second. */
export function outlookOf(
  sample: WalSample,
  budgetBytes: number,
  growth: number | null,
  previous: WalOutlook | null = null,
): WalOutlook {
  const { retainedBytes, safeBytes } = sample;
  const secondsUntilBudget = secondsUntil(budgetBytes - retainedBytes, growth);
  const secondsUntilLost = safeBytes === null ? null : secondsUntil(safeBytes, growth);
  const share = Math.max(retainedBytes / budgetBytes, shareOfServer(sample));
  const nearest = Math.min(secondsUntilBudget ?? Infinity, secondsUntilLost ?? Infinity);
  const isSoon = isNear({ share, seconds: nearest }, previous?.isSoon === true);
  const level = levelOf(share, previous?.level ?? 'ok');
  const rates = { growthBytesPerSecond: growth, secondsUntilBudget, secondsUntilLost };
  return { ...sample, budgetBytes, share, ...rates, level, isSoon };
}

/** The level of a share, after another one. */
export function levelOf(share: number, previous: WalLevel): WalLevel {
  const held = rank(previous);
  const found = LEVELS.find(({ level, from }) => share >= (rank(level) <= held ? from * HOLD : from));
  return found?.level ?? 'ok';
}

/** Whether there is more to be worried about than before: a higher level, or a limit that has come near. */
export function isWorse(previous: WalOutlook | null, next: WalOutlook): boolean {
  const wasSoon = previous?.isSoon ?? false;
  return rank(next.level) > rank(previous?.level ?? 'ok') || (next.isSoon && !wasSoon);
}

/** Whether everything is well again that was not. */
export function isWellAgain(previous: WalOutlook | null, next: WalOutlook): boolean {
  const isWell = next.level === 'ok' && !next.isSoon;
  return previous !== null && isWell && (previous.level !== 'ok' || previous.isSoon);
}

/** The sample that a slot's state is; null for a slot that keeps nothing (invalidated, or being made). */
export function walSample(slot: SlotState, atMs: number): WalSample | null {
  if (slot.retainedBytes === null) return null;
  const safeBytes = slot.safeWalSize === null ? null : Number(slot.safeWalSize);
  return { atMs, retainedBytes: Number(slot.retainedBytes), safeBytes };
}

function rank(level: WalLevel): number {
  return LEVELS.length - LEVELS.findIndex((entry) => entry.level === level);
}

/** Begins at no growth and takes a minute to believe in one. */
function smoothedGrowth(previous: WalOutlook | null, sample: WalSample): number | null {
  if (previous === null) return null;
  const seconds = (sample.atMs - previous.atMs) / 1000;
  if (seconds <= 0) return previous.growthBytesPerSecond;
  const before = previous.growthBytesPerSecond ?? 0;
  const now = (sample.retainedBytes - previous.retainedBytes) / seconds;
  return before + (now - before) * (1 - Math.exp(-seconds / SMOOTHING_SECONDS));
}

function isNear({ share, seconds }: { share: number; seconds: number }, wasNear: boolean): boolean {
  if (wasNear) return share >= SOON_FROM * HOLD && seconds < NOT_SOON_SECONDS;
  return share >= SOON_FROM && seconds < SOON_SECONDS;
}

function secondsUntil(bytes: number, growth: number | null): number | null {
  if (bytes <= 0) return 0;
  return growth === null || growth <= 0 ? null : bytes / growth;
}

function shareOfServer({ retainedBytes, safeBytes }: WalSample): number {
  if (safeBytes === null) return 0;
  return safeBytes <= 0 ? 1 : retainedBytes / (retainedBytes + safeBytes);
}
