/** Many readers of a dashboard at once, alone and beside a writer that never rests. */
import type { KpiName } from '../../src/kpi/definitions.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import type { Lab } from './lab.ts';
import { measureFigure } from './measured-query.ts';
import { SPAN } from './query-data.ts';
import { median, quantile, rounded } from './statistics.ts';

/** How many there are. */
export const READERS = 16;

/** What dashboards ask over and over. */
export const DASHBOARD = ['ctr', 'daily', 'hourly', 'spend', 'advertisers', 'delivery', 'pacing', 'health'] as const;

/** Rows per transaction of the writer. */
const WRITTEN_AT_ONCE = 2_000;

/** SQL of a figure, and its parameters. */
type StatementOf = (name: KpiName) => { sql: string; params: Record<string, string> };

/** Sixteen readers that ask the dashboard's figures in turn. */
export async function measureReaders(
  lab: Lab,
  seconds: number,
  statementOf: StatementOf,
): Promise<Record<string, number>> {
  const idle = await readFor(lab, seconds, statementOf);
  const end = new AbortController();
  const writing = writeUntil(lab, end.signal);
  const startedAt = performance.now();
  const busy = await readFor(lab, seconds, statementOf);
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

async function readFor(lab: Lab, seconds: number, statementOf: StatementOf): Promise<number[]> {
  const until = performance.now() + seconds * 1000;
  const ms: number[] = [];
  const readers = Array.from({ length: READERS }, async (_, reader) => {
    for (let i = reader; performance.now() < until; i++) {
      const { sql, params } = statementOf(DASHBOARD[i % DASHBOARD.length] ?? 'ctr');
      const cost = await measureFigure(lab.engines.clickhouse.url, sql, params);
      if (cost.gaveUp !== null) throw new Error('a reader had no answer within the limit');
      ms.push(cost.ms);
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
