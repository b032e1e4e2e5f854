/**
 * The initial load of one table: ours, ClickHouse's own `postgresql()`, and the limit of the machine, which is
 * reading everything and writing everything at the same time without any work in between.
 */
import { CopyBinaryReader } from '../../src/codec/copy-binary.ts';
import { encodeBlock } from '../../src/codec/native.ts';
import { tableNames } from '../../src/destination/ddl.ts';
import { LOAD_SETTINGS } from '../../src/destination/landing.ts';
import { OPTIONS } from '../../src/config/options.ts';
import { chunkQuery, planChunks } from '../../src/source/chunks.ts';
import { connectPostgres } from '../../src/source/connection.ts';
import { copyOut, type FrameConsumer } from '../../src/source/copy-out.ts';
import { engineCpuMs, nowMs } from '../support/clock.ts';
import {
  createSource,
  createTarget,
  type Lab,
  NAMES,
  postgresArguments,
  readLayout,
  reset,
  verify,
} from '../support/lab.ts';
import { atLeast, atMost, type Findings } from '../support/result.ts';
import { medians, rotate } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Rows of the published figures. */
export const LOAD_ROWS = 10_000_000;

const COLUMNS = 'id, campaign_id, created_at';
const { mirror: MIRROR } = tableNames(NAMES, 'impressions');
const CONNECTIONS = OPTIONS.loadConnections.default;

/** Seconds, and for our own process CPU seconds and MiB; 0 where it is not known. */
interface Run extends Record<string, number> {
  seconds: number;
  cpuSeconds: number;
  peakRssMiB: number;
}

/** Measures all four, `repeat` times in rotating order. */
export async function measureLoad(lab: Lab, options: { rows: number; repeat: number }): Promise<Findings> {
  const { rows, repeat } = options;
  await createSource(lab.pg, rows);
  const blocks = await prepareBlocks(lab);
  const contenders: Record<string, () => Promise<Run>> = {
    millrace: () => loadWithMillrace(lab),
    postgresql: () => loadWithFunction(lab, ''),
    'postgresql, optimize_on_insert=0': () => loadWithFunction(lab, 'SETTINGS optimize_on_insert = 0'),
    limit: () => readAndWrite(lab, blocks),
  };
  const runs: Record<string, Run[]> = {};
  for (let round = 0; round < repeat; round++) {
    for (const [name, run] of rotate(Object.entries(contenders), round)) {
      await reset(lab);
      (runs[name] ??= []).push(await withEngineCpu(lab, run));
      await verify(lab, MIRROR);
    }
  }
  await reset(lab);
  const figures = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, figuresOf(list, rows)]));
  const speed = (name: string): number =>
    (figures['millrace']?.['rowsPerSecond'] ?? 0) / (figures[name]?.['rowsPerSecond'] ?? 0);
  return {
    parameters: { rows, repeat, connections: CONNECTIONS, chunkRows: OPTIONS.chunkRows.default },
    figures,
    bars: [
      atLeast('speed over postgresql()', speed('postgresql'), 2.5),
      atLeast('speed over postgresql() with optimize_on_insert=0', speed('postgresql, optimize_on_insert=0'), 1.5),
      atLeast('speed over the limit', speed('limit'), 0.8),
      atMost('peak RSS, MiB', figures['millrace']?.['peakRssMiB'] ?? Number.NaN, 300),
    ],
  };
}

/** Adds what the engines used: where the time goes when cores are few. */
async function withEngineCpu(lab: Lab, run: () => Promise<Run>): Promise<Run> {
  const { postgres, clickhouse } = lab.engines;
  const before = [engineCpuMs(postgres.pid), engineCpuMs(clickhouse.pid)] as const;
  const found = await run();
  const postgresCpuSeconds = (engineCpuMs(postgres.pid) - before[0]) / 1000;
  const clickhouseCpuSeconds = (engineCpuMs(clickhouse.pid) - before[1]) / 1000;
  return { ...found, postgresCpuSeconds, clickhouseCpuSeconds };
}

function figuresOf(runs: readonly Run[], rows: number): Record<string, number> {
  return medians(runs.map((run) => ({ ...run, rowsPerSecond: rows / run.seconds })));
}

/** From the start of the pipeline, with all preparations, until the table is live. */
async function loadWithMillrace(lab: Lab): Promise<Run> {
  await using worker = await WorkerProcess.start();
  const { postgres, clickhouse } = lab.engines;
  const startedAt = worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url });
  const { atMs, cpuMs, peakRssMiB } = await worker.until({ kind: 'live' });
  return { seconds: (atMs - startedAt) / 1000, cpuSeconds: cpuMs / 1000, peakRssMiB };
}

async function loadWithFunction(lab: Lab, settings: string): Promise<Run> {
  await createTarget(lab);
  const { address, database, account } = postgresArguments(lab);
  const source = `postgresql(${address}, ${database}, 'impressions', ${account})`;
  const startedAt = nowMs();
  await lab.ch.command(`INSERT INTO ${MIRROR} (${COLUMNS}) SELECT ${COLUMNS} FROM ${source} ${settings}`);
  return { seconds: (nowMs() - startedAt) / 1000, cpuSeconds: 0, peakRssMiB: 0 };
}

/** Reads all chunks to nowhere, and writes blocks that lie in memory, side by side. */
async function readAndWrite(lab: Lab, blocks: readonly Buffer[]): Promise<Run> {
  await createTarget(lab);
  const startedAt = nowMs();
  await Promise.all([
    readChunks(lab, () => () => undefined),
    ...sideBySide([...blocks], (block) =>
      lab.ch.insert(`INSERT INTO ${MIRROR} (${COLUMNS}) FORMAT Native`, [block], { settings: LOAD_SETTINGS }),
    ),
  ]);
  return { seconds: (nowMs() - startedAt) / 1000, cpuSeconds: 0, peakRssMiB: 0 };
}

/** The blocks that the load would write. */
async function prepareBlocks(lab: Lab): Promise<Buffer[]> {
  const { table, codecs } = await readLayout(lab.pg);
  const blocks: Buffer[] = [];
  await readChunks(lab, () => {
    const columns = codecs.map((codec) => codec.open({ action: 'fail', report: () => undefined }));
    const reader = new CopyBinaryReader(columns, codecs);
    return Object.assign((bytes: Buffer, start: number, end: number) => void reader.pushFrames(bytes, start, end), {
      end: () => {
        const block = columns.map((column, i) => ({ name: table.columns[i]?.name ?? '', column }));
        blocks.push(Buffer.concat(encodeBlock(block, reader.end())));
      },
    });
  });
  return blocks;
}

/** COPY of every chunk, over as many connections as the load has. */
async function readChunks(lab: Lab, open: () => FrameConsumer & { end?: () => void }): Promise<void> {
  const { table } = await readLayout(lab.pg);
  const { chunks } = await planChunks(lab.pg, table, { targetRows: OPTIONS.chunkRows.default });
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => connectPostgres(lab.engines.postgres.url)),
  );
  const pending = [...chunks];
  const readers = clients.map(async (client) => {
    for (let chunk = pending.shift(); chunk !== undefined; chunk = pending.shift()) {
      const consume = open();
      await copyOut(client, chunkQuery(table, chunk), consume);
      consume.end?.();
    }
    await client.end();
  });
  await Promise.all(readers);
}

function sideBySide<Item>(items: Item[], action: (item: Item) => Promise<void>): Promise<void>[] {
  return Array.from({ length: CONNECTIONS }, async () => {
    for (let item = items.shift(); item !== undefined; item = items.shift()) await action(item);
  });
}
