/**
 * Builds an unscaled decimal digit by digit in 32-bit limbs: 256 bits without BigInt.
 *
 * Up to 15 digits a double is exact and holds everything; only longer values reach the limbs.
 */

/** Largest factor of one step: limb * factor + carry stays below 2^53. */
const MOST_FACTOR = 10_000;
const EXACT = 1e15 / MOST_FACTOR;
const TWO_32 = 4294967296;

/** An unsigned number under construction. */
export class DecimalAccumulator {
  readonly #limbs: Uint32Array;
  readonly #count: number;
  /** The value while it is below 10^15. */
  #small = 0;
  #large = false;

  /** @param count 32-bit words of the column's values: 1, 2, 4 or 8. */
  constructor(count: number) {
    this.#count = count;
    this.#limbs = new Uint32Array(count);
  }

  /** Begins anew at 0. */
  reset(): void {
    this.#small = 0;
    this.#large = false;
  }

  /** value = value * factor + digit. The caller has checked that the result has few enough digits. */
  push(factor: number, digit: number): void {
    if (!this.#large && this.#small < EXACT) this.#small = this.#small * factor + digit;
    else this.#pushLimbs(factor, digit);
  }

  /** Writes the value in two's complement at `words[at…]`. */
  store(words: Int32Array, at: number, negative: boolean): void {
    if (this.#large) this.#storeLimbs(words, at, negative);
    else this.#storeSmall(words, at, negative ? 0 - this.#small : this.#small);
  }

  #pushLimbs(factor: number, digit: number): void {
    if (!this.#large) {
      this.#limbs.fill(0);
      const upper = Math.floor(this.#small / TWO_32);
      this.#limbs[0] = this.#small - upper * TWO_32;
      this.#limbs[1] = upper;
      this.#large = true;
    }
    let carry = digit;
    const limbs = this.#limbs;
    for (let i = 0; i < limbs.length; i++) {
      const product = limbs[i]! * factor + carry;
      carry = Math.floor(product / TWO_32);
      limbs[i] = product - carry * TWO_32;
    }
  }

  #storeSmall(words: Int32Array, at: number, value: number): void {
    words[at] = value;
    if (this.#count === 1) return;
    words[at + 1] = Math.floor(value / TWO_32);
    for (let i = 2; i < this.#count; i++) words[at + i] = value < 0 ? -1 : 0;
  }

  #storeLimbs(words: Int32Array, at: number, negative: boolean): void {
    let carry = 1;
    for (let i = 0; i < this.#count; i++) {
      const limb = this.#limbs[i]!;
      if (!negative) {
        words[at + i] = limb;
        continue;
      }
      const inverted = (~limb >>> 0) + carry;
      words[at + i] = inverted;
      carry = inverted === TWO_32 ? 1 : 0;
    }
  }
}
