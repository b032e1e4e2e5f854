/** A pipeline under test, in this process. */
import { tmpdir } from 'node:os';
import type { Lsn } from '../../src/model/lsn.ts';
import type { PipelineOptions, PipelineProgress } from '../../src/pipeline/options.ts';
import { runPipeline } from '../../src/pipeline/pipeline.ts';
import { currentLsn } from '../../src/source/slot.ts';
import { openLog } from '../../src/telemetry/log.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';
import { waitFor } from './wait.ts';

/** A running pipeline. */
export interface RunningPipeline extends AsyncDisposable {
  readonly progress: () => PipelineProgress | null;
  /** Resolves when everything committed before this call is in the copy. */
  caughtUp(): Promise<void>;
  /** Resolves when it has ended by itself; throws what it failed with. */
  ended(): Promise<void>;
  /** Ends it cleanly; throws what it failed with. */
  stop(): Promise<void>;
}

/** Options of a pipeline between two temporary databases. */
export function pipelineOptions(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  overrides: Partial<PipelineOptions> = {},
): Omit<PipelineOptions, 'signal'> {
  return {
    postgresUrl: pg.url,
    clickhouseUrl: ch.url,
    slot: pg.database,
    publication: 'millrace',
    database: ch.database,
    internalDatabase: ch.internal,
    includeTables: ['public.*'],
    excludeTables: ['public.flyway_schema_history'],
    tables: [],
    maskSalt: null,
    unfitPolicy: 'fail',
    eventHistory: 'off',
    pricingRules: [],
    loadConnections: 2,
    chunkRows: 1_000_000,
    chunkBytes: 16 << 20,
    batchMaxBytes: 16 << 20,
    dataDir: tmpdir(),
    journalDir: null,
    journalMaxBytes: 0,
    journalAfterMs: 30_000,
    spoolDir: null,
    spoolMaxBytes: 1 << 30,
    minFlushIntervalMs: 10,
    catalogPollMs: 5_000,
    walBudget: 10 * 2 ** 30,
    walBudgetAction: 'warn',
    log: openLog({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent', stream: process.stderr }),
    ...overrides,
  };
}

/** Starts a pipeline. */
export function startPipeline(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  overrides: Partial<PipelineOptions> = {},
): RunningPipeline {
  const controller = new AbortController();
  let latest: PipelineProgress | null = null;
  let failure: unknown = null;
  const onProgress = (progress: PipelineProgress): void => {
    latest = progress;
  };
  const running = runPipeline({ ...pipelineOptions(pg, ch, overrides), signal: controller.signal, onProgress }).catch(
    (error: unknown) => {
      failure = error;
    },
  );
  const isAt = (lsn: Lsn): boolean => {
    if (failure !== null) throw failure;
    return latest !== null && latest.caughtUp && latest.appliedLsn >= lsn;
  };
  const end = async (): Promise<void> => {
    controller.abort();
    await running;
  };
  const ended = async (): Promise<void> => {
    await running;
    if (failure !== null) throw failure;
  };
  const stop = async (): Promise<void> => {
    await end();
    await ended();
  };
  return {
    progress: () => latest,
    caughtUp: async () => {
      const lsn = await currentLsn(pg.client);
      await waitFor(() => isAt(lsn), { what: `the copy to reach ${lsn}` });
    },
    ended,
    stop,
    [Symbol.asyncDispose]: end,
  };
}

/** Resolves when everything committed before this call has been applied, whatever is still loading. */
export async function applied(pipeline: RunningPipeline, pg: TemporaryPostgres): Promise<void> {
  const lsn = await currentLsn(pg.client);
  await waitFor(() => (pipeline.progress()?.appliedLsn ?? 0n) >= lsn, { what: `${lsn} to be applied` });
}
