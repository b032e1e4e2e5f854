/**
 * How fast the key figures are: on the rollup, on the mirrors with FINAL, on PostgreSQL; and with sixteen readers at
 * once, while nothing and while everything streams.
 */
import type { KpiDefinition, ParamName } from '../../src/kpi/definition.ts';
import { KPIS } from '../../src/kpi/definitions.ts';
import { utcHour } from '../../src/kpi/fragments.ts';
import { withSources } from '../../src/kpi/short-cuts.ts';
import { PRESENT } from '../../src/kpi/sources.ts';
import { reportBody, reportStatement } from '../../src/kpi/statement.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import { type Lab, NAMES, reset } from '../support/lab.ts';
import { measureQuery } from '../support/measured-query.ts';
import {
  changeEvents,
  createAdSource,
  createIndexes,
  LAST_WEEK,
  POSTGRES_QUERIES,
  SPAN,
} from '../support/query-data.ts';
import { atLeast, atMost, type Bar, type Findings } from '../support/result.ts';
import { median, quantile, rounded } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Impressions of the published figures. */
export const QUERY_SIZES: readonly number[] = [1_000_000, 10_000_000, 100_000_000];

/** How often and how long. */
export interface QueryOptions {
  readonly sizes: readonly number[];
  /** Repetitions on the mirrors and on PostgreSQL; on the rollup it is ten times as many. */
  readonly repeat: number;
  /** Of each of the two measurements with many readers. */
  readonly seconds: number;
}

const READERS = 16;
/** What dashboards ask over and over. */
const DASHBOARD = ['ctr', 'daily', 'hourly', 'spend', 'advertisers', 'delivery', 'pacing', 'health'] as const;
/** From here on once is enough, ms. */
const LONG_MS = 10_000;
/** Rows per transaction of the writer. */
const WRITTEN_AT_ONCE = 2_000;

const PARAMS: Readonly<Record<ParamName, string>> = {
  ...SPAN,
  timezone: 'UTC',
  grain: 'day',
  by: 'platform',
  pricing_model: 'cpc',
  budget_kind: 'lifetime',
  hours: '6',
};

type Figures = Record<string, Record<string, number>>;

/** Measures each size on a copy made by the pipeline itself. */
export async function measureQueries(lab: Lab, options: QueryOptions): Promise<Findings> {
  const figures: Figures = {};
  const bars: Bar[] = [];
  for (const rows of options.sizes) {
    const own = await measureSize(lab, rows, options);
    for (const [name, figure] of Object.entries(own)) figures[`${sizeText(rows)} ${name}`] = figure;
    bars.push(...barsOf(sizeText(rows), own));
    await reset(lab);
  }
  bars.push(...flatness(figures, options.sizes));
  const { repeat, seconds } = options;
  return { parameters: { sizes: options.sizes.join(','), repeat, seconds, readers: READERS }, figures, bars };
}

async function measureSize(lab: Lab, rows: number, options: QueryOptions): Promise<Figures> {
  const { postgres, clickhouse } = lab.engines;
  await createAdSource(lab.pg, rows);
  await using worker = await WorkerProcess.start();
  worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url });
  await worker.until({ kind: 'live' });
  const changed = await changeEvents(lab.pg);
  await worker.until({ kind: 'changes', changes: changed });
  await createIndexes(lab.pg);
  const figures: Figures = {};
  for (const kpi of Object.values<KpiDefinition>(KPIS)) figures[kpi.name] = await measureKpi(lab, kpi, options.repeat);
  figures['16 readers'] = await measureReaders(lab, options.seconds);
  await worker.stop();
  return figures;
}

async function measureKpi(lab: Lab, kpi: KpiDefinition, repeat: number): Promise<Record<string, number>> {
  const url = lab.engines.clickhouse.url;
  const params = paramsOf(kpi);
  const run = async (source: string, times: number) => {
    const sql = reportStatement(kpi, `(${source})`).replaceAll('${database}', NAMES.database);
    const costs = [await measureQuery(url, sql, params)];
    // The first is to warm up, unless it is a long one.
    if ((costs[0]?.ms ?? 0) < LONG_MS) costs.pop();
    while (costs.length < times && (costs[0]?.ms ?? 0) < LONG_MS) costs.push(await measureQuery(url, sql, params));
    return costs;
  };
  const onRollup = await run(withSources(reportBody(kpi, {}) ?? kpi.sql, PRESENT), repeat * 10);
  const onMirror = kpi.source === 'rollup' ? await run(withSources(kpi.sql, MIRROR), repeat) : null;
  const onPostgres = POSTGRES_QUERIES[kpi.name] === undefined ? null : await timePostgres(lab, kpi.name, repeat);
  const ms = onRollup.map((cost) => cost.ms);
  return {
    medianMs: rounded(median(ms)),
    p99Ms: rounded(quantile(ms, 0.99)),
    readRows: onRollup[0]?.readRows ?? 0,
    readMiB: rounded((onRollup[0]?.readBytes ?? 0) / 2 ** 20),
    mirrorMs: onMirror === null ? 0 : rounded(median(onMirror.map((cost) => cost.ms))),
    mirrorReadRows: onMirror?.[0]?.readRows ?? 0,
    postgresMs: onPostgres === null ? 0 : rounded(onPostgres),
  };
}

