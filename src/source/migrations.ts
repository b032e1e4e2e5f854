/**
 * Applies `sql/postgres` to a database, with Flyway's own history table, so that either of the two may go on
 * where the other stopped.
 */
import type pg from 'pg';
import { AppError } from '../model/errors.ts';
import { flywayChecksum, type MigrationFile, readMigrations } from '../model/migration-files.ts';
import { sqlDirectory } from '../model/package-root.ts';
import { pgRows, postgresError } from './connection.ts';

/** Of Flyway 11, in the schema that is current. */
const HISTORY = `
  CREATE TABLE IF NOT EXISTS flyway_schema_history (
    installed_rank integer NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY,
    version varchar(50),
    description varchar(200) NOT NULL,
    type varchar(20) NOT NULL,
    script varchar(1000) NOT NULL,
    checksum integer,
    installed_by varchar(100) NOT NULL,
    installed_on timestamp NOT NULL DEFAULT now(),
    execution_time integer NOT NULL,
    success boolean NOT NULL
  );
  CREATE INDEX IF NOT EXISTS flyway_schema_history_s_idx ON flyway_schema_history (success)`;

const REMEMBER = `
  INSERT INTO flyway_schema_history
    (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
  SELECT coalesce(max(installed_rank), 0) + 1, $1, $2, 'SQL', $3, $4, current_user, $5, true FROM flyway_schema_history`;

/** Any number: the key of the advisory lock that our migrations take turns by (“mill” in ASCII). */
const LOCK = 0x6d696c6c;

/**
 * Creates or updates the ad platform's tables; each file in a transaction of its own, one process at a time.
 *
 * @param directory Default: the files of the package.
 * @returns The names of the files applied now, in order.
 * @throws {AppError} `MIGRATION_CHANGED`, `MIGRATION_FAILED`, and those of the connection.
 */
export async function applyPostgresSchema(client: pg.Client, directory = sqlDirectory('postgres')): Promise<string[]> {
  const files = (await readMigrations(directory)).filter((file) => file.version !== null);
  await pgRows(client, 'SELECT pg_advisory_lock($1)', [LOCK]);
  try {
    const known = await readHistory(client);
    const due = files.filter((file) => isDue(file, known.get(file.version as string)));
    for (const file of due) await applyFile(client, file);
    return due.map((file) => file.script);
  } finally {
    await pgRows(client, 'SELECT pg_advisory_unlock($1)', [LOCK]);
  }
}

/** Checksums by version; null where Flyway keeps none (a baseline). */
async function readHistory(client: pg.Client): Promise<Map<string, number | null>> {
  await run(client, HISTORY, 'cannot make flyway_schema_history');
  const rows = await pgRows(
    client,
    'SELECT version, checksum FROM flyway_schema_history WHERE success AND version IS NOT NULL',
  );
  return new Map(
    rows.map((row) => [row['version'] as string, row['checksum'] === null ? null : Number(row['checksum'])]),
  );
}

function isDue(file: MigrationFile, applied: number | null | undefined): boolean {
  if (applied === undefined) return true;
  if (applied === null || applied === flywayChecksum(file.text)) return false;
  throw new AppError('MIGRATION_CHANGED', `${file.script} was changed after it had been applied to PostgreSQL`);
}

async function applyFile(client: pg.Client, file: MigrationFile): Promise<void> {
  const began = performance.now();
  await run(client, 'BEGIN', file.script);
  try {
    await run(client, file.text, file.script);
    const took = Math.round(performance.now() - began);
    await pgRows(client, REMEMBER, [file.version, file.description, file.script, flywayChecksum(file.text), took]);
    await run(client, 'COMMIT', file.script);
  } catch (error) {
    // A broken connection has rolled back already, and refuses this.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Several statements in one message, which takes no parameters. */
async function run(client: pg.Client, sql: string, what: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    const known = postgresError(error, what);
    throw known.code === 'POSTGRES_FAILED' ? new AppError('MIGRATION_FAILED', known.message, { cause: error }) : known;
  }
}
