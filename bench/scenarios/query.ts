/**
 * How fast the key figures are: on the rollup, on the mirrors with FINAL, on PostgreSQL; and with sixteen readers at
 * once, while nothing and while everything streams.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KpiDefinition, ParamName } from '../../src/kpi/definition.ts';
import { type KpiName, KPIS } from '../../src/kpi/definitions.ts';
import { withSources } from '../../src/kpi/short-cuts.ts';
import { knownSources, PRESENT } from '../../src/kpi/sources.ts';
import { reportBody, reportStatement } from '../../src/kpi/statement.ts';
import { readIfExists } from '../../src/engines/private-file.ts';
import { type Lab, NAMES, openLab } from '../support/lab.ts';
import { describeMachine, loadNow, type Machine } from '../support/machine.ts';
import {
  LIMIT_SECONDS,
  measureFigure,
  measurePostgres,
  measureQuery,
  type QueryCost,
} from '../support/measured-query.ts';
import { LAST_WEEK, MADE, openCopy, QUERY_SETTINGS, removeAbove, type Say, SPAN } from '../support/query-data.ts';
import { POSTGRES_QUERIES } from '../support/query-postgres.ts';
import { DASHBOARD, measureReaders, READERS } from '../support/query-readers.ts';
import { atLeast, atMost, type Bar, type Findings } from '../support/result.ts';
import { median, quantile, rounded } from '../support/statistics.ts';

/** Impressions of the published figures. */
export const QUERY_SIZES: readonly number[] = [1_000_000, 10_000_000, 100_000_000];

/** How often and how long. */
export interface QueryOptions {
  readonly sizes: readonly number[];
  /** Repetitions on the mirrors and on PostgreSQL; on the rollup it is ten times as many. */
  readonly repeat: number;
  /** After which no repetition of one figure from one place begins, and of each of the two measurements with many readers. */
  readonly seconds: number;
  /** Keeps the engines of each size in a directory of its own below, and takes up what lies there. */
  readonly keepIn: string | undefined;
  /** Makes the data and measures nothing: to measure later. */
  readonly makeOnly: boolean;
}

const PARAMS: Readonly<Record<ParamName, string>> = {
  ...SPAN,
  timezone: 'UTC',
  grain: 'day',
  by: 'platform',
  pricing_model: 'cpc',
  budget_kind: 'lifetime',
  hours: '6',
};

/** What is known when a figure is asked: it is asked for first, and that is measured with it. */
const KNOWN = {
  isUtc: true,
  hasRules: false,
  hasFewCampaigns: true,
  budgetKind: 'lifetime',
  at: { lsn: '0/1', commit_time: SPAN.now, loading: false },
} as const;

/** A time zone whose days are not those of UTC. */
const ABROAD = 'Europe/Berlin';

type Figure = Record<string, number>;
type Figures = Record<string, Figure>;

/** Measures each size on engines of its own, on a copy made by the pipeline itself. */
export async function measureQueries(options: QueryOptions): Promise<Findings & { machine: Machine }> {
  const figures: Figures = {};
  const bars: Bar[] = [];
  const machines: Machine[] = [];
  for (const rows of options.sizes) {
    const say = sayer(sizeText(rows));
    await using lab = await openLab({ settings: QUERY_SETTINGS, keepIn: await directoryOf(options.keepIn, rows) });
    machines.push(await describeMachine(lab));
    const copy = await openCopy(lab, rows, say);
    await using worker = copy.worker;
    say('ready');
    const own = options.makeOnly ? {} : await measureSize(lab, options, say);
    // As many rows as before for the next who measures here.
    if (options.keepIn !== undefined && !options.makeOnly)
      await worker.until({ kind: 'changes', changes: copy.changes + 2 * (await removeAbove(lab.pg, rows)) });
    for (const [name, figure] of Object.entries(own)) figures[`${sizeText(rows)} ${name}`] = figure;
    if (!options.makeOnly) bars.push(...barsOf(sizeText(rows), own));
    await worker.stop();
  }
  bars.push(...flatness(figures, options.sizes));
  const [machine] = machines;
  if (machine === undefined) throw new Error('no size to measure');
  machine.loadAverage.push(loadNow());
  const { repeat, seconds } = options;
  const parameters = { sizes: options.sizes.join(','), repeat, seconds, readers: READERS, limitSeconds: LIMIT_SECONDS };
  return { machine, parameters, figures, bars };
}

