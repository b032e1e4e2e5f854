/** Asks for a key figure. */
import type { ClickHouse, Params } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import type { KpiColumn, KpiDefinition, ParamName } from './definition.ts';
import { type KpiName, KPIS } from './definitions.ts';
import { type Past, resolvePast } from './past.ts';
import { pastSources } from './past-sources.ts';
import { withSources } from './short-cuts.ts';
import { readPresent } from './present.ts';
import { cutSources, type Known, knownSources, type Sources } from './sources.ts';
import { reportBody, reportStatement, viewCall } from './statement.ts';
import { eventDays, type Range, storedDays } from './event-days.ts';
import { hasWholeHours, isTimeZone } from '../model/time-zones.ts';

/** What to ask. Days are `YYYY-MM-DD`, of the event, in the time zone, both included. */
export interface KpiRequest {
  /** First day; the first day with events when absent. */
  readonly from?: string | undefined;
  /** Last day; the last day with events when absent. */
  readonly to?: string | undefined;
  readonly advertiser?: number | undefined;
  readonly campaign?: number | undefined;
  /** What bids pay for where no rule says it. */
  readonly pricingModel: 'cpc' | 'cpm';
  /** What budgets are for where no rule says it; `lifetime` when absent. */
  readonly budgetKind?: 'lifetime' | 'daily' | undefined;
  /** Name in the IANA data base, for example `Europe/Berlin`; UTC when absent. */
  readonly timezone?: string | undefined;
  /** The moment the figures are of, `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC; the commit time of the applied position when absent. */
  readonly now?: string | undefined;
  /** A position or time of the past, as {@link resolvePast} takes it; the present when absent. */
  readonly asOf?: string | undefined;
  /** `day` when absent. */
  readonly grain?: Grain | undefined;
  /** The platform when absent, or the level of the filter. */
  readonly by?: Level | undefined;
  /** Hours without an impression that are too many; 6 when absent. */
  readonly hours?: number | undefined;
  /** Reads the figure's view, as somebody does who asks in SQL, where it can answer: the same rows, later. */
  readonly throughView?: boolean | undefined;
}

/** Steps of time. */
export const GRAINS = ['hour', 'day', 'week', 'month', 'total'] as const;
/** A step of time. */
export type Grain = (typeof GRAINS)[number];
/** Whose figures one row has. */
export const LEVELS = ['platform', 'advertiser', 'campaign'] as const;
/** One of them. */
export type Level = (typeof LEVELS)[number];

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
  /** The time zone of days and hours. */
  readonly timezone: string;
}

const MS_PER_DAY = 86_400_000;
/** Longest range by hours. */
const MAX_DAYS_BY_HOUR = 92;

/**
 * Reads a key figure.
 *
 * @throws {AppError} `USAGE` for an unknown figure, a day that does not exist, an empty or too long range, a
 *   filter or time zone that there is not; `CLICKHOUSE_…` as the client does.
 */
export async function queryKpi(
  clickhouse: ClickHouse,
  names: Names,
  name: KpiName,
  request: KpiRequest,
): Promise<KpiResult> {
  const { kpi, statement, ...answer } = await plan(clickhouse, names, { name, request });
  const rows = statement === null ? [] : await clickhouse.rows(statement.sql, statement);
  return { columns: kpi.columns, rows, ...answer };
}

/**
 * The same as a file of Parquet, written by ClickHouse: exact types, and two more columns that say up to where each row
 * holds, as in CSV. A figure without any event has no file.
 *
 * @throws {AppError} As {@link queryKpi}; `USAGE` when there is nothing to write.
 */
