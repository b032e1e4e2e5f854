/** Reading of PostgreSQL's big-endian numbers. Small enough for V8 to inline; callers check the bounds. */

/** The signed 32-bit number at `at`. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** The signed 16-bit number at `at`. */
export function int16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!;
}
