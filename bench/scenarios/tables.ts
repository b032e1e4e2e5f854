/**
 * Many small tables: how long the first start takes until all are live, how long a later start takes, and what the
 * process uses while nothing happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pgRows } from '../../src/source/connection.ts';
import { engineCpuMs, nowMs } from '../support/clock.ts';
import type { Lab } from '../support/lab.ts';
import { atMost, type Findings } from '../support/result.ts';
import { rounded } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Tables by default. */
export const MANY_TABLES = 1_000;
const ROWS = 20;
/** CREATE TABLE locks each: so many in one transaction need no larger lock table. */
const TABLES_AT_ONCE = 50;
const IDLE_MS = 30_000;
const MAX_START_SECONDS = 60;

/** Makes the tables, starts twice, and watches an idle process. */
export async function measureTables(lab: Lab, tables: number): Promise<Findings> {
  for (let from = 1; from <= tables; from += TABLES_AT_ONCE) await makeTables(lab, from, from + TABLES_AT_ONCE - 1);
  await pgRows(lab.pg, 'ANALYZE');
  const first = await start(lab);
  const again = await start(lab);
  return {
    parameters: { tables, rowsEach: ROWS },
    figures: {
      'first start': { seconds: first.seconds, cpuSeconds: first.cpuSeconds, peakRssMiB: first.peakRssMiB },
      'later start': { seconds: again.seconds, cpuSeconds: again.cpuSeconds, peakRssMiB: again.peakRssMiB },
      'idle, per second': idle(again, 'cpuMs', 1000 / IDLE_MS),
      'idle, per minute': idle(again, 'statements', 60_000 / IDLE_MS),
    },
    bars: [atMost('first start until all are live, s', first.seconds, MAX_START_SECONDS)],
  };
}

async function makeTables(lab: Lab, from: number, to: number): Promise<void> {
  await pgRows(
    lab.pg,
    `DO $$ BEGIN FOR i IN ${from}..${to} LOOP
       EXECUTE format('CREATE TABLE many_%s (id integer PRIMARY KEY, name text, amount numeric(12, 2), at timestamptz)', i);
       EXECUTE format('INSERT INTO many_%s SELECT g, ''row '' || g, g / 7.0, now() FROM generate_series(1, ${ROWS}) g', i);
     END LOOP; END $$`,
  );
}

/** What a start took until all was live, and what the engines and we did in the idle time after it. */
interface Start {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
  readonly cpuMs: Work;
  readonly statements: Omit<Work, 'millrace'>;
}

interface Work {
  readonly millrace: number;
  readonly postgres: number;
  readonly clickhouse: number;
}

function idle(of: Start, what: 'cpuMs' | 'statements', factor: number): Record<string, number> {
  return Object.fromEntries(
    Object.entries(of[what]).map(([name, work]) => [`${name} ${what}`, rounded(work * factor)]),
  );
}

async function start(lab: Lab): Promise<Start> {
  const { postgres, clickhouse } = lab.engines;
  await using worker = await WorkerProcess.start();
  const startedAt = worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url });
  const live = await worker.until({ kind: 'live' });
  const seconds = rounded((nowMs() - startedAt) / 1000);
  const before = await enginesSoFar(lab);
  const from = await worker.until({ kind: 'now' });
  await sleep(IDLE_MS);
  const to = await worker.until({ kind: 'now' });
  const after = await enginesSoFar(lab);
  return {
    seconds,
    cpuSeconds: rounded(live.cpuMs / 1000),
    peakRssMiB: rounded(live.peakRssMiB),
    cpuMs: {
      millrace: to.cpuMs - from.cpuMs,
      postgres: after.cpuMs.postgres - before.cpuMs.postgres,
      clickhouse: after.cpuMs.clickhouse - before.cpuMs.clickhouse,
    },
    statements: {
      postgres: after.statements.postgres - before.statements.postgres,
      clickhouse: after.statements.clickhouse - before.statements.clickhouse,
    },
  };
}

interface Engines {
  readonly cpuMs: Omit<Work, 'millrace'>;
  readonly statements: Omit<Work, 'millrace'>;
}

/** CPU and statements of both servers since they were started; of PostgreSQL transactions, as it does not count statements. */
async function enginesSoFar({ engines: { postgres, clickhouse }, pg, ch }: Lab): Promise<Engines> {
  const [commits] = await pgRows(
    pg,
    'SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()',
  );
  const [queries] = await ch.rows<{ n: string }>(
    "SELECT toString(value) AS n FROM system.events WHERE event = 'Query'",
  );
  return {
    cpuMs: { postgres: engineCpuMs(postgres.pid), clickhouse: engineCpuMs(clickhouse.pid) },
    statements: { postgres: Number(commits?.['n'] ?? 0), clickhouse: Number(queries?.n ?? 0) },
  };
}
