/** Asks for a key figure. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import type { KpiColumn, KpiDefinition } from './definition.ts';
import { type KpiName, KPIS } from './definitions.ts';
import { reportStatement, viewCall } from './statement.ts';

/** What to ask. Days are `YYYY-MM-DD`, of the event, in UTC, both included. */
export interface KpiRequest {
  /** First day; the first day with events when absent. */
  readonly from?: string | undefined;
  /** Last day; the last day with events when absent. */
  readonly to?: string | undefined;
  readonly advertiser?: number | undefined;
  readonly campaign?: number | undefined;
  /** Used by figures in money alone. */
  readonly pricingModel: 'cpc' | 'cpm';
}

/** The answer. Wide numbers and money as text, so that no digit is lost. */
export interface KpiResult {
  readonly columns: readonly KpiColumn[];
  readonly rows: readonly Record<string, unknown>[];
  /** The range asked for or chosen; null when there are no events and no range was given. */
  readonly range: { readonly from: string; readonly to: string } | null;
  /** Up to where the figures hold at least: read before them. */
  readonly asOf: { readonly lsn: string | null; readonly commitTime: string | null };
  /** Some table is not complete yet: figures are too low. */
  readonly loading: boolean;
}

interface Range {
  readonly from: string;
  readonly to: string;
}

const MS_PER_DAY = 86_400_000;

/**
 * Reads a key figure.
 *
 * @throws {AppError} `USAGE` for an unknown figure, a day that does not exist, an empty or too long range, a
 *   filter that the figure does not have; `CLICKHOUSE_…` as the client does.
 */
export async function queryKpi(
  clickhouse: ClickHouse,
  names: Names,
  name: KpiName,
  request: KpiRequest,
): Promise<KpiResult> {
  const kpi = definitionOf(name);
  checkRequest(kpi, request);
  const at = await readAsOf(clickhouse, names);
  const range = await rangeOf(clickhouse, names, kpi, request);
  const rows = range === null ? [] : await readRows(clickhouse, names, kpi, { ...request, ...range });
  return { columns: kpi.columns, rows, range, asOf: { lsn: at.lsn, commitTime: at.commit_time }, loading: at.loading };
}

function definitionOf(name: string): KpiDefinition {
  if (Object.hasOwn(KPIS, name)) return KPIS[name as KpiName];
  throw new AppError('USAGE', `there is no key figure “${name}”; there are ${Object.keys(KPIS).join(', ')}`);
}

function checkRequest(kpi: KpiDefinition, request: KpiRequest): void {
  for (const day of [request.from, request.to]) if (day !== undefined) checkDay(day);
  for (const filter of ['advertiser', 'campaign'] as const) {
    const id = request[filter];
    if (id === undefined) continue;
    if (!kpi.filters.includes(filter)) throw new AppError('USAGE', `“${kpi.name}” has no ${filter} to choose`);
    if (!Number.isInteger(id) || id < -(2 ** 31) || id >= 2 ** 31)
      throw new AppError('USAGE', `${id} is not an id of ${filter}`);
  }
  if (!['cpc', 'cpm'].includes(request.pricingModel)) {
    throw new AppError('USAGE', `the pricing model is cpc or cpm, not “${request.pricingModel}”`);
  }
}

function checkDay(day: string): void {
  const ms = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  const exists = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
  if (!exists || day < '1900-01-01' || day > '2299-12-31') {
    throw new AppError('USAGE', `“${day}” is not a day from 1900-01-01 to 2299-12-31`);
  }
}

interface AsOfRow {
  readonly lsn: string | null;
  readonly commit_time: string | null;
  readonly loading: boolean;
}

async function readAsOf(clickhouse: ClickHouse, names: Names): Promise<AsOfRow> {
  const [row] = await clickhouse.rows<AsOfRow>(
    `SELECT lsn, commit_time, loading FROM ${chIdent(names.database)}.as_of`,
  );
  if (row === undefined) throw new AppError('INTERNAL', 'the view as_of has no row');
  return row;
}

/** The range asked for, completed by the days that have events, within the figure's limit. */
async function rangeOf(
  clickhouse: ClickHouse,
  names: Names,
  kpi: KpiDefinition,
  request: KpiRequest,
): Promise<Range | null> {
  const chosen =
    request.from !== undefined && request.to !== undefined ? null : await eventDays(clickhouse, names, kpi);
  const to = request.to ?? later(chosen?.to, request.from);
  const from = request.from ?? earlier(chosen?.from, request.to);
  if (from === undefined || to === undefined) return null;
  if (from > to) throw new AppError('USAGE', `the range is empty: ${from} comes after ${to}`);
  const days = dayNumber(to) - dayNumber(from) + 1;
  if (kpi.maxDays === null || days <= kpi.maxDays) return { from, to };
  if (request.from !== undefined) {
    throw new AppError(
      'USAGE',
      `“${kpi.name}” shows at most ${kpi.maxDays} days, not the ${days} from ${from} to ${to}`,
    );
  }
  return { from: dayText(dayNumber(to) - kpi.maxDays + 1), to };
}

/** First and last day with events; where ranges are limited, days after tomorrow only if there are no others. */
async function eventDays(clickhouse: ClickHouse, names: Names, kpi: KpiDefinition): Promise<Range | null> {
  const [row] = await clickhouse.rows<{ first: string | null; last: string | null; last_past: string | null }>(
    `SELECT min(toDate32(hour)) AS first, max(toDate32(hour)) AS last, maxOrNullIf(toDate32(hour), hour < addDays(now('UTC'), 2)) AS last_past
     FROM ${chIdent(names.database)}.campaign_hourly WHERE impressions != 0 OR clicks != 0`,
  );
  if (row === undefined || row.first === null || row.last === null) return null;
  return { from: row.first, to: kpi.maxDays === null ? row.last : (row.last_past ?? row.last) };
}

async function readRows(
  clickhouse: ClickHouse,
  names: Names,
  kpi: KpiDefinition,
  { from, to, ...request }: KpiRequest & Range,
): Promise<Record<string, unknown>[]> {
  const sql = reportStatement(kpi, viewCall(kpi), request).replaceAll('${database}', chIdent(names.database));
  const { advertiser, campaign, pricingModel } = request;
  return await clickhouse.rows(sql, {
    params: {
      from,
      to,
      ...(kpi.hasPricingModel ? { pricing_model: pricingModel } : {}),
      ...(advertiser === undefined ? {} : { advertiser }),
      ...(campaign === undefined ? {} : { campaign }),
    },
  });
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

function earlier(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

function dayNumber(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / MS_PER_DAY;
}

function dayText(number: number): string {
  return new Date(number * MS_PER_DAY).toISOString().slice(0, 10);
}
