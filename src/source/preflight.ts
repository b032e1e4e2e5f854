/**
 * What in a PostgreSQL server would keep Millrace from copying it, with the exact remedy: looked at
 * before anything is created. A finding is an answer, not an error of ours.
 */
import type { Finding } from '../model/finding.ts';
import { pgRows } from './connection.ts';
import type { PreflightFacts, PreflightSubject } from './preflight-facts.ts';
import { SERVER_CHECKS } from './preflight-server.ts';
import { TABLE_CHECKS } from './preflight-tables.ts';

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
