/** What the generator asks of its numbers, before it opens a transaction. */
import { AppError } from '../model/errors.ts';
import { MAX_SEED } from './random.ts';

/** The largest id of a `serial` column, and so the largest count of rows. */
export const MAX_COUNT = 2_147_483_647;

/** @throws {AppError} `USAGE` when the value is not a whole number of `min` … `max`. */
export function requireWhole(what: string, value: number, range: { min?: number; max?: number } = {}): void {
  const { min = 0, max = MAX_COUNT } = range;
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new AppError('USAGE', `${what} must be a whole number from ${min} to ${max}, not ${value}`);
}

/** @throws {AppError} `USAGE` when the value is not a number from 0 to 1. */
export function requireRatio(what: string, value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new AppError('USAGE', `${what} must be a number from 0 to 1, not ${value}`);
}

/** What all generating commands take. */
export interface Repeatable {
  /** The same seed, `now` and tables give the same rows. */
  readonly seed: number;
  /** The time that “today” and “the past week” refer to. */
  readonly now: Date;
}

/** @throws {AppError} `USAGE` when the seed or the time cannot be used. */
export function requireRepeatable(options: Repeatable): void {
  requireWhole('the seed', options.seed, { max: MAX_SEED });
  if (Number.isNaN(options.now.getTime())) throw new AppError('USAGE', 'the time to generate for is not a date');
}
