/** WAL positions as two halves, on the hot path: see {@link WalPosition}. */
import type { Lsn } from '../model/lsn.ts';
import type { WalPosition } from './changes.ts';

/** Reads a position, big-endian, at `bytes[offset]`. */
export function readPosition(bytes: Buffer, offset: number, into: { hi: number; lo: number }): void {
  const at = offset;
  into.hi = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  into.lo = ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
}

/** Moves `target` up to `position`; never down. */
export function advance(target: { hi: number; lo: number }, position: WalPosition): void {
  if (position.hi < target.hi || (position.hi === target.hi && position.lo <= target.lo)) return;
  target.hi = position.hi;
  target.lo = position.lo;
}

/** The position as one number. */
export function toLsn(position: WalPosition): Lsn {
  return (BigInt(position.hi) << 32n) | BigInt(position.lo);
}
