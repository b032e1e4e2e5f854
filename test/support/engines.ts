/**
 * vitest's global setup: both engines, started once for all test files, in a directory of their own.
 * `TEST_POSTGRES_URL` and `TEST_CLICKHOUSE_URL` (both) name servers to use instead: a superuser with
 * `wal_level=logical` and `track_commit_timestamp`, and a user that may create databases.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEngines } from '../../src/engines/endpoints.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
    clickhouseUrl: string;
  }
}

/** Nothing here survives the run: no flush is waited for. Slots for as many tests as run at once. */
const FAST = {
  fsync: 'off',
  full_page_writes: 'off',
  max_replication_slots: '64',
  max_wal_senders: '64',
  max_connections: '200',
  // The audit of bids and deletions is dated by commit.
  track_commit_timestamp: 'on',
};

/** Starts the engines and tells the tests where they are; returns what stops them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { TEST_POSTGRES_URL: postgresUrl, TEST_CLICKHOUSE_URL: clickhouseUrl } = process.env;
  if (postgresUrl !== undefined && clickhouseUrl !== undefined) {
    project.provide('postgresUrl', postgresUrl);
    project.provide('clickhouseUrl', clickhouseUrl);
    return async () => undefined;
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  await chmod(dataDir, 0o711);
  const engines = await startEngines({ dataDir, postgres: { settings: FAST } });
  project.provide('postgresUrl', engines.postgres.url);
  project.provide('clickhouseUrl', engines.clickhouse.url);
  return async () => {
    // Killed, not stopped: the data are thrown away, and ClickHouse takes 5 s to end in order.
    await Promise.all([engines.postgres.kill('SIGQUIT'), engines.clickhouse.kill()]);
    await rm(dataDir, { recursive: true, force: true });
  };
}
