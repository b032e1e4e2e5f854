/** `millrace run` as a process of its own: what can be killed. */
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { isCopyAt, spawnRun } from '../../src/chaos/run-child.ts';
import { currentLsn } from '../../src/source/slot.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

/** A pipeline in a process, started, killed and started again. */
export class PipelineProcess implements AsyncDisposable {
  readonly #pg: TemporaryPostgres;
  readonly #ch: TemporaryClickHouse;
  readonly #settings: Record<string, string>;
  readonly #folder: { readonly folder?: string };
  #child: ChildProcess | null = null;
  #last: ChildProcess | null = null;
  #closed: Promise<unknown> = Promise.resolve();
  /** What the processes wrote on stderr, for the message of a failure. */
  output = '';
  kills = 0;
  /** How processes ended that nobody has ended, as {@link ending} says it. */
  readonly gaveUp: string[] = [];

  /** @param settings Environment. @param folder Where its configuration is. */
  constructor(pg: TemporaryPostgres, ch: TemporaryClickHouse, settings: Record<string, string> = {}, folder?: string) {
    this.#folder = folder === undefined ? {} : { folder };
    this.#pg = pg;
    this.#ch = ch;
    this.#settings = settings;
  }

  /** Of the process that was started last; undefined when there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** True while the process lives. */
  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it, if it does not run. `failAt` lets it die at a fail point: `landed:3`. */
  start(failAt = ''): void {
    if (this.isRunning) return;
    if (this.#child !== null) this.gaveUp.push(this.ending);
    const child = spawnRun({
      ...this.#folder,
      logLevel: process.env['TEST_LOG_LEVEL'] ?? 'warn',
      env: {
        MILLRACE_POSTGRES_URL: this.#pg.url,
        MILLRACE_CLICKHOUSE_URL: this.#ch.url,
        MILLRACE_SLOT: this.#pg.database,
        MILLRACE_DATABASE: this.#ch.database,
        MILLRACE_INTERNAL_DATABASE: this.#ch.internal,
        ...this.#settings,
        MILLRACE_FAIL_AT: failAt,
      },
    });
    child.stderr?.on('data', (text: Buffer) => {
      this.output += text.toString();
    });
    this.#child = child;
    this.#closed = once(child, 'close');
  }

  /** Resolves when the process has ended and all that it wrote is in {@link output}. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  /** Suspends the process as it is, whatever it has in hand. The signal takes its time: resolves when it sleeps. */
  async pause(): Promise<void> {
    const pid = String(this.#child?.pid);
    this.#child?.kill('SIGSTOP');
    await waitFor(async () => (await run('ps', ['-o', 'state=', '-p', pid])).stdout.startsWith('T'), {
      what: 'the process to be suspended',
    });
  }

  /** Wakes it up. */
  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** How the last process ended: `code 0`, `SIGKILL`; empty while none has. */
  get ending(): string {
    const child = this.#child ?? this.#last;
    return child?.signalCode ?? (typeof child?.exitCode === 'number' ? `code ${child.exitCode}` : '');
  }

  /** Sends a signal and waits for nothing. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Ends it; `SIGKILL` as a crash, `SIGTERM` in order. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#last = child;
    if (child !== null && !this.isRunning) this.gaveUp.push(this.ending);
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    this.kills++;
    child.kill(signal);
    await once(child, 'exit');
  }

  /**
   * Waits until everything committed before this call is in the copy; starts it again when it gave up.
   *
   * @param options `plain`: there are no rollups, and a quarantined table is not waited for.
   *   `timeoutMs`: default 60 s.
   */
  async caughtUp(options: { plain?: boolean; timeoutMs?: number } = {}): Promise<void> {
    const target = await currentLsn(this.#pg.client);
    const isDone = async (): Promise<boolean> => {
      this.start();
      return await isCopyAt(this.#ch, this.#pg.database, target, options.plain === true ? 'plain' : 'rollups');
    };
    const failure = (): string => `the process to catch up; it wrote: ${this.output.slice(-2000)}`;
    const { timeoutMs = 60_000 } = options;
    await waitFor(isDone, { what: 'the process to catch up', timeoutMs }).catch((error: unknown) => {
      throw new Error(failure(), { cause: error });
    });
  }

  /**
   * Waits until it has died by itself; its exit code, null when a signal killed it.
   *
   * @throws when it lives on for two minutes: it never came to what it should have died of.
   */
  async died(): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    if (this.isRunning) {
      await waitFor(() => !this.isRunning, { what: 'the process to die', timeoutMs: 120_000 }).catch(
        (error: unknown) => {
          throw new Error(`it lives on; it wrote: ${this.output.slice(-4000)}`, { cause: error });
        },
      );
      this.kills++;
    }
    return child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
