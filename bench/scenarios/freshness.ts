/**
 * Freshness: from COMMIT's return to the first query of ClickHouse that sees the row, at several rates of
 * single-row transactions, for Millrace and for MaterializedPostgreSQL.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OPTIONS } from '../../src/config/options.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import { createSource, type Lab, NAMES, reset } from '../support/lab.ts';
import { MATERIALIZED, startMaterialized } from '../support/materialized.ts';
import { VisibilityProbe } from '../support/visibility-probe.ts';
import { atMost, type Findings } from '../support/result.ts';
import { quantile, rounded } from '../support/statistics.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** Commits per second, and for how long. */
const RATES = [
  { perSecond: 1, seconds: 20 },
  { perSecond: 50, seconds: 15 },
  { perSecond: 500, seconds: 15 },
] as const;

type Figure = Record<string, number>;

/** `seconds` shortens every rate's run; `minFlushIntervalMs` is the pipeline's option, else its default. */
export interface FreshnessOptions {
  readonly seconds?: number | undefined;
  readonly minFlushIntervalMs?: number | undefined;
}

/** Measures both, one after the other. */
export async function measureFreshness(lab: Lab, options: FreshnessOptions): Promise<Findings> {
  const minFlushIntervalMs = options.minFlushIntervalMs ?? OPTIONS.minFlushIntervalMs.default;
  const figures: Record<string, Figure> = {};
  const measure = async (name: string, table: string): Promise<void> => {
    for (const { perSecond, seconds } of RATES) {
      const rate = { perSecond, seconds: options.seconds ?? seconds };
      figures[`${name}, ${perSecond}/s`] = await measureRate(lab, table, rate);
    }
  };
  await createSource(lab.pg, 0);
  const peakRssMiB = await withMillrace(lab, minFlushIntervalMs, () =>
    measure('millrace', `${NAMES.database}.impressions`),
  );
  await reset(lab);
  await createSource(lab.pg, 0);
  await startMaterialized(lab);
  await measure('MaterializedPostgreSQL', MATERIALIZED);
  await reset(lab);
  const ratio = (perSecond: number): number =>
    (figures[`millrace, ${perSecond}/s`]?.['p50Ms'] ?? Number.NaN) /
    (figures[`MaterializedPostgreSQL, ${perSecond}/s`]?.['p50Ms'] ?? Number.NaN);
  const parts = RATES.map(({ perSecond }) => figures[`millrace, ${perSecond}/s`]?.['partsMax'] ?? Number.NaN);
  return {
    parameters: { rates: RATES.map(({ perSecond }) => `${perSecond}/s`).join(', '), minFlushIntervalMs },
    figures,
    bars: [
      atMost('p50 over MaterializedPostgreSQL, 1/s', ratio(1), 0.1),
      atMost('p50 over MaterializedPostgreSQL, 500/s', ratio(500), 0.25),
      atMost('most active parts of a table', Math.max(...parts), 300),
      atMost('peak RSS, MiB', peakRssMiB, 300),
    ],
  };
}

/** Runs an action while the pipeline follows. @returns The pipeline's peak RSS, MiB. */
async function withMillrace(lab: Lab, minFlushIntervalMs: number, action: () => Promise<void>): Promise<number> {
  const { postgres, clickhouse } = lab.engines;
  await using worker = await WorkerProcess.start();
  worker.runPipeline({ postgresUrl: postgres.url, clickhouseUrl: clickhouse.url, minFlushIntervalMs });
  await worker.until({ kind: 'live' });
  await action();
  const { peakRssMiB } = await worker.until({ kind: 'now' });
  return peakRssMiB;
}

async function measureRate(lab: Lab, table: string, rate: { perSecond: number; seconds: number }): Promise<Figure> {
  const probe = new VisibilityProbe(lab.ch, table);
  const committedAt = await commitAtRate(lab, rate);
  const last = Math.max(...committedAt.keys());
  const { seenAt, polls, partsMax } = await probe.until(last);
  const delays = [...committedAt].map(([id, at]) => Math.max(0, seenAt(id) - at));
  const at = (fraction: number): number => rounded(quantile(delays, fraction));
  return {
    commits: delays.length,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    maxMs: rounded(Math.max(...delays)),
    partsMax,
    polls,
  };
}

/** Commits single rows at even times, in one session. @returns When each id's COMMIT had returned. */
async function commitAtRate(lab: Lab, rate: { perSecond: number; seconds: number }): Promise<Map<number, number>> {
  const client = await connectPostgres(lab.engines.postgres.url, { applicationName: 'bench' });
  const committedAt = new Map<number, number>();
  const startedAt = performance.now();
  for (let i = 0; i < rate.perSecond * rate.seconds; i++) {
    const waitMs = startedAt + (i * 1000) / rate.perSecond - performance.now();
    if (waitMs >= 1) await sleep(waitMs);
    const [row] = await pgRows(client, 'INSERT INTO impressions (campaign_id) VALUES (1) RETURNING id');
    committedAt.set(Number(row?.['id']), performance.now());
  }
  await client.end();
  return committedAt;
}