export async function kpiParquet(
  clickhouse: ClickHouse,
  names: Names,
  name: KpiName,
  request: KpiRequest,
): Promise<Buffer> {
  const { statement, asOf } = await plan(clickhouse, names, { name, request });
  if (statement === null) throw new AppError('USAGE', `there are no events yet: “${name}” has no rows, and no types`);
  const sql = `SELECT *, {as_of:Nullable(DateTime64(6, 'UTC'))} AS as_of, {as_of_lsn:Nullable(String)} AS as_of_lsn FROM (\n${statement.sql}\n)\nFORMAT Parquet`;
  return await clickhouse.bytes(sql, {
    params: { ...statement.params, as_of: asOf.commitTime, as_of_lsn: asOf.lsn },
    settings: { output_format_parquet_string_as_string: 1 },
  });
}

/** What is asked of ClickHouse; null when there is nothing to ask. */
interface Statement {
  readonly sql: string;
  readonly params: Params;
}

async function plan(
  clickhouse: ClickHouse,
  names: Names,
  { name, request }: { name: KpiName; request: KpiRequest },
): Promise<Omit<KpiResult, 'columns' | 'rows'> & { kpi: KpiDefinition; statement: Statement | null }> {
  const kpi = definitionOf(name);
  checkRequest(kpi, request);
  const past = request.asOf === undefined ? null : await resolvePast(clickhouse, names, request.asOf);
  if (past !== null && kpi.source === 'copy')
    throw new AppError('USAGE', `“${kpi.name}” is about this moment: it has no past`);
  // Of the past the rules are the present ones: whether there are any is not asked.
  const { at, ...found } =
    past === null ? await readPresent(clickhouse, names) : { at: past, hasRules: true, hasFewCampaigns: false };
  const now = kpi.source === 'copy' ? new Date().toISOString().slice(0, -1).replace('T', ' ') : at.commit_time;
  const values = { ...valuesOf(request, now), past };
  const { timezone, budgetKind } = values;
  const known = { ...found, isUtc: timezone === 'UTC', budgetKind, at };
  const hasRange = kpi.params.includes('from');
  const range = hasRange ? await rangeOf(clickhouse, names, kpi, { ...request, ...values }) : null;
  const isAnswerable = hasRange ? range !== null : !kpi.params.includes('now') || values.now !== null;
  const asked = { ...request, ...values, ...range, known };
  const statement = isAnswerable ? await statementOf(clickhouse, names, kpi, asked) : null;
  const asOf = { lsn: at.lsn, commitTime: at.commit_time };
  return { kpi, statement, range, asOf, loading: at.loading, timezone };
}

/** A request with what it left out. */
type Asked = Omit<KpiRequest, keyof Values | keyof Range> &
  Values & { readonly [Day in keyof Range]?: string | undefined };

/** A request that is ready to be put into SQL. */
type Ready = Asked & { readonly known: Known };

/** What was left out. */
interface Values {
  readonly timezone: string;
  readonly now: string | null;
  readonly grain: Grain;
  readonly by: Level;
  readonly budgetKind: 'lifetime' | 'daily';
  readonly hours: number;
  readonly past: Past | null;
}

function valuesOf(request: KpiRequest, now: string | null): Omit<Values, 'past'> {
  const narrowed =
    request.campaign !== undefined ? 'campaign' : request.advertiser !== undefined ? 'advertiser' : 'platform';
  return {
    timezone: request.timezone ?? 'UTC',
    now: request.now ?? now,
    grain: request.grain ?? 'day',
    by: request.by ?? narrowed,
    budgetKind: request.budgetKind ?? 'lifetime',
    hours: request.hours ?? 6,
  };
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
  checkChoices(kpi, request);
}

function checkChoices(kpi: KpiDefinition, { by, campaign, advertiser, timezone, now }: KpiRequest): void {
  const isNarrowed = campaign !== undefined || (advertiser !== undefined && by === 'platform');
  if (by !== undefined && isNarrowed && by !== 'campaign' && kpi.params.includes('by')) {
    throw new AppError(
      'USAGE',
      `figures by ${by} cannot be narrowed like that: ask by ${campaign === undefined ? 'advertiser' : 'campaign'}`,
    );
  }
  if (timezone !== undefined && !isTimeZone(timezone)) {
    throw new AppError(
      'USAGE',
      `there is no time zone “${timezone}”; names are those of the IANA data base, as Europe/Berlin`,
    );
  }
  if (now !== undefined && !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$/.test(now)) {
    throw new AppError('USAGE', `“${now}” is not a moment like 2026-03-07 10:00:00`);
  }
}

