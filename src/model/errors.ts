/**
 * The one error class of Millrace and the one table of its codes.
 *
 * A message says what happened to which object; the hint of its code says what to do.
 * `exitCode` follows the command line's contract: 1 = a bug or a difference found,
 * 2 = the user's input or environment. `docs/errors.md` is compared with this table in a test.
 */

/** What a code means for whoever meets it. */
export interface ErrorMeaning {
  /** `retry`: passes by itself; `operator`: somebody must act; `bug`: ours. */
  readonly remedy: 'retry' | 'operator' | 'bug';
  /** What to do, in one sentence. */
  readonly hint: string;
}

/** Every error code, with its meaning. Codes are never reused for something else. */
export const ERRORS = {
  LSN_SYNTAX: { remedy: 'operator', hint: 'Write the position as PostgreSQL does, for example 16/B374D848.' },
  CONFIG_INVALID: { remedy: 'operator', hint: 'Correct the named option; `millrace --help` lists them all.' },
  USAGE: { remedy: 'operator', hint: 'See `millrace COMMAND --help`.' },
  AS_OF_UNKNOWN: {
    remedy: 'operator',
    hint: 'Ask for a position or time that the copy knows; set `eventHistory: on` so that it keeps its past from then on.',
  },
  NOT_RUNNING: {
    remedy: 'operator',
    hint: 'Start the engines with `npm start`, or give the URLs of your own servers.',
  },
  ALREADY_RUNNING: { remedy: 'operator', hint: 'Stop the other process first, or use its endpoints.' },
  ENGINE_MISSING: {
    remedy: 'operator',
    hint: 'Install the optional packages of the embedded engines, or give the URLs of your own servers.',
  },
  ENGINE_START: {
    remedy: 'operator',
    hint: 'Read the log named in the message; free the port or the data directory it complains about.',
  },
  POSTGRES_UNREACHABLE: {
    remedy: 'retry',
    hint: 'Check the PostgreSQL URL, that the server runs, and that it accepts connections from here.',
  },
  POSTGRES_AUTH: { remedy: 'operator', hint: 'Check user, password and pg_hba.conf of the PostgreSQL server.' },
  POSTGRES_FAILED: { remedy: 'operator', hint: 'Read the message of PostgreSQL above.' },
  CLICKHOUSE_UNREACHABLE: { remedy: 'retry', hint: 'Check the ClickHouse URL and that the server runs.' },
  CLICKHOUSE_AUTH: { remedy: 'operator', hint: 'Check user and password of the ClickHouse server.' },
  CLICKHOUSE_FAILED: { remedy: 'operator', hint: 'Read the message of ClickHouse above.' },
  PREFLIGHT_FAILED: { remedy: 'operator', hint: 'Run `millrace check` and apply the remedies it prints.' },
  TRIAL_FAILED: {
    remedy: 'operator',
    hint: 'Correct the named statement, or try the rest of the file without it; nothing was changed.',
  },
  TYPE_UNSUPPORTED: { remedy: 'operator', hint: 'Exclude the table, or change the column to a supported type.' },
  TABLE_UNSUITABLE: { remedy: 'operator', hint: 'Give the table a primary key, or exclude it.' },
  SLOT_BUSY: { remedy: 'operator', hint: 'Another process streams from this slot: stop it, or use another slot name.' },
  FENCED: {
    remedy: 'operator',
    hint: 'Another process follows the source into this copy now: leave it running, or stop it before you start this one.',
  },
  SLOT_LOST: {
    remedy: 'operator',
    hint: 'Run `millrace resync`, then start again: the tables are loaded again in place, with a new slot.',
  },
  SLOT_AHEAD: {
    remedy: 'operator',
    hint: 'Changes between the two positions are gone from the slot: run `millrace resync`, then start again.',
  },
  WAL_BUDGET: {
    remedy: 'operator',
    hint: 'Remove what kept the copy from following, run `millrace resync`, then start again: the tables are loaded again in place.',
  },
  SLOT_FOREIGN: {
    remedy: 'operator',
    hint: 'Something else uses a slot of that name: choose another with `--slot`.',
  },
  SOURCE_REWOUND: {
    remedy: 'operator',
    hint: 'The copy holds changes that the source has lost: bring back the right source, or run `millrace resync` and start again.',
  },
  COPY_DAMAGED: {
    remedy: 'operator',
    hint: 'Restore both databases in ClickHouse from one backup, or run `millrace resync` and start again.',
  },
  SOURCE_CHANGED: {
    remedy: 'operator',
    hint: 'Use another internal database for another source, or run `millrace teardown --copy` to start the copy anew.',
  },
  JOURNAL_FAILED: {
    remedy: 'operator',
    hint: 'See to the disk and the directory named; what the journal holds and the slot has confirmed is nowhere else.',
  },
  TABLE_ALTERED: {
    remedy: 'retry',
    hint: 'A table was altered after the catalogue had been read: it is read again by itself, and the table followed as it is now.',
  },
  STREAM_ENDED: { remedy: 'retry', hint: 'The connection to PostgreSQL was lost; it is opened again by itself.' },
  SPOOL_FULL: {
    remedy: 'operator',
    hint: 'Free space in the spool directory, raise `spoolMaxBytes`, or set it to 0 so that PostgreSQL keeps large transactions; then start again: nothing is lost.',
  },
  SPOOL_FAILED: {
    remedy: 'operator',
    hint: 'Give a spool directory (`spoolDir`) on a working disk that this user may write to, then start again: nothing is lost.',
  },
  PROTOCOL: {
    remedy: 'bug',
    hint: 'Please report this with the message above: the stream was not what the manual says.',
  },
  VALUE_UNFIT: { remedy: 'operator', hint: 'Correct the value in the source, or choose a policy for the column.' },
  VALUE_SYNTAX: { remedy: 'bug', hint: 'Please report this: a value was not in the form PostgreSQL documents.' },
  TABLE_QUARANTINED: { remedy: 'operator', hint: 'See `millrace status` for the reason.' },
  MIGRATION_CHANGED: {
    remedy: 'operator',
    hint: 'An applied migration file was edited: restore it and add a new one.',
  },
  MIGRATION_FAILED: {
    remedy: 'operator',
    hint: 'Read the message of the server above; nothing after this file was applied.',
  },
  ROLLUP_MISMATCH: { remedy: 'bug', hint: 'Please report this: a rollup differs from its mirror.' },
  VERIFY_REFUSED: {
    remedy: 'retry',
    hint: 'Run it again; `millrace status` shows whether the pipeline runs and how far it is.',
  },
  NOT_EMPTY: { remedy: 'operator', hint: 'Choose another database, or remove the tables named.' },
  NOT_FOUND: { remedy: 'operator', hint: 'Look the id up with `millrace seed stats`.' },
  CANCELLED: { remedy: 'operator', hint: 'Nothing was changed.' },
  INTERNAL: { remedy: 'bug', hint: 'Please report this with the message above.' },
} as const satisfies Record<string, ErrorMeaning>;

/** A code of the table above. */
export type ErrorCode = keyof typeof ERRORS;

/** An error with a code, what happened to which object, and (by its code) what to do. */
export class AppError extends Error {
  /** The code, a key of {@link ERRORS}. */
  readonly code: ErrorCode;
  /** Facts for machines: names, positions, counts; never row values or secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? {};
  }

  /** What to do about it. */
  get hint(): string {
    return ERRORS[this.code].hint;
  }

  /** 1 for a bug or a difference found, 2 for the user's input or environment. */
  get exitCode(): 1 | 2 {
    return ERRORS[this.code].remedy === 'bug' ? 1 : 2;
  }
}

/** Returns the error itself when it already has a code, else wraps it under `code`. */
export function asAppError(error: unknown, code: ErrorCode, what: string): AppError {
  if (error instanceof AppError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new AppError(code, `${what}: ${reason}`, { cause: error });
}

/** True for the error that an aborted signal throws: the end of a wait, not a failure. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'ABORT_ERR');
}
