/**
 * `millrace up`: everything in one command. What `npm start` runs.
 *
 *   engines (unless URLs are given) ─► source schema, demo data ─► pipeline ─► KPIs ─► demo traffic, until stopped
 */
import { Command } from '@commander-js/extra-typings';
import type { Config } from '../../config/options.ts';
import { ClickHouse } from '../../destination/client.ts';
import type { EmbeddedEngines } from '../../engines/endpoints.ts';
import { KPIS } from '../../kpi/definitions.ts';
import { queryKpi } from '../../kpi/query.ts';
import { isAbort } from '../../model/errors.ts';
import { redactUrl } from '../../model/redact.ts';
import type { PipelineProgress } from '../../pipeline/options.ts';
import { runPipeline } from '../../pipeline/pipeline.ts';
import { connectPostgres } from '../../source/connection.ts';
import { currentLsn } from '../../source/slot.ts';
import { withAlerts } from '../alerting.ts';
import { openSession, type Session } from '../context.ts';
import { PipelineDisplay } from '../pipeline-display.ts';
import { renderJson } from '../print.ts';
import { Progress } from '../progress.ts';
import { resultText } from './kpi.ts';

const DEMO_SEED = 1;
/** What fits on a screen or two: `millrace kpi list` names the others. */
const SHOWN = ['ctr', 'daily', 'spend', 'advertisers'] as const;
const EXAMPLES = `
Examples:
  millrace up                      engines, demo data, copy and key figures on this machine, live until Ctrl-C
  millrace up --once               the same, ends when the copy has caught up
  millrace up --postgres-url URL --clickhouse-url URL    your own servers; nothing embedded starts`;

/** The command `up`. */
export function upCommand() {
  return new Command('up')
    .description(
      'Runs everything: loads, follows live, and shows the key figures. Embedded engines start unless URLs are given.',
    )
    .option('--once', 'stop when the copy has caught up and print the key figures')
    .addHelpText('after', EXAMPLES)
    .action(async (options, command) => await up(await openSession(command), options.once === true));
}

/** The servers of this run. */
interface Servers {
  readonly postgres: string;
  readonly clickhouse: string;
  /** Both engines, when they are ours. */
  readonly engines: EmbeddedEngines | null;
}

async function up(session: Session, once: boolean): Promise<void> {
  const servers = await openServers(session);
  try {
    if (servers.engines !== null) await prepareSource(servers.postgres, session);
    await replicate(session, servers, once);
  } finally {
    await servers.engines?.stop();
  }
}

async function openServers({ config, signal }: Session): Promise<Servers> {
  const { postgresUrl, clickhouseUrl } = config;
  if (postgresUrl !== null && clickhouseUrl !== null)
    return { postgres: postgresUrl, clickhouse: clickhouseUrl, engines: null };
  const { startEngines } = await import('../../engines/endpoints.ts');
  const engines = await startEngines({
    dataDir: config.dataDir,
    postgresPort: config.embeddedPostgresPort ?? undefined,
    clickhousePort: config.embeddedClickhousePort ?? undefined,
    signal,
  });
  const { endpoints } = engines;
  return { postgres: postgresUrl ?? endpoints.postgres, clickhouse: clickhouseUrl ?? endpoints.clickhouse, engines };
}

/** The source schema and, in an empty source, the demo data. Only ever done to the embedded PostgreSQL. */
async function prepareSource(url: string, session: Session): Promise<void> {
  const { config, signal, quiet, json } = session;
  if (config.postgresUrl !== null) return;
  const { applyPostgresSchema } = await import('../../source/migrations.ts');
  const { isSourceEmpty, seedDemo } = await import('../../generator/demo.ts');
  const client = await connectPostgres(url);
  try {
    await applyPostgresSchema(client);
    if (!(await isSourceEmpty(client))) return;
    using progress = new Progress({ stream: process.stderr, silent: quiet || json });
    await seedDemo(client, {
      seed: DEMO_SEED,
      signal,
      onProgress: ({ done, total }) =>
        progress.update([{ name: 'demo data', rows: done, rowsExpected: total, done: done === total }]),
    });
  } finally {
    await client.end();
  }
}

