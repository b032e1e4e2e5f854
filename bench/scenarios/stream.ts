/**
 * Following changes: a backlog of inserts, in small transactions and in one large one.
 *
 * - backlog: the pipeline is stopped, the rows are written, the pipeline starts; against the bare receiver on a
 *   second slot at the same place. From the moment that the slot is in use until the last row is in the copy.
 * - live: the rows are written while the pipeline follows; against MaterializedPostgreSQL, which cannot be
 *   stopped. From the begin of the writing until the last row is in the copy.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSlot } from '../../src/source/slot.ts';
import { pgRows } from '../../src/source/connection.ts';
import { nowMs, type Usage } from '../support/clock.ts';
import { createSource, type Lab, NAMES, reset, SLOT, verify, writeRows } from '../support/lab.ts';
import { MATERIALIZED, startMaterialized, untilPartsHold } from '../support/materialized.ts';
import { atLeast, atMost, type Bar, type Findings } from '../support/result.ts';
import { medians } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Rows of the published figures. */
export const STREAM_ROWS = 1_000_000;

/** The slot of the bare receiver. */
const BARE_SLOT = 'bare';

type Run = Record<string, number>;
type Runs = Record<string, Run[]>;

/** Measures transactions of 100 rows and one of all rows. */
export async function measureStream(lab: Lab, options: { rows: number; repeat: number }): Promise<Findings> {
  const { rows, repeat } = options;
  const figures: Record<string, Record<string, number>> = {};
  const bars: Bar[] = [];
  for (const [shape, perTransaction] of [
    ['transactions of 100', 100],
    ['one transaction', rows],
  ] as const) {
    const runs: Runs = {};
    for (let round = 0; round < repeat; round++) {
      const job = { rows, perTransaction, bareFirst: round % 2 === 1 };
      for (const [name, run] of Object.entries(await oneRound(lab, job))) (runs[name] ??= []).push(run);
    }
    const found = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, medians(list)]));
    for (const [name, figure] of Object.entries(found)) figures[`${shape}: ${name}`] = figure;
    const speed = (name: string): number => found[name]?.['rowsPerSecond'] ?? Number.NaN;
    bars.push(
      atLeast(`${shape}: speed over bare receive`, speed('backlog, millrace') / speed('backlog, bare receive'), 0.8),
      atLeast(
        `${shape}: speed over MaterializedPostgreSQL`,
        speed('live, millrace') / speed('live, MaterializedPostgreSQL'),
        1,
      ),
      atMost(`${shape}: peak RSS, MiB`, found['live, millrace']?.['peakRssMiB'] ?? Number.NaN, 300),
    );
  }
  return { parameters: { rows, repeat }, figures, bars };
}

interface Job {
  readonly rows: number;
  readonly perTransaction: number;
  readonly bareFirst: boolean;
}

async function oneRound(lab: Lab, job: Job): Promise<Record<string, Run>> {
  await reset(lab);
  await createSource(lab.pg, 0);
  await followEmptyTable(lab);
  await createSlot(lab.pg, BARE_SLOT);
  await writeRows(lab.pg, job.rows, job.perTransaction);
  await pgRows(lab.pg, 'CHECKPOINT');
  const bareBefore = job.bareFirst ? await receiveBacklog(lab, job.rows) : null;
  const ours = await streamBacklog(lab, job);
  const bare = bareBefore ?? (await receiveBacklog(lab, job.rows));
  await verify(lab, `${NAMES.database}.impressions`);
  await reset(lab);
  await createSource(lab.pg, 0);
  const peer = await followWithMaterialized(lab, job);
  return { ...ours, 'backlog, bare receive': bare, 'live, MaterializedPostgreSQL': peer };
}

/** Brings the empty table into the copy and leaves. */
async function followEmptyTable(lab: Lab): Promise<void> {
  await using worker = await WorkerProcess.start();
  worker.runPipeline(urls(lab));
  await worker.until({ kind: 'live' });
}

/** The backlog, and then as many rows again while it follows. */
async function streamBacklog(lab: Lab, { rows, perTransaction }: Job): Promise<Record<string, Run>> {
  await using worker = await WorkerProcess.start();
  worker.runPipeline(urls(lab));
  const reached = worker.until({ kind: 'changes', changes: rows });
  const startedAt = await slotInUse(lab, SLOT);
  const backlog = runOf(rows, startedAt, await reached);
  await worker.until({ kind: 'live' });
  const before = await worker.until({ kind: 'now' });
  const done = worker.until({ kind: 'changes', changes: 2 * rows });
  const begunAt = nowMs();
  await writeRows(lab.pg, rows, perTransaction);
  const writtenAt = nowMs();
  const after = await done;
  const live = runOf(rows, begunAt, { ...after, cpuMs: after.cpuMs - before.cpuMs });
  return {
    'backlog, millrace': backlog,
    'live, millrace': { ...live, secondsWriting: (writtenAt - begunAt) / 1000 },
  };
}

async function receiveBacklog(lab: Lab, rows: number): Promise<Run> {
  await using worker = await WorkerProcess.start();
  const { postgresUrl } = urls(lab);
  const reached = worker.receive({ postgresUrl, slot: BARE_SLOT, publication: SLOT, inserts: rows });
  const startedAt = await slotInUse(lab, BARE_SLOT);
  return runOf(rows, startedAt, await reached);
}

async function followWithMaterialized(lab: Lab, { rows, perTransaction }: Job): Promise<Run> {
  await startMaterialized(lab);
  const begunAt = nowMs();
  await writeRows(lab.pg, rows, perTransaction);
  const writtenAt = nowMs();
  await untilPartsHold(lab, 'materialized', rows + 1);
  const run = runOf(rows, begunAt, { atMs: nowMs(), cpuMs: 0, peakRssMiB: 0 });
  await verify(lab, MATERIALIZED);
  return { ...run, secondsWriting: (writtenAt - begunAt) / 1000 };
}

function runOf(rows: number, startedAt: number, { atMs, cpuMs, peakRssMiB }: Usage): Run {
  const seconds = (atMs - startedAt) / 1000;
  return { seconds, rowsPerSecond: rows / seconds, cpuMicrosecondsPerRow: (cpuMs * 1000) / rows, peakRssMiB };
}

/** When somebody began to read from the slot, by the common clock. */
async function slotInUse(lab: Lab, slot: string): Promise<number> {
  for (;;) {
    const rows = await pgRows(lab.pg, 'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active', [slot]);
    if (rows.length > 0) return nowMs();
    await sleep(2);
  }
}

function urls(lab: Lab): { postgresUrl: string; clickhouseUrl: string } {
  return { postgresUrl: lab.engines.postgres.url, clickhouseUrl: lab.engines.clickhouse.url };
}
