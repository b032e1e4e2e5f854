/** The pipeline under chaos: a process that is started again whenever it ends, as an init system does. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../model/package-root.ts';
import { NAMES, PIPELINE, type Lab } from './lab.ts';
import { spawnRun } from './run-child.ts';

/** An end that nobody here caused: exit code or signal, and the error it gave. */
export interface UnexpectedEnd {
  readonly how: string;
  /** Code of the error it printed; `none` when it printed none. */
  readonly code: string;
  readonly message: string;
}

/** What the processes have said since the last look. */
export interface Overheard {
  /** Statements that were tried again. */
  readonly retries: number;
  /** Sessions begun anew after one was lost. */
  readonly sessions: number;
  readonly ends: readonly UnexpectedEnd[];
}

/** Small batches and chunks, so that every round has many of both; flushes as soon as may be. */
const SETTINGS = {
  MILLRACE_CHUNK_ROWS: '1000',
  MILLRACE_BATCH_MAX_BYTES: '65536',
  MILLRACE_MIN_FLUSH_INTERVAL_MS: '0',
} as const;

/** A journal, used after a short time already. */
const JOURNAL = {
  MILLRACE_JOURNAL_MAX_BYTES: String(64 * 1024 * 1024),
  MILLRACE_JOURNAL_AFTER_MS: '1500',
} as const;

const CLOCK_SHIM = pathToFileURL(join(packageRoot(), 'dist/src/chaos/clock-shim.js'));
/** How much of the log is kept for a failure, characters. */
const KEPT_LOG = 100_000;
/** What the command line prints last of all when it fails, with `--json`. */
const ERROR_LINE = /\{"error":\{"code":"([A-Z_]+)","message":"([^"]*)[^\n]*\n$/;
const SHORT_LOG = 10_000;
/** How long a process that was replaced may take to find out, ms. */
const ZOMBIE_MS = 60_000;
/** Between an end and the next start, ms. */
const RESTART_MS = 50;

/** Starts, breaks and hears the pipeline. */
export class PipelineChild implements AsyncDisposable {
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  /** Ends of this child that are ours: what we killed, and the fail point it was started with. */
  #expected: { child: ChildProcess; failPoint: boolean } | null = null;
  /** Processes that were replaced while they slept. */
  readonly #zombies = new Set<ChildProcess>();
  #isWanted = false;
  #isHeldDown = false;
  #lines = { retries: 0, sessions: 0 };
  #ends: UnexpectedEnd[] = [];
  /** What the processes wrote lately. */
  log = '';
  /** Whether processes started from now on keep changes on disk while ClickHouse is away for long. */
  hasJournal = false;

