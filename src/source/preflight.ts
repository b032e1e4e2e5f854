/**
 * What in a PostgreSQL server would keep Millrace from copying it, with the exact remedy: looked at
 * before anything is created. A finding is an answer, not an error of ours.
 */
import type { Client } from 'pg';
import type { SourceColumn, SourceTable } from '../model/table.ts';
import type { Catalog } from './catalog.ts';
import { pgRows } from './connection.ts';
import { SERVER_CHECKS } from './preflight-server.ts';
import { TABLE_CHECKS } from './preflight-tables.ts';

/** One thing that was found. */
export interface Finding {
  /** Stable name of the check that found it, for example `wal_level`. */
  readonly code: string;
  /** `error`: it cannot work. `warning`: it works, until the day it does not. */
  readonly severity: 'error' | 'warning';
  /** What it is about: `server`, a role, `schema.table`, `schema.table.column`, a session. */
  readonly object: string;
  readonly message: string;
  /** SQL to run or configuration to change, ready to be pasted; in words where there is no such thing. */
  readonly remedy: string;
}

/** What {@link checkPostgres} is about to be asked to copy, and how. */
export interface PreflightSubject {
  readonly client: Client;
  readonly catalog: Catalog;
  readonly slot: string;
  readonly publication: string;
  /** Why a column cannot be copied (its type has no codec), or null when it can. */
  readonly columnFault?: (column: SourceColumn, table: SourceTable) => string | null;
}

/** What every check may look at. */
export interface PreflightFacts extends PreflightSubject {
  /** For example 180004. */
  readonly versionNumber: number;
  readonly role: string;
  readonly database: string;
  /** Settings by name, in their base unit, as `pg_settings` has them. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Looks at one thing; returns nothing when all is well. */
export type PreflightCheck = (facts: PreflightFacts) => Promise<Finding[]> | Finding[];

/**
 * Runs all checks, one after another.
 *
 * @throws {AppError} only when the server cannot be asked.
 */
export async function checkPostgres(subject: PreflightSubject): Promise<Finding[]> {
  const facts = await readFacts(subject);
  const findings: Finding[] = [];
  for (const check of [...SERVER_CHECKS, ...TABLE_CHECKS]) findings.push(...(await check(facts)));
  return findings;
}

async function readFacts(subject: PreflightSubject): Promise<PreflightFacts> {
  const [row] = await pgRows(subject.client, 'SELECT current_user AS role, current_database() AS database');
  const settings = new Map<string, string>();
  for (const { name, setting } of await pgRows(subject.client, 'SELECT name, setting FROM pg_settings')) {
    if (setting !== null) settings.set(name!, setting!);
  }
  return {
    ...subject,
    versionNumber: Number(settings.get('server_version_num')),
    role: row!['role']!,
    database: row!['database']!,
    settings,
  };
}
