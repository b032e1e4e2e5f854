/** What a pipeline is told: the options of the configuration that concern it. */
import type { Config } from '../config/options.ts';
import type { Retrying } from '../model/retrying.ts';
import type { Log } from '../telemetry/log.ts';

/** Options of a pipeline, with both URLs known. */
export interface PipelineOptions extends Pick<
  Config,
  | 'slot'
  | 'publication'
  | 'database'
  | 'internalDatabase'
  | 'includeTables'
  | 'excludeTables'
  | 'tables'
  | 'maskSalt'
  | 'unfitPolicy'
  | 'eventHistory'
  | 'pricingRules'
  | 'loadConnections'
  | 'chunkRows'
  | 'chunkBytes'
  | 'batchMaxBytes'
  | 'dataDir'
  | 'journalDir'
  | 'journalMaxBytes'
  | 'journalAfterMs'
  | 'spoolDir'
  | 'spoolMaxBytes'
  | 'minFlushIntervalMs'
  | 'catalogPollMs'
  | 'walBudget'
  | 'walBudgetAction'
> {
  readonly postgresUrl: string;
  readonly clickhouseUrl: string;
  readonly log: Log;
  /** Stops the pipeline: cleanly, within seconds. */
  readonly signal: AbortSignal;
  /** Nothing may be changed, on the disk here neither: a start is rehearsed. */
  readonly isRehearsal?: boolean;
  /** Told whenever something has moved; cheap, called often. */
  readonly onProgress?: (pipeline: PipelineProgress) => void;
}

/** What a running pipeline says of itself. */
export interface PipelineProgress {
  readonly phase: 'starting' | 'loading' | 'recovering' | 'streaming' | 'reconnecting';
  readonly tables: readonly {
    readonly table: string;
    readonly phase: string;
    readonly rowsLoaded: number;
    readonly rowsEstimated: number;
  }[];
  /** Row changes applied since the process started. */
  readonly changes: number;
  readonly appliedLsn: bigint;
  /** µs since 1970, 0 before the first transaction. */
  readonly appliedCommitTimeUs: bigint;
  /** Bytes of transactions in progress that wait on disk for their commits. */
  readonly spooledBytes: number;
  /** Position the server has told to have. */
  readonly sourceLsn: bigint;
  /** Everything the source had committed when it was last asked is in the copy, and all tables are live. */
  readonly caughtUp: boolean;
  /** What it waits for, in words: transactions of the source, merges of ClickHouse. Empty: nothing. */
  readonly waitingFor: string;
  /** This process reads the slot. */
  readonly holdsSlot: boolean;
  /** What failed last and is tried again; null while nothing is. */
  readonly retrying: Retrying | null;
  /** Batches applied since the process started. */
  readonly batches: number;
  /** Most bytes of changes that have waited to be applied in this session: at most three batches and a read. */
  readonly peakQueuedBytes: number;
  /** Most active parts of a partition when they were last counted, of all tables of the copy. */
  readonly activeParts: number;
}

/** The progress before there is any. */
export const NOTHING_YET: PipelineProgress = {
  phase: 'starting',
  tables: [],
  changes: 0,
  appliedLsn: 0n,
  appliedCommitTimeUs: 0n,
  spooledBytes: 0,
  sourceLsn: 0n,
  caughtUp: false,
  waitingFor: '',
  holdsSlot: false,
  retrying: null,
  batches: 0,
  peakQueuedBytes: 0,
  activeParts: 0,
};
