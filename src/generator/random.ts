/**
 * Repeatable random numbers: one seed, many independent streams.
 *
 * Each campaign, lane or purpose draws from its own stream, so that a change in how many numbers one of them
 * takes does not change the rows of the others.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/** A stream of random numbers; drawing from it moves it on. */
export type Random = RandomGenerator;

/** The largest seed: seeds are 0 … 2³¹−1. */
export const MAX_SEED = 2_147_483_647;

/**
 * Streams that never overlap: each call of the returned function gives the next one.
 * They lie 2⁶⁴ numbers apart in the period of xoroshiro128+.
 */
export function randomStreams(seed: number): () => Random {
  const origin = xoroshiro128plus(seed);
  return () => {
    origin.jump();
    return origin.clone();
  };
}

/** A whole number from `low` to `high`, both included. */
export function wholeBetween(random: Random, low: number, high: number): number {
  return uniformInt(random, low, high);
}

/** A number from 0 (included) to 1 (excluded), with 53 random bits. */
export function fraction(random: Random): number {
  return uniformFloat64(random);
}

/** True with this probability (0 … 1). */
export function chance(random: Random, probability: number): boolean {
  return uniformFloat64(random) < probability;
}

/** One item of the list, each as likely as the others; undefined when the list is empty. */
export function pick<Item>(random: Random, items: readonly Item[]): Item | undefined {
  return items.length === 0 ? undefined : items[uniformInt(random, 0, items.length - 1)];
}

/** The items in a random order (Fisher–Yates); the list given stays as it is. */
export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = uniformInt(random, 0, last);
    [result[last], result[other]] = [result[other] as Item, result[last] as Item];
  }
  return result;
}
