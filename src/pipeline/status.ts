/**
 * How far the copy is, gathered from both servers: one value that the command line and programs show.
 * Reads only, so it works from any process, whether the pipeline runs or not.
 */
import type pg from 'pg';
import { CheckpointStore, type Checkpoint } from '../destination/checkpoint.ts';
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { isFollowed, type TablePhase, type TableState, TableStateStore } from '../destination/table-state.ts';
import { AppError, isAbort } from '../model/errors.ts';
import { formatLsn, type Lsn, maxLsn, NO_LSN } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import { redactUrl } from '../model/redact.ts';
import { pgRows } from '../source/connection.ts';
import { currentLsn, inspectSlot, type SlotState } from '../source/slot.ts';
import { type PipelineVitals, readHeartbeat } from './read-heartbeat.ts';
import { readWal, type WalStatus } from './wal-status.ts';

/**
 * - `new`: nothing was copied yet
 * - `stopped`: no process follows the source
 * - `loading`: some table is not yet consistent with the others
 * - `live`: every table follows the source (quarantined ones aside)
 * - `unreachable`: a server does not answer, so that only the other's side is known
 */
export type Phase = 'new' | 'stopped' | 'loading' | 'live' | 'unreachable';

/** How far one table is. */
export interface TableStatus {
  /** `schema.table` in the source. */
  readonly name: string;
  readonly phase: TablePhase;
  /** It is built anew beside the rows that are read, which stay as they are until it is live. */
  readonly building: boolean;
  readonly rowsLoaded: number;
  /** As the catalogue of the source estimates it. */
  readonly rowsEstimated: number;
  readonly chunksDone: number;
  readonly chunksTotal: number;
  /** Why it is in this phase, and what brings it back, where that needs saying. */
  readonly reason: string | null;
}

/** How far the copy is. Positions are text, `16/B374D848`. */
export interface Status {
  readonly phase: Phase;
  /** URLs without passwords. */
  readonly endpoints: { readonly postgres: string; readonly clickhouse: string; readonly page: string | null };
  readonly tables: readonly TableStatus[];
  /** The source may forget everything before it. */
  readonly confirmedLsn: string | null;
  /** Everything committed before it is in the copy. */
  readonly appliedLsn: string | null;
  readonly lag: {
    /** WAL between the copy and the end of the source's log; null before the first start. */
    readonly bytes: number | null;
    /** At most so many seconds since the source committed what the copy lacks; null when unknown. */
    readonly seconds: number | null;
  };
  readonly slot: {
    readonly walStatus: string | null;
    readonly retainedBytes: number | null;
    readonly active: boolean;
  } | null;
  /** True when the copy holds everything that was committed when this was asked. */
  readonly caughtUp: boolean;
  /** Why PostgreSQL could not be asked; null when it was. */
  readonly postgresError: string | null;
  /** Why ClickHouse could not be asked; null when it was. */
  readonly clickhouseError: string | null;
  /** What the pipeline's process tells of itself; null when none ever did, or ClickHouse could not be asked. */
  readonly pipeline: PipelineVitals | null;
  /** How safe the source is from what it keeps for us; null without a slot. */
  readonly wal: WalStatus | null;
}

/** Where to look. */
export interface StatusSources {
  /** A session, or why there is none. */
  readonly postgres: pg.Client | AppError;
  readonly clickhouse: ClickHouse;
  readonly names: Names;
  /** Name of the slot, which is the pipeline's. */
  readonly slot: string;
  readonly endpoints: { readonly postgres: string; readonly clickhouse: string; readonly page?: string | null };
  readonly walBudget: number;
  readonly walBudgetAction: 'warn' | 'drop';
}

/** What was found, before anything is concluded from it. */
export interface Observations {
  /** End of the source's log. Must be read before the rest, so that lag is never told too small. null: unknown. */
  readonly sourceLsn: Lsn | null;
  /** Time of the source's clock, µs since 1970; null: unknown. */
  readonly sourceTimeUs: bigint | null;
  readonly slot: SlotState | null;
  readonly postgresError: string | null;
  readonly checkpoint: Checkpoint | null;
  readonly tables: readonly TableStatus[];
  readonly pipeline: PipelineVitals | null;
  readonly clickhouseError: string | null;
  readonly wal: WalStatus | null;
}

/** How long ClickHouse may take to answer at all, ms. */
const ANSWER_MS = 5_000;

/**
 * Gathers the status.
 *
 * A server that cannot be reached is a status too: `phase` is `unreachable` and the rest what the other one knows.
 *
 * @throws {AppError} when a server refuses to answer.
 */
export async function readStatus(sources: StatusSources): Promise<Status> {
  const { endpoints } = sources;
  const source = await readSource(sources);
  const copy = await readCopy(sources);
  const wal = await readWalOf(sources, { slot: source.slot, pipeline: copy.pipeline });
  const page = endpoints.page ?? null;
  const shown = { postgres: redactUrl(endpoints.postgres), clickhouse: redactUrl(endpoints.clickhouse), page };
  return { endpoints: shown, ...concludeStatus({ ...source, wal, ...copy }) };
}

type SourceSide = Pick<Observations, 'sourceLsn' | 'sourceTimeUs' | 'slot' | 'postgresError'>;

