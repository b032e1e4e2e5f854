/** `verify` between two temporary databases with a pipeline between them. */
import type { VerifyOptions } from '../../src/verify/options.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';

/** Options for everything in schema `public`. */
export function verifyOptions(
  pg: TemporaryPostgres,
  ch: TemporaryClickHouse,
  overrides: Partial<VerifyOptions> = {},
): VerifyOptions {
  return {
    postgresUrl: pg.url,
    replicaUrl: null,
    clickhouseUrl: ch.url,
    names: { database: ch.database, internal: ch.internal },
    slot: pg.database,
    patterns: { include: ['public.*'], exclude: [] },
    only: [],
    unfitPolicy: 'fail',
    maxLoad: 2,
    statementTimeoutMs: 30_000,
    sample: null,
    limit: 20,
    repair: false,
    waitMs: 30_000,
    signal: new AbortController().signal,
    ...overrides,
  };
}
