/** Unsigned LEB128 numbers, as ClickHouse writes lengths and counts. */
import { AppError } from '../model/errors.ts';

/** Lengths in Native data never need more: 2^35 bytes. */
const MOST_BYTES = 5;

/** Bytes that a number below 2^35 takes. */
export function varintWidth(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : MOST_BYTES;
}

/** Writes a number below 2^35 at `at`; returns the offset behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest >= 0x80) {
    bytes[to++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[to++] = rest;
  return to;
}

/** Reads the number at `at`. @throws {AppError} `VALUE_SYNTAX` when there is none. */
export function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  let factor = 1;
  for (let next = at; next < Math.min(at + MOST_BYTES, bytes.length); next++) {
    const byte = bytes[next]!;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, next: next + 1 };
    factor *= 0x80;
  }
  throw new AppError('VALUE_SYNTAX', 'Native data: no length where one must be');
}