/** Runs the pipeline, and beside it what waits for the copy to have caught up. The first error ends both. */
async function replicate(session: Session, servers: Servers, once: boolean): Promise<void> {
  const { config, log, quiet, json } = session;
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  using display = new PipelineDisplay({ silent: quiet || json });
  const target = await sourcePosition(servers.postgres);
  let reached: () => void = () => undefined;
  const caughtUp = new Promise<true>((resolve) => {
    reached = () => resolve(true);
  });
  const onProgress = (progress: PipelineProgress): void => {
    display.update(progress);
    if (progress.caughtUp && progress.appliedLsn >= target) reached();
  };
  const urls = { postgresUrl: servers.postgres, clickhouseUrl: servers.clickhouse };
  const run = async (): Promise<void> => await runPipeline({ ...config, ...urls, log, signal, onProgress });
  const pipeline = once ? run() : withAlerts(session, servers.clickhouse, signal, run);
  const ended = pipeline.then(neverCaughtUp, neverCaughtUp);
  const companion = async (): Promise<void> => {
    if (!(await Promise.race([caughtUp, ended]))) return;
    await show(session, servers, display);
    if (once) return stop.abort();
    if (servers.engines !== null && config.trafficRate > 0) await followTraffic(servers.postgres, config, signal);
  };
  const stopOnError = (error: unknown): never => {
    stop.abort();
    throw error;
  };
  const outcomes = await Promise.allSettled([pipeline.catch(stopOnError), companion().catch(stopOnError)]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected' && !isAbort(outcome.reason));
  if (failed?.status === 'rejected') throw failed.reason;
}

function neverCaughtUp(): false {
  return false;
}

async function sourcePosition(url: string): Promise<bigint> {
  const client = await connectPostgres(url);
  try {
    return await currentLsn(client);
  } finally {
    await client.end();
  }
}

/** The key figures, and where to connect. */
async function show(session: Session, servers: Servers, display: PipelineDisplay): Promise<void> {
  const { config, json } = session;
  await using clickhouse = new ClickHouse(servers.clickhouse);
  const names = { database: config.database, internal: config.internalDatabase };
  const figures: Record<string, unknown> = {};
  display[Symbol.dispose]();
  for (const name of SHOWN) {
    const result = await queryKpi(clickhouse, names, name, { pricingModel: config.pricingModel });
    if (json) figures[name] = result;
    else process.stdout.write(`\n${KPIS[name].title}\n${resultText(name, result, 'table')}`);
  }
  const endpoints = connectionLines(servers);
  if (json) process.stdout.write(renderJson({ endpoints: shownEndpoints(servers), kpis: figures }));
  else process.stdout.write(`\n${endpoints.join('\n')}\n\n`);
}

/** Passwords are shown on this terminal only, and only those of engines that started here. */
function shownEndpoints(servers: Servers): { postgres: string; clickhouse: string; page: null } {
  if (servers.engines !== null)
    return { postgres: servers.postgres, clickhouse: servers.engines.endpoints.clickhouseReader, page: null };
  return { postgres: redactUrl(servers.postgres), clickhouse: redactUrl(servers.clickhouse), page: null };
}

function connectionLines(servers: Servers): string[] {
  const { postgres, clickhouse } = shownEndpoints(servers);
  const url = new URL(clickhouse);
  const lines = [`PostgreSQL  ${postgres}`, `ClickHouse  ${clickhouse}`];
  return servers.engines === null
    ? lines
    : [...lines, `SQL page    ${url.protocol}//${url.host}/play   (user ${url.username}, password ${url.password})`];
}

/** Keeps the demo alive: something to see in every table until it is stopped. */
async function followTraffic(url: string, config: Config, signal: AbortSignal): Promise<void> {
  const { runTraffic } = await import('../../generator/traffic.ts');
  await runTraffic({ url, ratePerSecond: config.trafficRate, signal, seed: DEMO_SEED });
}
