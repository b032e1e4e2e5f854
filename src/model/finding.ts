/** A finding of a preflight check: a problem of the user's server, with its remedy. Never an exception. */

/** One problem that a check found. */
export interface Finding {
  /** Stable name of the check that found it, for example `wal_level`. */
  readonly code: string;
  /** `error`: Millrace cannot work so; `warning`: it can, but somebody should know. */
  readonly severity: 'error' | 'warning';
  /** What it is about: a server, a setting, a table. */
  readonly object: string;
  /** What was found. */
  readonly message: string;
  /** What to do, ready to be copied where it is a statement. */
  readonly remedy: string;
}

/** Clocks further apart than this are reported. */
const CLOCK_SKEW_LIMIT_MS = 2_000;

/**
 * Compares a server's clock with ours.
 *
 * @param serverMs The server's time, ms since 1970.
 * @param aroundMs Our time before and after the question.
 */
export function clockFindings(
  object: string,
  serverMs: number,
  aroundMs: { before: number; after: number },
): Finding[] {
  const skewMs = Math.max(aroundMs.before - serverMs, serverMs - aroundMs.after, 0);
  if (skewMs <= CLOCK_SKEW_LIMIT_MS) return [];
  const seconds = (skewMs / 1000).toFixed(1);
  return [
    {
      code: 'clock_skew',
      severity: 'warning',
      object,
      message: `its clock is ${seconds} s off from this machine's; lag in seconds will be wrong by as much`,
      remedy: 'Synchronise the clocks of both machines (NTP).',
    },
  ];
}
