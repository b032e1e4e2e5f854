/**
 * WAL positions (LSN, log sequence number): a byte offset in PostgreSQL's write-ahead log.
 *
 * Kept as `bigint` everywhere, written `X/Y` in hexadecimal for people and for SQL.
 *
 * @see https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
import { AppError } from './errors.ts';

/** A position in the write-ahead log, in bytes. */
export type Lsn = bigint;

/** The position before everything; PostgreSQL calls it invalid (`0/0`). */
export const NO_LSN: Lsn = 0n;

/**
 * Parses PostgreSQL's text form.
 *
 * @param text For example `16/B374D848`.
 * @throws {AppError} `LSN_SYNTAX` when the text is not a position.
 */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new AppError('LSN_SYNTAX', `“${text}” is not a WAL position`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Formats a position the way PostgreSQL does, for example `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}

/** The later of two positions. */
export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
