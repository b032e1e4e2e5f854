/** Shows a running pipeline: a bar per table while it loads, one live line while it streams. */
import { formatLsn } from '../model/lsn.ts';
import type { Retrying } from '../model/retrying.ts';
import type { PipelineProgress } from '../pipeline/options.ts';
import { byteSize, thousands } from './print.ts';
import { duration, Progress } from './progress.ts';

/** How long rates are measured over, ms. */
const RATE_WINDOW_MS = 2_000;

/** The display of one pipeline; draws on stderr. */
export class PipelineDisplay implements Disposable {
  readonly #progress: Progress;
  #rate = 0;
  #rateFrom = { atMs: performance.now(), changes: 0 };

  constructor(options: { silent: boolean }) {
    this.#progress = new Progress({ stream: process.stderr, silent: options.silent });
  }

  /** Shows the present state. */
  update(progress: PipelineProgress): void {
    this.#measure(progress.changes);
    const tables = progress.tables.map((table) => ({
      name: table.table,
      rows: table.rowsLoaded,
      rowsExpected: table.rowsEstimated,
      done: table.phase === 'live' || table.phase === 'catching_up',
    }));
    const isLoading = progress.phase === 'loading' || progress.phase === 'starting';
    this.#progress.update(isLoading ? tables : [], statusLine(progress, this.#rate));
  }

  /** Prints a line that stays. */
  print(line: string): void {
    this.#progress.print(line);
  }

  [Symbol.dispose](): void {
    this.#progress[Symbol.dispose]();
  }

  #measure(changes: number): void {
    const elapsedMs = performance.now() - this.#rateFrom.atMs;
    if (elapsedMs < RATE_WINDOW_MS) return;
    // A new session counts from 0.
    this.#rate = (Math.max(0, changes - this.#rateFrom.changes) * 1000) / elapsedMs;
    this.#rateFrom = { atMs: performance.now(), changes };
  }
}

/** `insert into ads.clicks: CLICKHOUSE_UNREACHABLE, attempt 7, next in 5 s`. */
export function retryText({ what, code, attempt, nextSeconds }: Retrying): string {
  return `${what}: ${code}, attempt ${thousands(attempt)}, next in ${duration(nextSeconds)}`;
}

/** `streaming · 12,345 changes, 218/s · lag 0 B, 0 s · at 0/1A2B3C`. */
export function statusLine(progress: PipelineProgress, ratePerSecond: number): string {
  if (progress.waitingFor !== '') return `waiting for ${progress.waitingFor}`;
  if (progress.retrying !== null) return `${progress.phase} · retrying ${retryText(progress.retrying)}`;
  const behindBytes = progress.sourceLsn > progress.appliedLsn ? progress.sourceLsn - progress.appliedLsn : 0n;
  const ageSeconds =
    progress.appliedCommitTimeUs === 0n ? 0 : Date.now() / 1000 - Number(progress.appliedCommitTimeUs) / 1e6;
  const lag = progress.caughtUp ? 'up to date' : `lag ${byteSize(behindBytes)}, ${duration(Math.max(0, ageSeconds))}`;
  const changes = `${thousands(progress.changes)} changes, ${thousands(Math.round(ratePerSecond))}/s`;
  return `${progress.phase} · ${changes} · ${lag} · at ${formatLsn(progress.appliedLsn)}`;
}
