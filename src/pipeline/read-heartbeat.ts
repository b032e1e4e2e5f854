/** Reads what running pipelines tell of themselves (heartbeat.ts). */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { chIdent } from '../model/quote.ts';
import type { Retrying } from '../model/retrying.ts';

/** The process that writes the copy, or that did last. */
export interface PipelineVitals {
  readonly host: string;
  readonly pid: number;
  /** Since it was heard last. */
  readonly ageSeconds: number;
  readonly phase: string;
  readonly phaseSeconds: number;
  /** What it waits for, in words: transactions of the source, merges of ClickHouse; null when for nothing. */
  readonly waitingFor: string | null;
  /** What fails and is tried again, and why; null when nothing is. */
  readonly retrying: Retrying | null;
  readonly rowsPerSecond: number;
  readonly batchesPerSecond: number;
  /** Those into tables of state too. */
  readonly insertsPerSecond: number;
  /** Most of a partition, of all tables of the copy. */
  readonly activeParts: number;
  /** Transactions that are not committed yet, on disk. */
  readonly spoolBytes: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** WAL between the copy and what the source has told to have. */
  readonly lagBytes: number;
  /** Of the WAL that the source keeps, smoothed; negative while it shrinks. */
  readonly walGrowthBytesPerSecond: number;
}

/** A process that was not heard for so long is not counted on, s. */
export const SILENT_SECONDS = 10;

/** The newest heartbeat, of the process that holds the slot if one does; null when there never was one. */
export async function readHeartbeat(
  clickhouse: ClickHouse,
  names: Names,
  pipeline: string,
): Promise<PipelineVitals | null> {
  const [row] = await clickhouse.rows<Record<string, string | number>>(
    `SELECT host, pid, dateDiff('millisecond', at, now64(3)) / 1000 AS age, phase, phase_seconds, waiting_for, retrying,
            rows_per_second, batches_per_second, inserts_per_second, active_parts, spool_bytes, rss_bytes, heap_bytes,
            lag_bytes, wal_growth_bytes
     FROM ${chIdent(names.internal)}.heartbeat WHERE pipeline = {pipeline:String}
     ORDER BY holds_slot AND age < {silent:UInt32} DESC, at DESC LIMIT 1`,
    { params: { pipeline, silent: SILENT_SECONDS } },
  );
  return row === undefined ? null : vitalsOf(row);
}

function vitalsOf(row: Record<string, string | number>): PipelineVitals {
  const number = (name: string): number => Number(row[name]);
  const text = (name: string): string | null => (row[name] === '' ? null : String(row[name]));
  const retrying = text('retrying');
  return {
    host: String(row['host']),
    pid: number('pid'),
    ageSeconds: Math.max(0, number('age')),
    phase: String(row['phase']),
    phaseSeconds: number('phase_seconds'),
    waitingFor: text('waiting_for'),
    retrying: retrying === null ? null : (JSON.parse(retrying) as Retrying),
    rowsPerSecond: number('rows_per_second'),
    batchesPerSecond: number('batches_per_second'),
    insertsPerSecond: number('inserts_per_second'),
    activeParts: number('active_parts'),
    spoolBytes: number('spool_bytes'),
    rssBytes: number('rss_bytes'),
    heapBytes: number('heap_bytes'),
    lagBytes: number('lag_bytes'),
    walGrowthBytesPerSecond: number('wal_growth_bytes'),
  };
}
