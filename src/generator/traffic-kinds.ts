/** The kinds of change that traffic makes, and how often each is made. */
import { WeightedChoice } from './distributions.ts';
import type { Random } from './random.ts';

/** Statements by kind, with their weight among statements. */
export const CHANGE_WEIGHTS = {
  /** An impression now. */
  impression: 650,
  /** A click now. */
  click: 120,
  /** An event of the last hours or days that arrives only now. */
  lateEvent: 60,
  /** A click up to two minutes ahead of the clock, as clicks generated with their impression are. */
  futureClick: 20,
  /** An event of no campaign. */
  unattributedEvent: 8,
  /** An event that turns out to belong to another campaign. */
  eventMoved: 25,
  /** An event whose time is corrected by hours. */
  eventShifted: 25,
  /** An event taken back. */
  eventDeleted: 30,
  bidChange: 15,
  budgetChange: 10,
  campaignRenamed: 5,
  advertiserRenamed: 3,
  /** A campaign that goes to another advertiser. */
  campaignMoved: 4,
  campaignAdded: 1,
  advertiserAdded: 0.3,
} as const;

/** A kind of change. */
export type ChangeKind = keyof typeof CHANGE_WEIGHTS;

/** How a transaction goes, with its weight among transactions. */
export const SHAPE_WEIGHTS = {
  /** One statement. */
  single: 62,
  /** Two to six statements, open while other sessions commit. */
  several: 25,
  /** Statements that are all taken back. */
  rolledBack: 5,
  /** Statements of which some are taken back to a savepoint. */
  savepoint: 8,
} as const;

/** A shape of transactions. */
export type TransactionShape = keyof typeof SHAPE_WEIGHTS;

/** What traffic has done so far. */
export interface TrafficCounts {
  /** Rows changed and committed, by kind. */
  readonly rows: Record<ChangeKind, number>;
  /** Transactions committed or rolled back on purpose, by shape. */
  readonly transactions: Record<TransactionShape, number>;
  /** Rows that were changed and then taken back by a rollback or a savepoint. */
  rowsTakenBack: number;
  /** Transactions that PostgreSQL refused because of another one (lock, deadlock, a row gone); rolled back. */
  conflicts: number;
}

const KINDS = Object.keys(CHANGE_WEIGHTS) as ChangeKind[];
const KIND_CHOICE = new WeightedChoice(Object.values(CHANGE_WEIGHTS));
const SHAPES = Object.keys(SHAPE_WEIGHTS) as TransactionShape[];
const SHAPE_CHOICE = new WeightedChoice(Object.values(SHAPE_WEIGHTS));

/** The kind of the next statement. */
export function drawKind(random: Random): ChangeKind {
  return KINDS[KIND_CHOICE.draw(random)] as ChangeKind;
}

/** The shape of the next transaction. */
export function drawShape(random: Random): TransactionShape {
  return SHAPES[SHAPE_CHOICE.draw(random)] as TransactionShape;
}

function zeros<Key extends string>(keys: readonly Key[]): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
}

/** Counts of nothing done yet. */
export function noTraffic(): TrafficCounts {
  return { rows: zeros(KINDS), transactions: zeros(SHAPES), rowsTakenBack: 0, conflicts: 0 };
}

/** Rows changed and committed, of all kinds. */
export function committedRows(counts: TrafficCounts): number {
  return Object.values(counts.rows).reduce((sum, rows) => sum + rows, 0);
}
