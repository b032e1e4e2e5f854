/**
 * Tells about once a second what this process does (V8__heartbeat.sql), so that others can see it. Best effort: a
 * beat that fails or hangs is given up, and nothing ever waits for one.
 *
 *   pipeline, session ─► progress, outlook ─► [Heartbeat] ─► millrace.heartbeat ─► status
 */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, isAbort } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import type { Log } from '../telemetry/log.ts';
import type { Copy } from './copy.ts';
import type { PipelineProgress } from './options.ts';
import type { WalOutlook } from './wal-budget.ts';

/** Between two beats, ms. */
const BEAT_MS = 1_000;
/** After that a beat is given up, ms. */
const PATIENCE_MS = 5_000;
/** So many in a row are told as a warning. */
const MISSED_WARNING = 3;

/** What a heartbeat tells of; asked at each beat. */
export interface HeartbeatSources {
  readonly copy: Copy;
  readonly log: Log;
  readonly progress: () => PipelineProgress;
  readonly outlook: () => WalOutlook | null;
}

/** Beats from its making to its disposal. */
export class Heartbeat implements AsyncDisposable {
  readonly #sources: HeartbeatSources;
  readonly #end = new AbortController();
  readonly #beating: Promise<void>;
  #phase: { name: string; sinceMs: number } = { name: '', sinceMs: 0 };
  #last: Counts;
  #missed = 0;

  constructor(sources: HeartbeatSources) {
    this.#sources = sources;
    this.#last = countsOf(sources);
    this.#beating = this.#beatOn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#beating;
  }

  async #beatOn(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await sleep(BEAT_MS, undefined, { signal }).catch((error: unknown) => {
        if (!isAbort(error)) throw error;
      });
      if (!signal.aborted) await this.#beat(AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { clickhouse, names } = this.#sources.copy;
    const row = this.#row();
    const sql = `INSERT INTO ${chIdent(names.internal)}.heartbeat (${Object.keys(row).join(', ')}) FORMAT JSONEachRow`;
    try {
      const settings = { input_format_skip_unknown_fields: 0 };
      await clickhouse.insert(sql, [Buffer.from(`${JSON.stringify(row)}\n`)], { signal, settings });
      this.#onBeat();
    } catch (error) {
      this.#onMiss(error);
    }
  }

  #onBeat(): void {
    if (this.#missed >= MISSED_WARNING) this.#sources.log.info('ClickHouse takes heartbeats again');
    this.#missed = 0;
  }

  /** Told once, as nothing else would tell it while nothing changes. */
  #onMiss(error: unknown): void {
    if (this.#end.signal.aborted) return;
    // Before the first start is through there is no table yet.
    const isRefused = error instanceof AppError && error.code === 'CLICKHOUSE_FAILED';
    if (!isRefused) this.#missed++;
    const level = !isRefused && this.#missed === MISSED_WARNING ? 'warn' : 'debug';
    this.#sources.log[level]({ err: error }, 'no heartbeat could be written');
  }

  #row(): Record<string, string | number | boolean> {
    const progress = this.#sources.progress();
    const outlook = this.#sources.outlook();
    const memory = process.memoryUsage();
    const { sourceLsn, appliedLsn } = progress;
    return {
      pipeline: this.#sources.copy.pipeline,
      host: hostname(),
      pid: process.pid,
      holds_slot: progress.holdsSlot,
      phase: progress.phase,
      phase_seconds: this.#phaseSeconds(progress.phase),
      waiting_for: progress.waitingFor,
      retrying: progress.retrying === null ? '' : JSON.stringify(progress.retrying),
      ...this.#rates(),
      active_parts: progress.activeParts,
      spool_bytes: progress.spooledBytes,
      rss_bytes: memory.rss,
      heap_bytes: memory.heapUsed,
      lag_bytes: String(sourceLsn > appliedLsn ? sourceLsn - appliedLsn : 0n),
      wal_retained_bytes: outlook?.retainedBytes ?? 0,
      wal_growth_bytes: outlook?.growthBytesPerSecond ?? 0,
    };
  }

  #phaseSeconds(name: string): number {
    const nowMs = performance.now();
    if (name !== this.#phase.name) this.#phase = { name, sinceMs: nowMs };
    return (nowMs - this.#phase.sinceMs) / 1000;
  }

  #rates(): Record<string, number> {
    const [before, now] = [this.#last, countsOf(this.#sources)];
    this.#last = now;
    const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
    const rate = (field: keyof Counts): number => Math.max(0, now[field] - before[field]) / seconds;
    return {
      rows_per_second: rate('changes'),
      batches_per_second: rate('batches'),
      inserts_per_second: rate('inserts'),
    };
  }
}

interface Counts {
  readonly atMs: number;
  readonly changes: number;
  readonly batches: number;
  readonly inserts: number;
}

function countsOf({ progress, copy }: HeartbeatSources): Counts {
  const { changes, batches } = progress();
  return { atMs: performance.now(), changes, batches, inserts: copy.clickhouse.inserts };
}
