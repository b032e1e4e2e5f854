/** Something that failed and is tried again: the shape in which log, heartbeat and status tell it. */

/** What is tried again. */
export interface Retrying {
  /** In words: `insert into ads.clicks`. */
  readonly what: string;
  /** A key of the table of errors; `INTERNAL` for what is none of ours. */
  readonly code: string;
  readonly message: string;
  /** Attempts so far, all failed. */
  readonly attempt: number;
  /** Until the next one, when this was written. */
  readonly nextSeconds: number;
}
