/**
 * Runs a migration in a transaction that is rolled back, statement by statement. What cannot be rolled back is refused
 * before anything is run, or by PostgreSQL itself.
 */
import { AppError } from '../model/errors.ts';
import { postgresError } from './connection.ts';
import type { SourceRehearsal } from './rehearsal.ts';
import { type SqlStatement, splitSql } from './split-sql.ts';

/** How long the migration may wait for a lock, and each statement may take. */
export interface TrialLimits {
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** A file is one transaction here anyway. */
const BOUNDARY = /^(begin|start\s+transaction|commit|end)(\s+(work|transaction))?$/i;
const WITHIN = /^(savepoint|release|rollback\s+((work|transaction)\s+)?to)\b/i;
const CONTROL = /^(begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction)\b/i;

/** Runs a script; the session sees what it has done. @throws {AppError} `TRIAL_FAILED`, naming line and statement. */
export async function tryMigration(source: SourceRehearsal, script: string, limits: TrialLimits): Promise<void> {
  const statements = splitSql(script).filter(({ plain }) => !BOUNDARY.test(plain));
  const refused = statements.find(
    ({ plain }) => plain.startsWith('\\') || (CONTROL.test(plain) && !WITHIN.test(plain)),
  );
  if (refused !== undefined) {
    const what = refused.plain.startsWith('\\')
      ? 'is a command of psql'
      : 'would end the transaction that is rolled back';
    throw failed(refused, `it ${what}`);
  }
  await source.execute(`SET LOCAL lock_timeout = ${limits.lockTimeoutMs}`);
  await source.execute(`SET LOCAL statement_timeout = ${limits.statementTimeoutMs}`);
  for (const statement of statements) {
    try {
      await source.execute(statement.text);
    } catch (error) {
      throw failed(statement, reasonOf(error), error);
    }
  }
  // What it has set for itself must not change how the catalogue is read.
  for (const setting of ['ROLE', 'search_path', 'statement_timeout', 'lock_timeout'])
    await source.execute(`RESET ${setting}`);
}

function reasonOf(error: unknown): string {
  const { message, details } = postgresError(error, 'PostgreSQL refuses it');
  const hints: Readonly<Record<string, string>> = {
    '25001': 'it cannot run in a transaction, so it cannot be tried: leave it out',
    '55P03': 'a lock that it needs is held by others',
    '57014': 'it takes too long to be tried beside the traffic of the source',
  };
  const hint = hints[String(details['sqlState'])];
  return hint === undefined ? message : `${hint} (${message})`;
}

function failed({ line, text }: SqlStatement, why: string, cause?: unknown): AppError {
  const head = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return new AppError('TRIAL_FAILED', `line ${line}, “${head}”: ${why}`, { cause, details: { line } });
}
