/** Integers in PostgreSQL's text form, without strings or BigInt on the way. */

const MINUS = 0x2d;
const PLUS = 0x2b;
const TWO_32 = 4294967296;
/** Digits that a double holds exactly, whatever they are. */
const EXACT_DIGITS = 15;
const LOW_DIGITS = 9;
const LOW_BASE = 1e9;

/** Reads up to 15 digits at `[start, end)`; −1 when something else is there. */
export function digitsAt(bytes: Uint8Array, start: number, end: number): number {
  if (start < 0 || end > bytes.length || start >= end || end - start > EXACT_DIGITS) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** 1 when a sign is at `start`, else 0. */
function signWidth(bytes: Uint8Array, start: number): number {
  return bytes[start] === MINUS || bytes[start] === PLUS ? 1 : 0;
}

/** Reads a signed integer of at most 15 digits; NaN when it is none. */
export function integerAt(bytes: Uint8Array, start: number, end: number): number {
  const value = digitsAt(bytes, start + signWidth(bytes, start), end);
  if (value < 0) return Number.NaN;
  return bytes[start] === MINUS ? 0 - value : value;
}

/** A 64-bit integer in halves: where {@link readInteger64} leaves its result. */
export interface Halves {
  /** Upper 32 bits, signed. */
  hi: number;
  /** Lower 32 bits, signed. */
  lo: number;
}

/** Splits an integer of at most 2^53 in magnitude into two's complement halves. */
export function splitDouble(value: number, into: Halves): void {
  into.lo = value | 0;
  into.hi = Math.floor(value / TWO_32) | 0;
}

/**
 * Splits `high * factor + low` into halves, exactly although the sum may exceed 2^53.
 *
 * @param high Of at most 2^34; may be negative.
 * @param parts `factor` of at most 10^9; `low` not negative and below 2^46.
 */
export function splitProduct(high: number, parts: { factor: number; low: number }, into: Halves): void {
  const upper = Math.floor(high / 65536) * parts.factor;
  const lower = (high - Math.floor(high / 65536) * 65536) * parts.factor + parts.low;
  const carried = Math.floor(upper / 65536);
  const sum = (upper - carried * 65536) * 65536 + lower;
  into.lo = sum | 0;
  into.hi = (carried + Math.floor(sum / TWO_32)) | 0;
}

/**
 * Reads a 64-bit integer.
 *
 * @param signed Whether the range is that of Int64 (else UInt64).
 * @returns False when the text is no integer, or outside the range.
 */
export function readInteger64(
  bytes: Uint8Array,
  range: { start: number; end: number },
  signed: boolean,
  into: Halves,
): boolean {
  const short = integerAt(bytes, range.start, range.end);
  if (!Number.isNaN(short)) {
    splitDouble(short, into);
    return signed || short >= 0;
  }
  return readLong(bytes, range, signed, into);
}

/** {@link readInteger64} for 16 to 20 digits. */
function readLong(bytes: Uint8Array, range: { start: number; end: number }, signed: boolean, into: Halves): boolean {
  const negative = bytes[range.start] === MINUS;
  const middle = range.end - LOW_DIGITS;
  const high = digitsAt(bytes, range.start + signWidth(bytes, range.start), middle);
  const low = digitsAt(bytes, middle, range.end);
  // 18446744073 and 10 digits bound UInt64; above it the halves would wrap.
  if (high < 0 || low < 0 || high > 18446744073 || (high === 18446744073 && low > 709551615)) return false;
  splitProduct(high, { factor: LOW_BASE, low }, into);
  if (!signed) return !negative || (high === 0 && low === 0);
  if (!negative) return into.hi >= 0;
  if (into.hi < 0) return into.hi === -2147483648 && into.lo === 0;
  into.hi = (into.lo === 0 ? -into.hi : ~into.hi) | 0;
  into.lo = -into.lo | 0;
  return true;
}
