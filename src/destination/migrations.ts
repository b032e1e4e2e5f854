/**
 * Applies migration files to ClickHouse and remembers them.
 *
 * ClickHouse has no transactions over DDL: a file that was cut short is applied again from its start, so its
 * statements must bear that (`IF NOT EXISTS`, `OR REPLACE`). Nor has it a lock: only the holder of the
 * replication slot migrates.
 */
import { AppError } from '../model/errors.ts';
import {
  fillPlaceholders,
  flywayChecksum,
  type MigrationFile,
  readMigrations,
  readRepeatable,
} from '../model/migration-files.ts';
import { chIdent } from '../model/quote.ts';
import type { ClickHouse } from './client.ts';
import { splitStatements } from './split-statements.ts';

/** What to apply, and where to remember it. */
export interface MigrationOptions {
  /** A directory of `V…__….sql` and `R__….sql`. */
  readonly directory: string;
  /** A directory of repeatable files that come after those, and the prefix of their names in the history; default: none. */
  readonly more?: { readonly directory: string; readonly prefix: string };
  /** The database of the table `schema_history`; made when missing. */
  readonly internal: string;
  /** Values of `${name}` in the files, as they shall stand in SQL (quoted where need be). */
  readonly placeholders: Readonly<Record<string, string>>;
  /** Applies also what was applied already: every statement bears that. */
  readonly again?: boolean;
  /** Leaves out files that this copy does not need; default: none. */
  readonly filter?: ((file: MigrationFile) => boolean) | undefined;
}

/** A file as the table `schema_history` knows it. */
interface MigrationRecord {
  readonly script: string;
  /** null: repeatable. */
  readonly version: string | null;
  readonly checksum: number;
}

/** A repeatable file with this line is applied every time: it states something the file does not hold. */
const ALWAYS = /^-- always applied\b/m;

/**
 * Applies what was not applied yet: versioned files once, repeatable ones when they (or their placeholders) changed.
 *
 * @returns The names of the files applied now, in order.
 * @throws {AppError} `MIGRATION_CHANGED` when an applied versioned file reads otherwise now (before anything is
 *   applied); `MIGRATION_FAILED` when a file is misnamed, lacks a placeholder's value, or the server refuses it.
 */
export async function applyMigrations(clickhouse: ClickHouse, options: MigrationOptions): Promise<string[]> {
  const { directory, more } = options;
  const found = [
    ...(await readMigrations(directory)),
    ...(more ? await readRepeatable(more.directory, more.prefix) : []),
  ];
  const files = found.filter(options.filter ?? (() => true));
  const history = `${chIdent(options.internal)}.schema_history`;
  await createHistory(clickhouse, options.internal, history);
  const applied = await readHistory(clickhouse, history);
  const steps = files.map((file) => ({ file, sql: fillPlaceholders(file.text, options.placeholders, file.script) }));
  const due = steps.filter(({ file, sql }) => isDue(file, sql, applied.get(file.script)) || options.again === true);
  const done: MigrationRecord[] = [];
  try {
    for (const { file, sql } of due) {
      await applyFile(clickhouse, file, sql);
      done.push({ script: file.script, version: file.version, checksum: checksumOf(file, sql) });
    }
  } finally {
    await remember(clickhouse, history, done);
  }
  return done.map(({ script }) => script);
}

async function createHistory(clickhouse: ClickHouse, internal: string, history: string): Promise<void> {
  await clickhouse.command(`CREATE DATABASE IF NOT EXISTS ${chIdent(internal)}`);
  await clickhouse.command(`CREATE TABLE IF NOT EXISTS ${history}
    (
        script     String,
        version    Nullable(String),
        checksum   Int32                                     COMMENT 'as Flyway computes it',
        applied_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
    )
    ENGINE = ReplacingMergeTree(applied_at) ORDER BY script`);
}

/** Checksums by file name. */
async function readHistory(clickhouse: ClickHouse, history: string): Promise<Map<string, number>> {
  const rows = await clickhouse.rows<{ script: string; checksum: number }>(
    `SELECT script, checksum FROM ${history} FINAL`,
  );
  return new Map(rows.map((row) => [row.script, row.checksum]));
}

/** As Flyway does: placeholders count for repeatable files only. */
function checksumOf(file: MigrationFile, sql: string): number {
  return flywayChecksum(file.version === null ? sql : file.text);
}

function isDue(file: MigrationFile, sql: string, applied: number | undefined): boolean {
  if (applied === undefined) return true;
  const isChanged = applied !== checksumOf(file, sql);
  if (file.version === null) return isChanged || ALWAYS.test(file.text);
  if (isChanged)
    throw new AppError('MIGRATION_CHANGED', `${file.script} was changed after it had been applied to ClickHouse`);
  return false;
}

const TAG = 'millrace migration ';

/** What marks a statement as that of a migration file: its `log_comment`. */
function migrationTag(script: string): string {
  return `${TAG}${script}`;
}

/** The file that a statement so marked comes from; null: from none. */
export function scriptOf(logComment: string): string | null {
  return logComment.startsWith(TAG) ? logComment.slice(TAG.length) : null;
}

async function applyFile(clickhouse: ClickHouse, file: MigrationFile, sql: string): Promise<void> {
  for (const [index, statement] of splitStatements(sql).entries()) {
    try {
      await clickhouse.command(statement, { settings: { log_comment: migrationTag(file.script) } });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'CLICKHOUSE_FAILED') throw error;
      throw new AppError('MIGRATION_FAILED', `${file.script}, statement ${index + 1}: ${error.message}`, {
        cause: error,
        details: error.details,
      });
    }
  }
}

/**
 * All at once: an insert costs about as much as a statement of a file. What a killed process does not remember is
 * applied again.
 */
async function remember(clickhouse: ClickHouse, history: string, done: readonly MigrationRecord[]): Promise<void> {
  if (done.length === 0) return;
  const values = done.map((_, i) => `({script${i}:String}, {version${i}:Nullable(String)}, {checksum${i}:Int32})`);
  const params = Object.fromEntries(
    done.flatMap(({ script, version, checksum }, i) => [
      [`script${i}`, script],
      [`version${i}`, version],
      [`checksum${i}`, checksum],
    ]),
  );
  await clickhouse.command(`INSERT INTO ${history} (script, version, checksum) VALUES ${values.join(', ')}`, {
    params,
  });
}
