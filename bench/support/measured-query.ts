/** One query over plain HTTP, with what the server says it has read. */
import { performance } from 'node:perf_hooks';

/** What a query cost. */
export interface QueryCost {
  readonly ms: number;
  readonly readRows: number;
  readonly readBytes: number;
}

/**
 * Runs a query to its last byte.
 *
 * @param params Values of `{name:Type}` in it.
 */
export async function measureQuery(
  url: string,
  sql: string,
  params: Readonly<Record<string, string>>,
): Promise<QueryCost> {
  const { username, password, origin } = new URL(url);
  const settings = { wait_end_of_query: '1', enable_extended_results_for_datetime_functions: '1', join_use_nulls: '1' };
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
  if (!response.ok) throw new Error(text.slice(0, 400));
  const summary = JSON.parse(response.headers.get('x-clickhouse-summary') ?? '{}') as Record<string, string>;
  return { ms, readRows: Number(summary['read_rows'] ?? 0), readBytes: Number(summary['read_bytes'] ?? 0) };
}