  constructor(lab: Lab) {
    this.#env = {
      MILLRACE_POSTGRES_URL: lab.postgresProxy.url,
      MILLRACE_CLICKHOUSE_URL: lab.clickhouseProxy.url,
      MILLRACE_SLOT: PIPELINE,
      MILLRACE_DATABASE: NAMES.database,
      MILLRACE_INTERNAL_DATABASE: NAMES.internal,
      MILLRACE_DATA_DIR: lab.pipelineDirectory,
      ...SETTINGS,
    };
  }

  /** Whether a process lives. */
  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Keeps it running from now on. */
  start(failAt = ''): void {
    this.#isWanted = true;
    if (this.isRunning) return;
    const child = spawnRun({
      logLevel: 'info',
      imports: [CLOCK_SHIM.href],
      env: { ...this.#env, ...(this.hasJournal ? JOURNAL : {}), MILLRACE_FAIL_AT: failAt },
    });
    this.#child = child;
    this.#expected = { child, failPoint: failAt !== '' };
    let rest = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#hear(line);
    });
    child.once('close', () => void this.#onEnd(child));
  }

  /** Ends it with a signal and starts it again after some time; with `failAt`, to die there. Returns what ended it. */
  async restart(signal: NodeJS.Signals, holdMs: number, failAt = ''): Promise<NodeJS.Signals | null> {
    const child = this.#child;
    this.#isHeldDown = true;
    try {
      await this.#end(signal);
      await sleep(holdMs);
    } finally {
      this.#isHeldDown = false;
    }
    this.start(failAt);
    return child?.signalCode ?? null;
  }

  /** Stops it for some time, as a debugger or a paused machine does. */
  async freeze(holdMs: number): Promise<void> {
    const child = this.#child;
    child?.kill('SIGSTOP');
    await sleep(holdMs);
    child?.kill('SIGCONT');
  }

  /**
   * Stops it, lets another process take its place, and wakes it up: it has to find out and end.
   *
   * @param source What the source does meanwhile: it ends the sessions of the one that sleeps, as it would by itself
   *   after some silence, and lets the other one in.
   * @returns Whether there was a process to replace.
   * @throws when the one that was replaced lives on.
   */
  async replace(holdMs: number, source: { end(): Promise<void>; isFollowed(): Promise<void> }): Promise<boolean> {
    const zombie = this.#child;
    if (zombie === null || !this.isRunning) return false;
    zombie.kill('SIGSTOP');
    await source.end();
    this.#zombies.add(zombie);
    this.#child = null;
    this.start();
    await source.isFollowed();
    await sleep(holdMs);
    zombie.kill('SIGCONT');
    if (await endsWithin(zombie, ZOMBIE_MS)) return true;
    throw new Error(`a process that was replaced still lives ${ZOMBIE_MS / 1000} s after it woke up`);
  }

  /** Lets its clock jump. */
  jump(): void {
    this.#child?.kill('SIGUSR2');
  }

  /** Resolves when it dies at its fail point; false when it has not within the time. */
  async diesWithin(ms: number): Promise<boolean> {
    return this.#child === null || !this.isRunning || (await endsWithin(this.#child, ms));
  }

  /** Ends it for good. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.#isWanted = false;
    await this.#end(signal);
  }

  /** What was heard since the last call. */
  overheard(): Overheard {
    const heard = { ...this.#lines, ends: this.#ends };
    this.#lines = { retries: 0, sessions: 0 };
    this.#ends = [];
    return heard;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const zombie of this.#zombies) zombie.kill('SIGKILL');
    await this.end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    if (this.#expected?.child === child) this.#expected = null;
    const closed = once(child, 'close');
    child.kill(signal);
    // Stopped in the middle of something, it would not hear SIGTERM.
    child.kill('SIGCONT');
    await closed;
  }

  async #onEnd(child: ChildProcess): Promise<void> {
    this.#judge(child);
    if (this.#child !== child) return;
    await sleep(RESTART_MS);
    if (this.#isWanted && !this.#isHeldDown) this.start();
  }

  #judge(child: ChildProcess): void {
    const { exitCode, signalCode } = child;
    if (this.#zombies.delete(child)) return;
    const expected = this.#expected?.child === child ? this.#expected : null;
    if (expected === null) return;
    this.#expected = null;
    if (signalCode === 'SIGKILL' && expected.failPoint) return;
    // The shim was not loaded yet when the clock was to jump.
    if (signalCode === 'SIGUSR2') return;
    const said = ERROR_LINE.exec(this.log.slice(-SHORT_LOG));
    const code = said?.[1] ?? 'none';
    this.#ends.push({ how: signalCode ?? `exit code ${exitCode}`, code, message: said?.[2] ?? '' });
  }

  #hear(line: string): void {
    this.log = `${this.log}${line}\n`.slice(-KEPT_LOG);
    if (line.includes('"waiting to try again"')) this.#lines.retries++;
    if (line.includes('"the session ended, starting another"')) this.#lines.sessions++;
  }
}

/** Whether a process ends within some time. */
async function endsWithin(child: ChildProcess, ms: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return true;
  const patience = new AbortController();
  const ended = once(child, 'exit', { signal: patience.signal }).then(() => true);
  const gaveUp = sleep(ms, false, { signal: patience.signal });
  const outcome = await Promise.race([ended, gaveUp]);
  patience.abort();
  await Promise.allSettled([ended, gaveUp]);
  return outcome;
}
