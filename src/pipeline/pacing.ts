/**
 * When to write: at once while little happens, in larger batches while much does, and never so often that
 * ClickHouse cannot merge the parts. Pure; the constants are measured (docs/benchmarks.md).
 */

/** What the decision depends on. */
export interface PacingInput {
  /** ms since the last batch was begun. */
  readonly sinceLastFlushMs: number;
  /** ms that the last batch took to apply. */
  readonly lastApplyMs: number;
  /** Row changes in the last batch and in the open one. */
  readonly lastChanges: number;
  readonly openChanges: number;
  /** Most active parts of any table of ours. */
  readonly activeParts: number;
  /** The operator's least time between two batches, ms. */
  readonly minIntervalMs: number;
}

/** From so many changes a batch is a sign of a backlog: larger ones are cheaper per row then. */
const BULK_CHANGES = 3_000;
/** ms between batches under backlog. */
const BULK_INTERVAL_MS = 200;
/**
 * Under steady traffic (so many changes in a batch) there lies between the starts of two batches so many times what
 * the last one took: on a busy machine inserts take longer, and as many of them would make it busier still.
 */
const STEADY_CHANGES = 8;
const APPLY_SHARE = 2;
const MAX_APPLY_INTERVAL_MS = 250;
/**
 * Parts that merges handle without help, and the number from which on nothing is written until they have. A batch that
 * is under way then adds a few: no partition ever has 300.
 */
const CALM_PARTS = 60;
const MAX_PARTS = 240;
const MAX_INTERVAL_MS = 2_000;

/** ms to wait before the next batch; 0 or less: now. */
export function flushDelayMs(input: PacingInput): number {
  const isBulk = Math.max(input.lastChanges, input.openChanges) >= BULK_CHANGES;
  const base = isBulk ? Math.max(BULK_INTERVAL_MS, input.minIntervalMs) : input.minIntervalMs;
  const isSteady = input.lastChanges >= STEADY_CHANGES;
  const share = isSteady ? Math.min(MAX_APPLY_INTERVAL_MS, APPLY_SHARE * input.lastApplyMs) : 0;
  return Math.max(base, share, partsIntervalMs(input.activeParts)) - input.sinceLastFlushMs;
}

/** Whether nothing more may be written before ClickHouse has merged. */
export function isFull(activeParts: number): boolean {
  return activeParts >= MAX_PARTS;
}

/** ms between two batches for the sake of the merges: 0 while they keep up, rising to 2 s as the parts near their limit. */
export function partsIntervalMs(activeParts: number): number {
  if (activeParts <= CALM_PARTS) return 0;
  const pressure = Math.min(1, (activeParts - CALM_PARTS) / (MAX_PARTS - CALM_PARTS));
  return MAX_INTERVAL_MS * pressure ** 2;
}
