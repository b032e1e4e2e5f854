/** Weights, shares of a whole, and draws by weight. */
import { fraction, wholeBetween, type Random } from './random.ts';

/**
 * Zipf's law: the weight of rank r (from 1) is 1/r^exponent.
 *
 * @param exponent 0 makes all equal; about 1 is typical of traffic on the web.
 */
export function zipfWeights(ranks: number, exponent = 1): number[] {
  return Array.from({ length: ranks }, (_, index) => (index + 1) ** -exponent);
}

/**
 * Splits `total` things by weight into whole shares that add up to exactly `total` (largest remainders).
 *
 * @param weights Not negative, with a positive sum; no weights give no shares.
 */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((partial, weight) => partial + weight, 0);
  const exact = weights.map((weight) => (total * weight) / sum);
  const shares = exact.map((share) => Math.floor(share));
  const remainder = (index: number): number => (exact[index] ?? 0) - (shares[index] ?? 0);
  const byRemainder = shares.map((_, index) => index).toSorted((a, b) => remainder(b) - remainder(a) || a - b);
  let missing = total - shares.reduce((partial, share) => partial + share, 0);
  for (const index of byRemainder) {
    if (missing <= 0) break;
    shares[index] = (shares[index] ?? 0) + 1;
    missing--;
  }
  return shares;
}

/**
 * Draws indexes by weight, each in constant time.
 *
 * @see Vose, “A linear algorithm for generating random numbers with a given distribution” (1991), the alias method.
 */
export class WeightedChoice {
  readonly #keep: Float64Array;
  readonly #alias: Int32Array;

  /** @param weights Not negative, at least one positive. */
  constructor(weights: readonly number[]) {
    const sum = weights.reduce((partial, weight) => partial + weight, 0);
    const scaled = weights.map((weight) => (weight * weights.length) / sum);
    this.#keep = new Float64Array(weights.length).fill(1);
    this.#alias = Int32Array.from(weights, (_, index) => index);
    const light = scaled.flatMap((weight, index) => (weight < 1 ? [index] : []));
    const heavy = scaled.flatMap((weight, index) => (weight < 1 ? [] : [index]));
    while (light.length > 0 && heavy.length > 0) {
      const small = light.pop() as number;
      const large = heavy.at(-1) as number;
      this.#keep[small] = scaled[small] as number;
      this.#alias[small] = large;
      const rest = (scaled[large] as number) + (scaled[small] as number) - 1;
      scaled[large] = rest;
      if (rest < 1) light.push(heavy.pop() as number);
    }
  }

  /** The index of one weight. */
  draw(random: Random): number {
    const column = wholeBetween(random, 0, this.#keep.length - 1);
    return fraction(random) < (this.#keep[column] as number) ? column : (this.#alias[column] as number);
  }
}
