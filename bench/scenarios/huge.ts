/**
 * Huge transactions: one of all rows, and twenty in progress at once; streamed to our spool, and (as before) kept by
 * PostgreSQL until the commit. Beside them small commits into another table, whose delay is measured in three
 * phases: while the huge ones are written, from their last COMMIT until they are visible, and afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { OPTIONS } from '../../src/config/options.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import { createSource, type Lab, NAMES, reset, SLOT, verify } from '../support/lab.ts';
import { atMost, type Bar, type Findings } from '../support/result.ts';
import { quantile, rounded } from '../support/statistics.ts';
import { VisibilityProbe } from '../support/visibility-probe.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Rows of the published figures. */
export const HUGE_ROWS = 10_000_000;

const INTERLEAVED = 20;
/** Turns in which each of the interleaved transactions writes a part. */
const TURNS = 10;
/** Small commits: ms between two, and how long they go on when all is visible. */
const BEAT_MS = 50;
const AFTERWARDS_MS = 3_000;

type Figure = Record<string, number>;

/** Measures both shapes, each with the spool and without. */
export async function measureHuge(lab: Lab, { rows }: { rows: number }): Promise<Findings> {
  const figures: Record<string, Figure> = {};
  const bars: Bar[] = [];
  for (const [shape, transactions] of [
    ['one', 1],
    [`${INTERLEAVED} interleaved`, INTERLEAVED],
  ] as const) {
    for (const [mode, spoolMaxBytes] of [
      ['spooled', OPTIONS.spoolMaxBytes.default],
      ['kept by PostgreSQL', 0],
    ] as const) {
      const figure = await measureOne(lab, { rows, transactions, spoolMaxBytes });
      figures[`${shape}, ${mode}`] = figure;
      bars.push(atMost(`${shape}, ${mode}: peak RSS, MiB`, figure['peakRssMiB'] ?? Number.NaN, 300));
    }
  }
  return { parameters: { rows, interleaved: INTERLEAVED, smallCommitsPerSecond: 1000 / BEAT_MS }, figures, bars };
}

interface Job {
  readonly rows: number;
  readonly transactions: number;
  readonly spoolMaxBytes: number;
}

async function measureOne(lab: Lab, job: Job): Promise<Figure> {
  await reset(lab);
  await createSource(lab.pg, 0);
  await pgRows(lab.pg, 'DROP TABLE IF EXISTS beat');
  await pgRows(lab.pg, 'CREATE TABLE beat (id serial PRIMARY KEY)');
  await using worker = await WorkerProcess.start();
  const { postgres, clickhouse } = lab.engines;
  worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url, spoolMaxBytes: job.spoolMaxBytes });
  await worker.until({ kind: 'live' });
  const probe = new VisibilityProbe(lab.ch, `${NAMES.database}.beat`);
  const beats = new Beats(await connectPostgres(postgres.url, { applicationName: 'bench' }));
  const begunAt = performance.now();
  const { commitAt, committedAt } = await writeHuge(lab, job);
  const visibleAt = await untilVisible(lab, job.rows);
  await sleep(AFTERWARDS_MS);
  const commits = await beats.end();
  const { seenAt } = await probe.until(Math.max(...commits.keys()));
  const { peakRssMiB, peakSpooledMiB } = await worker.until({ kind: 'now' });
  await verify(lab, `${NAMES.database}.impressions`);
  const delays = (from: number, to: number): Figure => {
    const list = [...commits].filter(([, at]) => at >= from && at < to).map(([id, at]) => Math.max(0, seenAt(id) - at));
    return { p50: rounded(quantile(list, 0.5)), max: rounded(Math.max(...list)) };
  };
  const [during, applying, after] = [
    delays(begunAt, commitAt),
    delays(committedAt, visibleAt),
    delays(visibleAt, Infinity),
  ];
  const secondsToVisible = (visibleAt - committedAt) / 1000;
  return {
    secondsWriting: rounded((committedAt - begunAt) / 1000),
    secondsCommitToVisible: rounded(secondsToVisible),
    rowsPerSecondFromBegin: rounded((job.rows / (visibleAt - begunAt)) * 1000),
    rowsPerSecondFromCommit: rounded(job.rows / secondsToVisible),
    peakRssMiB,
    spoolMiB: peakSpooledMiB ?? 0,
    ...(await serverSide(lab)),
    smallP50MsWriting: during['p50'] ?? 0,
    smallMaxMsWriting: during['max'] ?? 0,
    smallMaxMsApplying: applying['max'] ?? 0,
    smallP50MsAfter: after['p50'] ?? 0,
  };
}

/** Writes the transactions, in turns when there are several. @returns When the first COMMIT was sent, and the last one had returned. */
async function writeHuge(lab: Lab, job: Job): Promise<{ commitAt: number; committedAt: number }> {
  const sessions: Client[] = [];
  for (let i = 0; i < job.transactions; i++)
    sessions.push(await connectPostgres(lab.engines.postgres.url, { applicationName: 'bench' }));
  const turns = job.transactions === 1 ? 1 : TURNS;
  const rows = job.rows / job.transactions / turns;
  for (const session of sessions) await pgRows(session, 'BEGIN');
  for (let turn = 0; turn < turns; turn++) {
    for (const session of sessions) await pgRows(session, INSERT, [rows]);
  }
  const commitAt = performance.now();
  for (const session of sessions) await pgRows(session, 'COMMIT');
  const committedAt = performance.now();
  await Promise.all(sessions.map((session) => session.end()));
  return { commitAt, committedAt };
}

const INSERT = `INSERT INTO impressions (campaign_id, created_at)
  SELECT 1 + floor(random() ^ 2 * 5000)::int, timestamp '2025-01-01' + (n + random()) * interval '0.8 seconds'
  FROM generate_series(1, $1::int) AS n`;

async function untilVisible(lab: Lab, rows: number): Promise<number> {
  for (;;) {
    const [row] = await lab.ch.rows<{ n: string }>(`SELECT count() AS n FROM ${NAMES.database}.impressions`);
    if (Number(row?.n) >= rows) return performance.now();
    await sleep(50);
  }
}

/** What PostgreSQL sent while transactions were in progress, and what it wrote to its own disk instead. */
async function serverSide(lab: Lab): Promise<Figure> {
  const [row] = await pgRows(
    lab.pg,
    'SELECT stream_bytes AS streamed, spill_bytes AS spilled FROM pg_stat_replication_slots WHERE slot_name = $1',
    [SLOT],
  );
  const mib = (bytes: string | null | undefined): number => Math.round(Number(bytes ?? 0) / 2 ** 20);
  return { serverStreamMiB: mib(row?.['streamed']), serverSpillMiB: mib(row?.['spilled']) };
}

/** Small commits at even times. */
class Beats {
  readonly #client: Client;
  readonly #committedAt = new Map<number, number>();
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(client: Client) {
    this.#client = client;
    this.#running = this.#run();
    // Met by end(); before that a failure must not be unhandled.
    this.#running.catch(() => undefined);
  }

  /** When each id's COMMIT had returned. */
  async end(): Promise<ReadonlyMap<number, number>> {
    this.#isOver = true;
    await this.#running;
    await this.#client.end();
    return this.#committedAt;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const [row] = await pgRows(this.#client, 'INSERT INTO beat DEFAULT VALUES RETURNING id');
      this.#committedAt.set(Number(row?.['id']), performance.now());
      await sleep(BEAT_MS);
    }
  }
}