/** Where a size is kept; what a making left behind that did not come to its end is removed. */
async function directoryOf(keepIn: string | undefined, rows: number): Promise<string | undefined> {
  if (keepIn === undefined) return undefined;
  const directory = join(keepIn, String(rows));
  if ((await readIfExists(join(directory, MADE))) === undefined) await rm(directory, { recursive: true, force: true });
  return directory;
}

/** Progress, with the seconds since the size was begun. */
function sayer(size: string): Say {
  const startedAt = performance.now();
  return (text) => console.error(`[${size}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s] ${text}`);
}

async function measureSize(lab: Lab, options: QueryOptions, say: Say): Promise<Figures> {
  const figures: Figures = {};
  for (const kpi of Object.values<KpiDefinition>(KPIS)) {
    const figure = await measureKpi(lab, kpi, options);
    figures[kpi.name] = figure;
    say(`${kpi.name}: ${JSON.stringify(figure)}`);
  }
  const readers = await measureReaders(lab, options.seconds, statementOf);
  say(`${READERS} readers: ${JSON.stringify(readers)}`);
  return { ...figures, [`${READERS} readers`]: readers };
}

/** A figure as it is asked, of what `millrace kpi` reads. */
function statementOf(name: KpiName): { sql: string; params: Record<string, string> } {
  return statementIn(KPIS[name], 'UTC');
}

function statementIn(kpi: KpiDefinition, timezone: string): { sql: string; params: Record<string, string> } {
  const body = reportBody(kpi, { by: PARAMS.by, hasRules: KNOWN.hasRules });
  const sources = knownSources({ ...KNOWN, isUtc: timezone === 'UTC' });
  return { sql: reportOver(kpi, withSources(body, sources)), params: { ...paramsOf(kpi), timezone } };
}

function reportOver(kpi: KpiDefinition, source: string): string {
  return reportStatement(kpi, `(${source})`).replaceAll('${database}', NAMES.database);
}

async function measureKpi(lab: Lab, kpi: KpiDefinition, { repeat, seconds }: QueryOptions): Promise<Figure> {
  const url = lab.engines.clickhouse.url;
  const { sql, params } = statementOf(kpi.name as KpiName);
  const ask = (text: string) => () => measureQuery(url, text, params);
  const onRollup = await repeated(() => measureFigure(url, sql, params), { times: repeat * 10, seconds });
  const abroad = statementIn(kpi, ABROAD);
  const inZone =
    kpi.source === 'rollup' && kpi.params.includes('timezone')
      ? await repeated(() => measureFigure(url, abroad.sql, abroad.params), { times: repeat, seconds })
      : [];
  const onMirror =
    kpi.source === 'rollup'
      ? await repeated(ask(reportOver(kpi, withSources(kpi.sql, MIRROR))), { times: repeat, seconds })
      : [];
  const postgres = POSTGRES_QUERIES[kpi.name];
  const onPostgres =
    postgres === undefined ? [] : await repeated(() => measurePostgres(lab.pg, postgres), { times: repeat, seconds });
  const ms = onRollup.map((cost) => cost.ms);
  return {
    medianMs: rounded(median(ms)),
    p99Ms: rounded(quantile(ms, 0.99)),
    readRows: onRollup[0]?.readRows ?? 0,
    readMiB: rounded((onRollup[0]?.readBytes ?? 0) / 2 ** 20),
    times: ms.length,
    ...named('', onRollup),
    ...named('zone', inZone),
    ...named('mirror', onMirror),
    ...named('postgres', onPostgres),
  };
}

