/** One query, over plain HTTP or of PostgreSQL, with what it cost; given up at a limit. */
import { performance } from 'node:perf_hooks';
import type { Client } from 'pg';
import { presentStatement } from '../../src/kpi/present.ts';
import type { AppError } from '../../src/model/errors.ts';
import { pgRows } from '../../src/source/connection.ts';
import { NAMES } from './lab.ts';

/** What a query cost. */
export interface QueryCost {
  readonly ms: number;
  readonly readRows: number;
  readonly readBytes: number;
  /** It was given up: after the limit of time, or as it wanted more memory than the server gives. */
  readonly gaveUp: 'time' | 'memory' | null;
}

/** How long a query may take. */
export const LIMIT_SECONDS = 60;

/** ClickHouse's codes TIMEOUT_EXCEEDED and MEMORY_LIMIT_EXCEEDED. */
const GIVEN_UP: Readonly<Record<string, 'time' | 'memory'>> = { '159': 'time', '241': 'memory' };
/** PostgreSQL's state of a query that was cancelled. */
const CANCELLED = '57014';

/**
 * Runs a query of ClickHouse to its last byte.
 *
 * @param params Values of `{name:Type}` in it.
 */
export async function measureQuery(
  url: string,
  sql: string,
  params: Readonly<Record<string, string>>,
): Promise<QueryCost> {
  const { username, password, origin } = new URL(url);
  const settings = {
    wait_end_of_query: '1',
    enable_extended_results_for_datetime_functions: '1',
    join_use_nulls: '1',
    max_execution_time: String(LIMIT_SECONDS),
  };
  const query = new URLSearchParams(settings);
  for (const [name, value] of Object.entries(params)) query.set(`param_${name}`, value);
  const account = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const startedAt = performance.now();
  const response = await fetch(`${origin}/?${query.toString()}`, {
    method: 'POST',
    body: `${sql}\nFORMAT JSONCompactEachRow`,
    headers: { authorization: `Basic ${account}` },
  });
  const text = await response.text();
  const ms = performance.now() - startedAt;
  const summary = JSON.parse(response.headers.get('x-clickhouse-summary') ?? '{}') as Record<string, string>;
  const gaveUp = response.ok ? null : GIVEN_UP[response.headers.get('x-clickhouse-exception-code') ?? ''];
  if (gaveUp === undefined) throw new Error(text.slice(0, 400));
  return { ms, readRows: Number(summary['read_rows'] ?? 0), readBytes: Number(summary['read_bytes'] ?? 0), gaveUp };
}

/** Asks a figure as `queryKpi` does: first what is known of the copy, then the figure; both count. */
export async function measureFigure(
  url: string,
  sql: string,
  params: Readonly<Record<string, string>>,
): Promise<QueryCost> {
  const known = await measureQuery(url, presentStatement(NAMES), {});
  const { ms, readRows, readBytes, gaveUp } = await measureQuery(url, sql, params);
  return {
    ms: known.ms + ms,
    readRows: known.readRows + readRows,
    readBytes: known.readBytes + readBytes,
    gaveUp: known.gaveUp ?? gaveUp,
  };
}

/** Runs a query of PostgreSQL; what it reads is not told there. */
export async function measurePostgres(pg: Client, sql: string): Promise<QueryCost> {
  await pgRows(pg, `SET statement_timeout = '${LIMIT_SECONDS}s'`);
  const startedAt = performance.now();
  const gaveUp = await pgRows(pg, sql).then(
    () => null,
    (error: AppError) => {
      if (error.details['sqlState'] === CANCELLED) return 'time' as const;
      throw error;
    },
  );
  const ms = performance.now() - startedAt;
  await pgRows(pg, 'RESET statement_timeout');
  return { ms, readRows: 0, readBytes: 0, gaveUp };
}
