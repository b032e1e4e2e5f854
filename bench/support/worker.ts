/**
 * The process under measurement: runs the real pipeline, or the bare receiver, and tells when what was asked
 * for has come to pass, and what this process had used by then. Its parent is worker-process.ts.
 */
import { OPTIONS } from '../../src/config/options.ts';
import type { PipelineOptions, PipelineProgress } from '../../src/pipeline/options.ts';
import { runPipeline } from '../../src/pipeline/pipeline.ts';
import { openLog } from '../../src/telemetry/log.ts';
import { type BareOptions, receiveBare } from './bare-receive.ts';
import { usage, type Usage } from './clock.ts';
import { NAMES, SLOT } from './lab.ts';

/** What may be waited for: all tables live; so many row changes applied since the start; nothing. */
export type Condition = { kind: 'live' } | { kind: 'changes'; changes: number } | { kind: 'now' };

/** URLs, and what differs from the defaults. By message, as arguments stand in the process list. */
export interface PipelineJob extends Partial<
  Pick<PipelineOptions, 'minFlushIntervalMs' | 'loadConnections' | 'spoolMaxBytes' | 'excludeTables'>
> {
  readonly postgresUrl: string;
  readonly clickhouseUrl: string;
}

/** From the parent. */
export type Request =
  | { kind: 'pipeline'; job: PipelineJob }
  | { kind: 'receive'; job: BareOptions }
  | { kind: 'await'; condition: Condition }
  | { kind: 'stop' };

/** To the parent; `usage` of the moment. */
export type Answer = { kind: 'ready' | 'met'; usage: Usage } | { kind: 'failed'; message: string };

const stopping = new AbortController();
let awaited: Condition | null = null;
let latest: PipelineProgress | null = null;
let peakSpooledBytes = 0;

function answer(message: Answer): void {
  process.send?.(message);
}

function isMet(condition: Condition): boolean {
  if (condition.kind === 'now') return true;
  if (latest === null) return false;
  if (condition.kind === 'changes') return latest.changes >= condition.changes;
  return latest.caughtUp && latest.tables.every((table) => table.phase === 'live');
}

function check(): void {
  if (awaited === null || !isMet(awaited)) return;
  awaited = null;
  answer({ kind: 'met', usage: { ...usage(), peakSpooledMiB: Math.round(peakSpooledBytes / 2 ** 20) } });
}

/** The pipeline with its default options, as the command line would run it. */
async function pipeline(job: PipelineJob): Promise<void> {
  await runPipeline({
    slot: SLOT,
    publication: SLOT,
    database: NAMES.database,
    internalDatabase: NAMES.internal,
    includeTables: ['public.*'],
    excludeTables: [],
    tables: [],
    maskSalt: null,
    unfitPolicy: 'fail',
    eventHistory: 'off',
    pricingRules: [],
    loadConnections: OPTIONS.loadConnections.default,
    chunkRows: OPTIONS.chunkRows.default,
    chunkBytes: OPTIONS.chunkBytes.default,
    batchMaxBytes: OPTIONS.batchMaxBytes.default,
    dataDir: OPTIONS.dataDir.default,
    journalDir: OPTIONS.journalDir.default,
    journalMaxBytes: OPTIONS.journalMaxBytes.default,
    journalAfterMs: OPTIONS.journalAfterMs.default,
    spoolDir: OPTIONS.spoolDir.default,
    spoolMaxBytes: OPTIONS.spoolMaxBytes.default,
    minFlushIntervalMs: OPTIONS.minFlushIntervalMs.default,
    catalogPollMs: OPTIONS.catalogPollMs.default,
    walBudget: OPTIONS.walBudget.default,
    walBudgetAction: OPTIONS.walBudgetAction.default,
    ...job,
    log: openLog({ level: process.env['BENCH_LOG_LEVEL'] ?? 'warn', stream: process.stderr }),
    signal: stopping.signal,
    onProgress: (progress) => {
      latest = progress;
      peakSpooledBytes = Math.max(peakSpooledBytes, progress.spooledBytes);
      check();
    },
  });
}

async function receive(job: BareOptions): Promise<void> {
  await receiveBare(job);
  answer({ kind: 'met', usage: usage() });
}

function handle(request: Request): void {
  const fail = (error: unknown): void => {
    const message: Answer = { kind: 'failed', message: String((error as Error).stack ?? error) };
    process.send?.(message, () => process.exit(1));
  };
  if (request.kind === 'pipeline') void pipeline(request.job).then(() => process.exit(0), fail);
  else if (request.kind === 'receive') void receive(request.job).catch(fail);
  else if (request.kind === 'stop') {
    stopping.abort();
    if (latest === null) process.exit(0);
  } else {
    awaited = request.condition;
    check();
  }
}

process.on('message', handle);
process.on('disconnect', () => process.exit(1));
answer({ kind: 'ready', usage: usage() });
