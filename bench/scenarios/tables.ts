/**
 * Many small tables: how long the first start takes until all are live, how long a later start takes, and what the
 * process uses while nothing happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pgRows } from '../../src/source/connection.ts';
import { nowMs } from '../support/clock.ts';
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
  const first = await start(lab, IDLE_MS);
  const again = await start(lab, 0);
  return {
    parameters: { tables, rowsEach: ROWS },
    figures: {
      'first start': { seconds: first.seconds, cpuSeconds: first.cpuSeconds, peakRssMiB: first.peakRssMiB },
      'later start': { seconds: again.seconds, cpuSeconds: again.cpuSeconds, peakRssMiB: again.peakRssMiB },
      'idle, per second': { cpuMs: first.idleCpuMs },
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

async function start(
  { engines: { postgres, clickhouse } }: Lab,
  idleMs: number,
): Promise<{ seconds: number; cpuSeconds: number; peakRssMiB: number; idleCpuMs: number }> {
  await using worker = await WorkerProcess.start();
  const startedAt = worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url });
  const live = await worker.until({ kind: 'live' });
  const seconds = rounded((nowMs() - startedAt) / 1000);
  await sleep(idleMs);
  const later = await worker.until({ kind: 'now' });
  return {
    seconds,
    cpuSeconds: rounded(live.cpuMs / 1000),
    peakRssMiB: rounded(live.peakRssMiB),
    idleCpuMs: idleMs === 0 ? 0 : rounded((later.cpuMs - live.cpuMs) / (idleMs / 1000)),
  };
}
