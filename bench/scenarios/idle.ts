/**
 * An idle publication: nothing happens to the copied tables while the rest of the server writes a gigabyte of log, in
 * the same database and in another one. How much of it the source keeps for us.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import { currentLsn, inspectSlot } from '../../src/source/slot.ts';
import { createSource, type Lab, SLOT } from '../support/lab.ts';
import { atMost, type Findings } from '../support/result.ts';
import { rounded } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

const MIB = 2 ** 20;
const STEPS = 32;
const POLL_MS = 250;
/** What the server itself may keep between two of its records of running transactions (15 s), and what is left after one. */
const MAX_REST_MIB = 16;
const CATCH_UP_MS = 120_000;

/** Writes `mib` of log beside the copied tables, twice. */
export async function measureIdle(lab: Lab, mib: number): Promise<Findings> {
  const { postgres, clickhouse } = lab.engines;
  await createSource(lab.pg, 1_000);
  await pgRows(lab.pg, 'CREATE DATABASE neighbour');
  await using worker = await WorkerProcess.start();
  worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url, excludeTables: ['public.other'] });
  await worker.until({ kind: 'live' });
  const neighbour = new URL(postgres.url);
  neighbour.pathname = '/neighbour';
  const same = await measureBeside(lab, postgres.url, mib);
  const another = await measureBeside(lab, neighbour.toString(), mib);
  return {
    parameters: { mib },
    figures: { 'same database': same, 'another database': another },
    bars: [
      atMost('WAL kept afterwards, same database, MiB', same['keptAfterMiB'] ?? Number.NaN, MAX_REST_MIB),
      atMost('WAL kept afterwards, another database, MiB', another['keptAfterMiB'] ?? Number.NaN, MAX_REST_MIB),
    ],
  };
}

async function measureBeside(lab: Lab, url: string, mib: number): Promise<Record<string, number>> {
  const writer = await connectPostgres(url, { applicationName: 'bench' });
  const before = await currentLsn(lab.pg);
  let mostKept = 0;
  await pgRows(writer, 'CREATE TABLE other (body text STORAGE EXTERNAL)');
  for (let step = 0; step < STEPS; step++) {
    const rows = Math.ceil(mib / STEPS);
    await pgRows(writer, `INSERT INTO other SELECT repeat('x', 1 << 20) FROM generate_series(1, ${rows})`);
    mostKept = Math.max(mostKept, await keptMiB(lab));
  }
  const writtenMiB = Number((await currentLsn(lab.pg)) - before) / MIB;
  const startedAt = performance.now();
  while ((await keptMiB(lab)) > MAX_REST_MIB && performance.now() - startedAt < CATCH_UP_MS) await sleep(POLL_MS);
  const seconds = rounded((performance.now() - startedAt) / 1000);
  await writer.end();
  return {
    writtenMiB: rounded(writtenMiB),
    mostKeptMiB: rounded(mostKept),
    keptAfterMiB: rounded(await keptMiB(lab)),
    secondsUntilLetGo: seconds,
  };
}

async function keptMiB(lab: Lab): Promise<number> {
  return Number((await inspectSlot(lab.pg, SLOT))?.retainedBytes ?? 0) / MIB;
}