function checkDay(day: string): void {
  const ms = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  const exists = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
  if (!exists || day < '1900-01-01' || day > '2299-12-31') {
    throw new AppError('USAGE', `“${day}” is not a day from 1900-01-01 to 2299-12-31`);
  }
}

/** The range asked for, completed by the days that have events, within the figure's limit. */
async function rangeOf(
  clickhouse: ClickHouse,
  names: Names,
  kpi: KpiDefinition,
  request: Asked,
): Promise<Range | null> {
  const maxDays = kpi.params.includes('grain') && request.grain === 'hour' ? MAX_DAYS_BY_HOUR : kpi.maxDays;
  const isGiven = request.from !== undefined && request.to !== undefined;
  const chosen = isGiven ? null : await eventDays(clickhouse, names, { ...request, maxDays });
  const to = request.to ?? later(chosen?.to, request.from);
  const from = request.from ?? earlier(chosen?.from, request.to);
  if (from === undefined || to === undefined) return null;
  if (from > to) throw new AppError('USAGE', `the range is empty: ${from} comes after ${to}`);
  const days = dayNumber(to) - dayNumber(from) + 1;
  if (maxDays === null || days <= maxDays) return { from, to };
  if (request.from !== undefined) {
    throw new AppError('USAGE', `“${kpi.name}” shows at most ${maxDays} days, not the ${days} from ${from} to ${to}`);
  }
  return { from: dayText(dayNumber(to) - maxDays + 1), to };
}

async function statementOf(
  clickhouse: ClickHouse,
  names: Names,
  kpi: KpiDefinition,
  request: Ready,
): Promise<Statement> {
  const { advertiser, campaign } = request;
  const sql = reportStatement(kpi, await sourceOf(clickhouse, names, kpi, request), request).replaceAll(
    '${database}',
    chIdent(names.database),
  );
  const params = {
    ...paramsOf(kpi, request),
    ...(advertiser === undefined ? {} : { advertiser }),
    ...(campaign === undefined ? {} : { campaign }),
  };
  return { sql, params };
}

/**
 * The figure's SQL over what it reads, in parentheses, or a call of its view. Where the time zone cuts hours of the rollup it
 * reads facts that are cut there, which a view cannot.
 */
async function sourceOf(clickhouse: ClickHouse, names: Names, kpi: KpiDefinition, request: Ready): Promise<string> {
  const { timezone, grain, from, to, past, known } = request;
  const body = reportBody(kpi, { ...request, hasRules: known.hasRules });
  const inFull = (sources: Sources): string => `(\n${withSources(body, sources)}\n)`;
  const whole = (): string => {
    if (past !== null) return inFull(pastSources(past, 'none'));
    return request.throughView === true ? viewCall(kpi) : inFull(knownSources(known));
  };
  const cuts = kpi.params.includes('grain') && grain !== 'hour' && kpi.cuts === 'hour' ? 'day' : kpi.cuts;
  if (cuts === 'none' || timezone === 'UTC') return whole();
  const days = from !== undefined && to !== undefined ? { from, to } : await storedDays(clickhouse, names, past);
  if (days === null || hasWholeHours(timezone, days)) return whole();
  return inFull(past === null ? cutSources(cuts, known) : pastSources(past, cuts));
}

function paramsOf(kpi: KpiDefinition, request: Asked): Record<string, unknown> {
  const values: Record<ParamName, unknown> = {
    from: request.from,
    to: request.to,
    now: request.now,
    timezone: request.timezone,
    grain: request.grain,
    by: request.by,
    pricing_model: request.pricingModel,
    budget_kind: request.budgetKind,
    hours: request.hours,
  };
  return Object.fromEntries(kpi.params.map((name) => [name, values[name]]));
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
