/** The commits of the source, kept so that a time or position of the past can be told from its neighbours. */
import { formatMicros } from '../model/instant.ts';
import type { Lsn } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import type { ClickHouse } from './client.ts';
import type { Names } from './ddl.ts';
import type { Fence } from './fence.ts';

/** One commit. */
export interface Commit {
  /** Position behind it. */
  readonly endLsn: Lsn;
  /** µs since 1970. */
  readonly timeUs: bigint;
}

/** Where they are written. */
export interface CommitsOf {
  readonly clickhouse: ClickHouse;
  readonly names: Names;
  readonly pipeline: string;
  readonly fence: Fence;
}

/** Keeps commits. May be repeated: they fold. Durable when it returns. */
export async function keepCommits(
  { clickhouse, names, pipeline, fence }: CommitsOf,
  commits: readonly Commit[],
  signal?: AbortSignal,
): Promise<void> {
  if (commits.length === 0) return;
  const lines = commits.map(({ endLsn, timeUs }) =>
    JSON.stringify({ pipeline, end_lsn: String(endLsn), commit_time: formatMicros(timeUs) }),
  );
  await clickhouse.insert(
    `INSERT INTO ${chIdent(names.internal)}.commits (pipeline, end_lsn, commit_time) FORMAT JSONEachRow`,
    [Buffer.from(`${lines.join('\n')}\n`)],
    { signal, settings: fence.settings('commits') },
  );
}
