/** The parent's side of worker.ts: a process under measurement. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BareOptions } from './bare-receive.ts';
import { nowMs, type Usage } from './clock.ts';
import type { Answer, Condition, PipelineJob, Request } from './worker.ts';

/** A process that runs one job. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** CPU time for starting node and loading the code, ms: no part of the figures. */
  #startCpuMs = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts the process and waits until it has loaded its code. `BENCH_PROFILE=DIR` writes CPU profiles. */
  static async start(): Promise<WorkerProcess> {
    const profile = process.env['BENCH_PROFILE'];
    const execArgv = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const worker = new WorkerProcess(fork(fileURLToPath(new URL('worker.js', import.meta.url)), { execArgv }));
    worker.#startCpuMs = (await worker.#answer()).cpuMs;
    return worker;
  }

  /** Of the process. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Runs the pipeline from now on. @returns When, by the common clock. */
  runPipeline(job: PipelineJob): number {
    return this.#send({ kind: 'pipeline', job });
  }

  /** Receives bare; resolves at the last insert. */
  async receive(job: BareOptions): Promise<Usage> {
    this.#send({ kind: 'receive', job });
    return await this.#answer();
  }

  /** Resolves when the pipeline says that the condition is met, with what the process had used by then. */
  async until(condition: Condition): Promise<Usage> {
    this.#send({ kind: 'await', condition });
    return await this.#answer();
  }

  /** Stops the job in order and waits for the end of the process. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#send({ kind: 'stop' });
    await ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #send(request: Request): number {
    this.#child.send(request);
    return nowMs();
  }

  async #answer(): Promise<Usage> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const ended = once(this.#child, 'exit', { signal }).then(() => [{ kind: 'failed', message: 'the process ended' }]);
    const [answer] = (await Promise.race([once(this.#child, 'message', { signal }), ended])) as [Answer];
    waiting.abort();
    if (answer.kind === 'failed') throw new Error(answer.message);
    return { ...answer.usage, cpuMs: answer.usage.cpuMs - this.#startCpuMs };
  }
}
