/** Looks once a second at everything that must stay bounded: our process, ClickHouse's parts, the source's WAL. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readHeartbeat } from '../../src/pipeline/read-heartbeat.ts';
import { pgRows } from '../../src/source/connection.ts';
import { inspectSlot } from '../../src/source/slot.ts';
import { type Lab, NAMES, SLOT } from '../support/lab.ts';
import type { SoakPhase } from './traffic.ts';

/** One second. */
export interface Sample {
  /** Since the start of the soak, s. */
  readonly atSeconds: number;
  readonly phase: SoakPhase;
  readonly rssMiB: number;
  readonly heapMiB: number;
  /** File descriptors of our process: sockets, files. */
  readonly handles: number;
  /** Sessions of ours on PostgreSQL. */
  readonly connections: number;
  /** Most active parts of a partition, and by table. */
  readonly mostParts: number;
  readonly partsByTable: Readonly<Record<string, number>>;
  /** Parts of all tables of ours that are on disk, merged away ones included, with their files. */
  readonly storedParts: number;
  readonly storedFiles: number;
  readonly storedMiB: number;
  readonly rowsPerSecond: number;
  readonly batchesPerSecond: number;
  readonly insertsPerSecond: number;
  readonly lagMiB: number;
  readonly walMiB: number;
  readonly spoolMiB: number;
}

const MIB = 2 ** 20;

/** What to look at. */
export interface SamplerOptions {
  readonly lab: Lab;
  /** Process of the pipeline. */
  readonly pid: number;
  readonly phase: () => SoakPhase;
  readonly signal: AbortSignal;
}

/** Samples until the signal; each is told as it is taken. */
export async function sampleUntil(options: SamplerOptions, onSample: (sample: Sample) => void): Promise<void> {
  const startedAt = performance.now();
  while (!options.signal.aborted) {
    const atSeconds = Math.round((performance.now() - startedAt) / 100) / 10;
    onSample(await takeSample(options, atSeconds));
    // At the next whole second; when a sample took longer, the seconds it took are left out.
    await sleep(1000 - ((performance.now() - startedAt) % 1000));
  }
}

async function takeSample({ lab, pid, phase }: SamplerOptions, atSeconds: number): Promise<Sample> {
  const [parts, vitals, slot, sessions] = await Promise.all([
    readParts(lab),
    readHeartbeat(lab.ch, NAMES, SLOT),
    inspectSlot(lab.pg, SLOT),
    pgRows(
      lab.pg,
      "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name LIKE 'millrace%' AND application_name <> 'millrace traffic'",
    ),
  ]);
  return {
    atSeconds,
    phase: phase(),
    rssMiB: rssMiB(pid),
    heapMiB: (vitals?.heapBytes ?? 0) / MIB,
    handles: readdirSync(`/proc/${pid}/fd`).length,
    connections: Number(sessions[0]?.['n'] ?? 0),
    ...parts,
    rowsPerSecond: vitals?.rowsPerSecond ?? 0,
    batchesPerSecond: vitals?.batchesPerSecond ?? 0,
    insertsPerSecond: vitals?.insertsPerSecond ?? 0,
    lagMiB: (vitals?.lagBytes ?? 0) / MIB,
    walMiB: Number(slot?.retainedBytes ?? 0) / MIB,
    spoolMiB: (vitals?.spoolBytes ?? 0) / MIB,
  };
}

type PartsSample = Pick<Sample, 'mostParts' | 'partsByTable' | 'storedParts' | 'storedFiles' | 'storedMiB'>;

async function readParts({ ch }: Lab): Promise<PartsSample> {
  const rows = await ch.rows<{ name: string; most: string; stored: string; files: string; bytes: string }>(
    `SELECT name, max(active_parts) AS most, sum(all_parts) AS stored, sum(files_) AS files, sum(bytes_) AS bytes FROM (
       SELECT concat(database, '.', table) AS name, countIf(active) AS active_parts, count() AS all_parts,
              sum(files) AS files_, sum(bytes_on_disk) AS bytes_
       FROM system.parts WHERE database IN ({database:String}, {internal:String}) GROUP BY database, table, partition_id)
     GROUP BY name`,
    { params: { ...NAMES } },
  );
  const partsByTable = Object.fromEntries(rows.map(({ name, most }) => [name, Number(most)]));
  const total = (field: 'stored' | 'files' | 'bytes'): number => rows.reduce((sum, row) => sum + Number(row[field]), 0);
  return {
    mostParts: Math.max(0, ...Object.values(partsByTable)),
    partsByTable,
    storedParts: total('stored'),
    storedFiles: total('files'),
    storedMiB: total('bytes') / MIB,
  };
}

function rssMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}