async function readSource({ postgres, slot: name }: StatusSources): Promise<SourceSide> {
  if (postgres instanceof AppError) {
    return { sourceLsn: null, sourceTimeUs: null, slot: null, postgresError: postgres.message };
  }
  const sourceLsn = await currentLsn(postgres);
  const slot = await inspectSlot(postgres, name);
  const [clock] = await pgRows(postgres, 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us');
  return { sourceLsn, sourceTimeUs: BigInt(clock?.['us'] ?? 0), slot, postgresError: null };
}

async function readWalOf(
  { postgres, ...sources }: StatusSources,
  { slot, pipeline }: Pick<Observations, 'slot' | 'pipeline'>,
): Promise<WalStatus | null> {
  if (slot === null || postgres instanceof AppError) return null;
  return await readWal({ ...sources, postgres, pipeline }, slot);
}

/** What the observations mean. */
export function concludeStatus(seen: Observations): Omit<Status, 'endpoints'> {
  const { checkpoint, slot, tables } = seen;
  const applied = checkpoint?.appliedLsn ?? null;
  // Where nothing concerns the copied tables, the position is confirmed without a write to the copy.
  const reached = applied === null ? null : maxLsn(applied, slot?.confirmedFlushLsn ?? NO_LSN);
  const lagBytes = reached === null || seen.sourceLsn === null ? null : bytesBetween(reached, seen.sourceLsn);
  const isRecovering = checkpoint?.recovering === true;
  const isLoading = isRecovering || tables.some(({ phase }) => phase !== 'live' && isFollowed(phase));
  const caughtUp = lagBytes === 0 && !isLoading && tables.length > 0;
  const isUnreachable = seen.clickhouseError !== null || seen.postgresError !== null;
  return {
    phase: isUnreachable
      ? 'unreachable'
      : phaseOf({ isNew: checkpoint === null, isActive: slot?.active === true, isLoading }),
    tables,
    confirmedLsn: optionalLsn(slot?.confirmedFlushLsn ?? null),
    appliedLsn: optionalLsn(applied),
    lag: { bytes: lagBytes, seconds: lagBytes === 0 ? 0 : secondsBehind(seen) },
    slot: slot === null ? null : slotStatus(slot),
    caughtUp,
    postgresError: seen.postgresError,
    clickhouseError: seen.clickhouseError,
    pipeline: seen.pipeline,
    wal: seen.wal,
  };
}

/** 0 when the end of the log was read before the copy passed it. */
function bytesBetween(from: Lsn, to: Lsn): number {
  return Number(to > from ? to - from : 0n);
}

function phaseOf(facts: { isNew: boolean; isActive: boolean; isLoading: boolean }): Phase {
  if (!facts.isActive) return facts.isNew ? 'new' : 'stopped';
  return facts.isNew || facts.isLoading ? 'loading' : 'live';
}

function secondsBehind({ checkpoint, sourceTimeUs }: Observations): number | null {
  if (sourceTimeUs === null || checkpoint === null || checkpoint.appliedCommitTimeUs === 0n) return null;
  return Math.max(0, Number(sourceTimeUs - checkpoint.appliedCommitTimeUs) / 1e6);
}

function slotStatus(slot: SlotState): Status['slot'] {
  const retainedBytes = slot.retainedBytes === null ? null : Number(slot.retainedBytes);
  return { walStatus: slot.walStatus, retainedBytes, active: slot.active };
}

function optionalLsn(lsn: Lsn | null): string | null {
  return lsn === null ? null : formatLsn(lsn);
}

interface ChunkCounts {
  table: string;
  generation: number;
  chunks_done: string;
  rows_loaded: string;
}

type CopySide = Pick<Observations, 'checkpoint' | 'tables' | 'pipeline' | 'clickhouseError'>;

const NO_COPY: CopySide = { checkpoint: null, tables: [], pipeline: null, clickhouseError: null };

async function readCopy(sources: StatusSources): Promise<CopySide> {
  const { clickhouse, names, slot } = sources;
  try {
    await clickhouse.rows('SELECT 1', { signal: AbortSignal.timeout(ANSWER_MS) });
    const checkpoint = await new CheckpointStore(clickhouse, names, slot).read();
    const tables = await readTables(sources);
    // A copy made by an earlier version has no heartbeat until the pipeline has started once.
    const pipeline = await readHeartbeat(clickhouse, names, slot).catch(nothingIfMissing);
    return { ...NO_COPY, checkpoint, tables, pipeline };
  } catch (error) {
    if (isMissing(error)) return NO_COPY;
    if (isAbort(error)) return { ...NO_COPY, clickhouseError: `no answer within ${ANSWER_MS / 1000} s` };
    if (!(error instanceof AppError) || error.code !== 'CLICKHOUSE_UNREACHABLE') throw error;
    return { ...NO_COPY, clickhouseError: error.message };
  }
}

async function readTables({ clickhouse, names, slot }: StatusSources): Promise<TableStatus[]> {
  const states = await new TableStateStore(clickhouse, names, slot).readTables();
  const counts = await clickhouse.rows<ChunkCounts>(
    `SELECT table, generation, sum(done) AS chunks_done, sum(rows * done) AS rows_loaded
     FROM ${chIdent(names.internal)}.chunks FINAL WHERE pipeline = {pipeline:String} GROUP BY table, generation`,
    { params: { pipeline: slot } },
  );
  const tables = [...states.values()].map((state) => tableStatus(state, counts));
  return tables.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function tableStatus(state: TableState, counts: readonly ChunkCounts[]): TableStatus {
  const own = counts.find((row) => row.table === state.table && row.generation === state.generation);
  return {
    name: state.table,
    phase: state.phase,
    building: state.building,
    rowsLoaded: Number(own?.rows_loaded ?? 0),
    rowsEstimated: state.rowsEstimated,
    chunksDone: Number(own?.chunks_done ?? 0),
    chunksTotal: state.chunksTotal,
    reason: state.reason === '' ? null : state.reason,
  };
}

function nothingIfMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

/** UNKNOWN_TABLE, UNKNOWN_DATABASE: nothing was set up there yet. */
function isMissing(error: unknown): boolean {
  const code = error instanceof AppError ? String(error.details['clickhouseCode']) : '';
  return code === '60' || code === '81';
}