/** What the other places cost; `…GaveUp`: 1 after the limit of time, 2 for want of memory. */
function named(place: string, costs: readonly QueryCost[]): Figure {
  const gaveUp = costs.find((cost) => cost.gaveUp !== null)?.gaveUp;
  return {
    ...(costs.length === 0 || place === '' ? {} : { [`${place}Ms`]: rounded(median(costs.map(({ ms }) => ms))) }),
    ...(place === 'mirror' && costs.length > 0 ? { mirrorReadRows: costs[0]?.readRows ?? 0 } : {}),
    ...(gaveUp === undefined || gaveUp === null ? {} : { [`${place || 'own'}GaveUp`]: gaveUp === 'time' ? 1 : 2 }),
  };
}

/** The first is to warm up, unless it took its share of the time; one that was given up is not tried again. */
async function repeated(
  run: () => Promise<QueryCost>,
  { times, seconds }: { times: number; seconds: number },
): Promise<QueryCost[]> {
  const startedAt = performance.now();
  const first = await run();
  const isOver = (): boolean => performance.now() - startedAt > seconds * 1000;
  if (first.gaveUp !== null || first.ms * 2 > seconds * 1000) return [first];
  const costs: QueryCost[] = [];
  while (costs.length < times && !(isOver() && costs.length > 0)) costs.push(await run());
  return costs;
}

/** The rollup, as it would be computed each time: by hour of the event, each event at the price of its time. */
const MIRROR = {
  ...PRESENT,
  facts: `(SELECT campaign_id, CAST(toStartOfHour(created_at), 'Nullable(DateTime64(0, \\'UTC\\'))') AS hour, toInt64(fact = 'impressions') AS impressions,
    toInt64(fact = 'clicks') AS clicks, toDecimal128(cpc, 6) AS spend_cpc, toDecimal128(cpm, 6) AS spend_cpm FROM \${database}.campaign_events)`,
};

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
      .map((figure) => (figure[field] ?? 0) / (figure['medianMs'] ?? Number.NaN));
  const readers = figures[`${READERS} readers`] ?? {};
  const reading = DASHBOARD.filter((name) => /campaign_events|\$\{events\}/.test(withSources(KPIS[name].sql, PRESENT)));
  return [
    atMost(`${size}: dashboard figures that read events`, reading.length, 0),
    atLeast(`${size}: slowest dashboard figure, times as fast as on the mirrors`, Math.min(...ratios('mirrorMs')), 50),
    atLeast(`${size}: the median one, likewise`, median(ratios('mirrorMs')), 50),
    atLeast(
      `${size}: slowest dashboard figure, times as fast as on PostgreSQL`,
      Math.min(...ratios('postgresMs')),
      1000,
    ),
    atLeast(`${size}: the median one, likewise as on PostgreSQL`, median(ratios('postgresMs')), 1000),
    atMost(
      `${size}: p99 of ${READERS} readers while streaming, times that without`,
      (readers['streamingP99Ms'] ?? Number.NaN) / (readers['p99Ms'] ?? Number.NaN),
      3,
    ),
  ];
}

/** What the dashboard costs at the largest size against ten million, if both were measured. */
function flatness(figures: Figures, sizes: readonly number[]): Bar[] {
  const largest = Math.max(...sizes);
  if (!sizes.includes(10_000_000) || largest === 10_000_000 || figures[`${sizeText(largest)} ctr`] === undefined)
    return [];
  const total = (rows: number): number =>
    DASHBOARD.reduce((sum, name) => sum + (figures[`${sizeText(rows)} ${name}`]?.['medianMs'] ?? Number.NaN), 0);
  const growth = total(largest) / total(10_000_000);
  return [atMost(`cost of the dashboard at ${sizeText(largest)}, times that at 10 M`, growth, 1.5)];
}

function sizeText(rows: number): string {
  return rows >= 1_000_000 ? `${rows / 1_000_000} M` : `${rows / 1_000} k`;
}
