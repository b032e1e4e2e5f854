/**
 * What `millrace verify` and other commands say to the running pipeline, through the source's own log: transactional logical
 * messages (`pg_logical_emit_message`), so each has a place in the order of commits.
 *
 *   hold ─► the pipeline stops before the next transaction, and reads on
 *   snapshot ─► it applies what that snapshot sees, not more, and clones its tables
 *   repair ─► it reads the keys noted in the copy again
 *   rebuild ─► it computes the rollup anew from the mirrors
 *   reconfigure ─► it prepares anew, with the tables and states as they are by then
 *
 * Answers lie in ClickHouse (destination/control.ts): both sides reach it, and no port is opened.
 *
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
 */
import { AppError } from './errors.ts';

/** Prefix of our messages; others in the stream are none of our business. */
export const CONTROL_PREFIX = 'millrace';

/** One message. `id` names the request that it belongs to (destination/control.ts). */
export type ControlMessage =
  /** `maxMs`: how long nothing may be applied at most, while the snapshot is awaited. */
  | { readonly kind: 'hold'; readonly id: string; readonly maxMs: number }
  /** `snapshot`: the text of `pg_current_snapshot()`. */
  | { readonly kind: 'snapshot'; readonly id: string; readonly snapshot: string }
  | { readonly kind: 'release'; readonly id: string }
  | { readonly kind: 'repair'; readonly id: string }
  /** `month`: `YYYYMM` of the events (UTC), `none` for those without a time, null for all. */
  | { readonly kind: 'rebuild'; readonly id: string; readonly month: string | null }
  /** The set of tables, or what is to be done with one, has changed in the copy's state: it is read anew. */
  | { readonly kind: 'reconfigure'; readonly id: string };

/** The message's content. */
export function encodeControl(message: ControlMessage): string {
  return JSON.stringify(message);
}

/** Reads a message's content; null when it is not one of ours (somebody else may use the prefix). */
export function decodeControl(content: Buffer): ControlMessage | null {
  let message: unknown;
  try {
    message = JSON.parse(content.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  return isControl(message) ? message : null;
}

function isControl(message: unknown): message is ControlMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { kind, id, snapshot, maxMs, month } = message as Record<string, unknown>;
  if (typeof id !== 'string') return false;
  if (kind === 'snapshot') return typeof snapshot === 'string';
  if (kind === 'hold') return typeof maxMs === 'number' && maxMs > 0;
  if (kind === 'rebuild') return month === null || isMonth(month);
  return kind === 'release' || kind === 'repair' || kind === 'reconfigure';
}

/** True for `YYYYMM`, and for `none`: events without a time. */
export function isMonth(value: unknown): value is string {
  return typeof value === 'string' && /^(?:none|(?:19|2\d)\d\d(?:0[1-9]|1[0-2]))$/.test(value);
}

/** Which transactions a snapshot sees, by their 32-bit ids as the stream tells them. */
export interface Snapshot {
  /** True when the transaction had committed before the snapshot was taken. */
  sees(xid: number): boolean;
}

const XID_BITS = 0xffff_ffffn;
const HALF = 0x8000_0000;

/**
 * Reads `pg_current_snapshot()`: `xmin:xmax:xip,…`, 64-bit ids. Ids of the stream have 32 bits: they are compared
 * on the circle, as PostgreSQL does (all that can be asked about lie within 2³¹ of `xmax`).
 *
 * @throws {AppError} `PROTOCOL`.
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
 */
export function parseSnapshot(text: string): Snapshot {
  const match = /^(\d+):(\d+):((?:\d+,)*\d+)?$/.exec(text);
  if (match === null) throw new AppError('PROTOCOL', `“${text}” is not a snapshot`);
  const low = (id: string): number => Number(BigInt(id) & XID_BITS);
  const xmax = low(match[2] ?? '');
  const running = new Set((match[3] ?? '').split(',').filter(Boolean).map(low));
  const isBelow = (xid: number): boolean => xid !== xmax && (xmax - xid) >>> 0 < HALF;
  return { sees: (xid) => isBelow(xid) && !running.has(xid) };
}
