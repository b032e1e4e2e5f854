/**
 * The objects of the copy that come from files: sql/clickhouse and sql/kpi, applied as recorded migrations. Mirrors of
 * tables outside the ad schema are made by ddl.ts.
 */
import { sqlDirectory } from '../model/package-root.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import type { ClickHouse } from './client.ts';
import type { Names } from './ddl.ts';
import { applyMigrations } from './migrations.ts';

/** Files that every copy needs; the others are the ad schema's. */
const ALWAYS_NEEDED = new Set([
  'V1__internal.sql',
  'V6__fence.sql',
  'V7__verify.sql',
  'V8__heartbeat.sql',
  'V9__control.sql',
  'V10__resync.sql',
  'V11__table_identity.sql',
  'V12__loss_keys.sql',
  'V13__partitions.sql',
  'V15__table_requests.sql',
  'V16__rules.sql',
  'V18__alerts.sql',
  'V19__as_of_past.sql',
]);

/** What the files are told. */
export interface SchemaOptions {
  /** Whether the source has the ad schema: only then there are rollups and KPIs. */
  readonly adSchema: boolean;
  /** URL of ClickHouse: the price dictionary reads its source with these credentials. */
  readonly url: string;
  /** Applies every file, to bring back objects that were dropped. */
  readonly again?: boolean;
}

/**
 * Creates both databases and applies what is new.
 *
 * @returns The names of the files applied now.
 * @throws {AppError} `MIGRATION_CHANGED`, `MIGRATION_FAILED`.
 */
export async function migrateClickHouse(
  clickhouse: ClickHouse,
  names: Names,
  options: SchemaOptions,
): Promise<string[]> {
  await clickhouse.command(`CREATE DATABASE IF NOT EXISTS ${chIdent(names.database)}`);
  const { username, password } = new URL(options.url);
  return await applyMigrations(clickhouse, {
    directory: sqlDirectory('clickhouse'),
    more: { directory: sqlDirectory('kpi'), prefix: 'kpi/' },
    internal: names.internal,
    placeholders: {
      database: names.database,
      internal: names.internal,
      dictionary_user: chLiteral(decodeURIComponent(username) || 'default'),
      dictionary_password: chLiteral(decodeURIComponent(password)),
    },
    again: options.again === true,
    filter: ({ script }) => options.adSchema || ALWAYS_NEEDED.has(script),
  });
}
