/**
 * Places at which a test lets the process die, as if the power had gone: `MILLRACE_FAIL_AT=landed:3` kills it
 * the third time it comes to `landed`. Without the variable they cost a comparison.
 */

/** The places, in the order of the protocol (docs/exactly-once.md). */
export const FAIL_POINTS = [
  /** A batch is complete, its old states are read, nothing is written. */
  'resolved',
  /** The plan is durable, nothing has landed. */
  'planned',
  /** Some tables of the batch have landed, others not. */
  'partly-landed',
  /** All pieces have landed, nothing says so. */
  'landed',
  /** Buckets of repriced campaigns are reconciled. */
  'reconciled',
  /** The applied position is stored, not yet confirmed to PostgreSQL. */
  'stored',
  /** A mirror was emptied by a TRUNCATE, its rollup not. */
  'truncated',
  /** A chunk's rows are in, the chunk is not recorded. */
  'chunk-landed',
  /** All chunks are in, the position that the stream has to pass is not recorded. */
  'loaded',
  /** The rollups were built, nothing says so. */
  'rollups-built',
  /** What a crash left in doubt was reconciled, nothing says so. */
  'recovered',
] as const;

/** A name of {@link FAIL_POINTS}. */
export type FailPoint = (typeof FAIL_POINTS)[number];

const [failAt = '', times = '1'] = (process.env['MILLRACE_FAIL_AT'] ?? '').split(':');
let remaining = Number(times);

/** Dies here when the environment says so. */
export function failPoint(name: FailPoint): void {
  if (name !== failAt || --remaining > 0) return;
  process.kill(process.pid, 'SIGKILL');
}