/** The rollup, as it would be computed each time: by hour of the event, each event at the price of its time. */
const MIRROR = {
  ...PRESENT,
  facts: `(SELECT campaign_id, if(isNull(created_at), NULL, ${utcHour('assumeNotNull(created_at)')}) AS hour, toInt64(fact = 'impressions') AS impressions,
    toInt64(fact = 'clicks') AS clicks, toDecimal128(cpc, 6) AS spend_cpc, toDecimal128(cpm, 6) AS spend_cpm FROM \${database}.campaign_events)`,
};

async function timePostgres(lab: Lab, name: string, repeat: number): Promise<number> {
  const ms: number[] = [];
  // Long ones are not repeated: they differ by less than what they are compared with.
  while (ms.length < repeat && (ms[0] ?? 0) < LONG_MS) {
    const startedAt = performance.now();
    await pgRows(lab.pg, POSTGRES_QUERIES[name] ?? '');
    ms.push(performance.now() - startedAt);
  }
  return median(ms);
}

/** Sixteen readers that ask the dashboard's figures in turn, alone and beside a writer that never rests. */
async function measureReaders(lab: Lab, seconds: number): Promise<Record<string, number>> {
  const idle = await readFor(lab, seconds);
  const end = new AbortController();
  const writing = writeUntil(lab, end.signal);
  const startedAt = performance.now();
  const busy = await readFor(lab, seconds);
  end.abort();
  const written = await writing;
  const writtenPerSecond = (written * 1000) / (performance.now() - startedAt);
  return {
    medianMs: rounded(median(idle)),
    p99Ms: rounded(quantile(idle, 0.99)),
    queries: idle.length,
    streamingMedianMs: rounded(median(busy)),
    streamingP99Ms: rounded(quantile(busy, 0.99)),
    streamingQueries: busy.length,
    writtenPerSecond: rounded(writtenPerSecond),
  };
}

async function readFor(lab: Lab, seconds: number): Promise<number[]> {
  const until = performance.now() + seconds * 1000;
  const ms: number[] = [];
  const readers = Array.from({ length: READERS }, async (_, reader) => {
    for (let i = reader; performance.now() < until; i++) {
      const kpi: KpiDefinition = KPIS[DASHBOARD[i % DASHBOARD.length] ?? 'ctr'];
      const source = `(${withSources(reportBody(kpi, {}) ?? kpi.sql, PRESENT)})`;
      const sql = reportStatement(kpi, source).replaceAll('${database}', NAMES.database);
      ms.push((await measureQuery(lab.engines.clickhouse.url, sql, paramsOf(kpi))).ms);
    }
  });
  await Promise.all(readers);
  return ms;
}

/** @returns Rows written. */
async function writeUntil(lab: Lab, signal: AbortSignal): Promise<number> {
  const client = await connectPostgres(lab.engines.postgres.url, { applicationName: 'bench writer' });
  let written = 0;
  while (!signal.aborted) {
    await pgRows(
      client,
      `INSERT INTO impressions (campaign_id, created_at) SELECT 1 + n % 2000, timestamp '${SPAN.now}' FROM generate_series(1, ${WRITTEN_AT_ONCE}) AS n`,
    );
    written += WRITTEN_AT_ONCE;
  }
  await client.end();
  return written;
}

/** Hours are asked for a week: ninety days of them are no picture. */
function paramsOf(kpi: KpiDefinition): Record<string, string> {
  const values = kpi.name === 'hourly' ? { ...PARAMS, from: LAST_WEEK } : PARAMS;
  return Object.fromEntries(kpi.params.map((name) => [name, values[name]]));
}

function barsOf(size: string, figures: Figures): Bar[] {
  const dashboard = DASHBOARD.map((name) => figures[name] ?? {});
  const ratios = (field: string): number[] =>
    dashboard
      .filter((figure) => (figure[field] ?? 0) > 0)
      .map((figure) => (figure[field] ?? 0) / (figure['medianMs'] ?? 1));
  const readers = figures['16 readers'] ?? {};
  const reading = DASHBOARD.filter((name) => /campaign_events|\$\{events\}/.test(withSources(KPIS[name].sql, PRESENT)));
  return [
    atMost(`${size}: dashboard figures that read events`, reading.length, 0),
    atLeast(`${size}: slowest dashboard figure, times as fast as on the mirrors`, Math.min(...ratios('mirrorMs')), 50),
    atLeast(`${size}: the same, as on PostgreSQL`, Math.min(...ratios('postgresMs')), 1000),
    atMost(
      `${size}: p99 of 16 readers while streaming, times that without`,
      (readers['streamingP99Ms'] ?? Number.NaN) / (readers['p99Ms'] ?? Number.NaN),
      3,
    ),
  ];
}

/** What the dashboard costs at the largest size against ten million, if both were measured. */
function flatness(figures: Figures, sizes: readonly number[]): Bar[] {
  const largest = Math.max(...sizes);
  if (!sizes.includes(10_000_000) || largest === 10_000_000) return [];
  const total = (rows: number): number =>
    DASHBOARD.reduce((sum, name) => sum + (figures[`${sizeText(rows)} ${name}`]?.['medianMs'] ?? Number.NaN), 0);
  const growth = total(largest) / total(10_000_000);
  return [atMost(`cost of the dashboard at ${sizeText(largest)}, times that at 10 M`, growth, 1.5)];
}

function sizeText(rows: number): string {
  return rows >= 1_000_000 ? `${rows / 1_000_000} M` : `${rows / 1_000} k`;
}
