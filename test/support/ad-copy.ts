/** The ad schema in ClickHouse without a pipeline: rows are put through the landing tables by the test itself. */
import { migrateClickHouse } from '../../src/destination/schema.ts';
import { newWriter } from './plant.ts';
import { temporaryClickHouse, type TemporaryClickHouse } from './databases.ts';

/** One landing row; columns that are left out are NULL or 0. */
export type LandingRow = Readonly<Record<string, string | number | null>>;

/** Two databases with everything that sql/clickhouse holds. */
export async function temporaryAdCopy(): Promise<TemporaryClickHouse> {
  const ch = await temporaryClickHouse();
  await migrateClickHouse(ch.client, ch, { adSchema: true, url: ch.url });
  return ch;
}

/** Puts rows through a landing table: `_raw` 1, `_sign` 1 and `_version` 0 unless they say otherwise. */
export async function land(ch: TemporaryClickHouse, table: string, rows: readonly LandingRow[]): Promise<void> {
  if (rows.length === 0) return;
  const hasHistory = table === 'campaign' || table === 'advertiser';
  const dated = hasHistory ? { _committed_at: '2026-01-01 00:00:00' } : {};
  const lines = rows.map((row) => JSON.stringify({ _raw: 1, _sign: 1, _version: 0, ...dated, ...row }));
  await ch.client.insert(`INSERT INTO ${ch.internal}.${table}_in FORMAT JSONEachRow`, [Buffer.from(lines.join('\n'))], {
    settings: { input_format_skip_unknown_fields: 0, deduplicate_insert: 'disable' },
  });
}

/** Stores a position, as a pipeline does. */
export async function checkpoint(ch: TemporaryClickHouse, lsn: bigint, commitTime: string): Promise<void> {
  await ch.client.command(
    `INSERT INTO ${ch.internal}.checkpoint (pipeline, epoch, seq, applied_lsn, rollups_live, applied_commit_time)
     VALUES ('test', 1, 1, {lsn:UInt64}, true, {time:DateTime64(6)})`,
    { params: { lsn: String(lsn), time: commitTime }, settings: await newWriter(ch, 'test') },
  );
}
