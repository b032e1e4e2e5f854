/**
 * What ClickHouse must offer before Millrace uses it. Each check returns findings: problems of the server,
 * with their remedy. A check that cannot run at all throws.
 */
import { cloneDatabase } from './control.ts';
import { AppError } from '../model/errors.ts';
import { clockFindings, type Finding } from '../model/finding.ts';
import { chIdent } from '../model/quote.ts';
import { type ClickHouse, MIN_FREE_DISK_BYTES } from './client.ts';

/** The oldest release line that has every statement and setting we use. */
const OLDEST_VERSION = { year: 25, month: 8 };

/** The release line that the tests run on. */
const TESTED_VERSION = '26.7';

/** Free space below which a disk is reported, in bytes. */
const LOW_DISK_BYTES = 5 * 1024 ** 3;

/** What Millrace does in each of its two databases. */
const PRIVILEGES = [
  'CREATE DATABASE',
  'CREATE TABLE',
  'CREATE VIEW',
  'CREATE DICTIONARY',
  'DROP TABLE',
  'DROP VIEW',
  'DROP DICTIONARY',
  'ALTER',
  'INSERT',
  'SELECT',
  'TRUNCATE',
  'OPTIMIZE',
  'dictGet',
] as const;

/** Settings that are sent with inserts and queries: they must exist, and may not be fixed to another value. */
const SENT_SETTINGS: Readonly<Record<string, string>> = {
  async_insert: '0',
  deduplicate_blocks_in_dependent_materialized_views: '1',
  enable_extended_results_for_datetime_functions: '1',
  input_format_skip_unknown_fields: '0',
  insert_deduplication_token: '',
  log_comment: '',
  min_free_disk_bytes_to_perform_insert: String(MIN_FREE_DISK_BYTES),
};

/** Settings of tables that must exist. */
const TABLE_SETTINGS = ['allow_nullable_key', 'non_replicated_deduplication_window'] as const;

interface Names {
  readonly database: string;
  readonly internal: string;
}

/**
 * Examines the server.
 *
 * @returns What stands in the way, or deserves a look; empty when all is well. A server that cannot be
 *   reached, or that lets nobody in, is a finding too.
 * @throws {AppError} `CLICKHOUSE_FAILED` when a check itself is refused.
 */
export async function checkClickHouse(clickhouse: ClickHouse, names: Names): Promise<Finding[]> {
  const unreachable = await reachFindings(clickhouse);
  if (unreachable.length > 0) return unreachable;
  const lists = await Promise.all([
    serverFindings(clickhouse),
    privilegeFindings(clickhouse, names),
    settingFindings(clickhouse),
    tableSettingFindings(clickhouse),
    diskFindings(clickhouse),
  ]);
  return lists.flat();
}

async function reachFindings(clickhouse: ClickHouse): Promise<Finding[]> {
  try {
    await clickhouse.rows('SELECT 1 AS one');
    return [];
  } catch (error) {
    const isOurs = error instanceof AppError && /^CLICKHOUSE_(UNREACHABLE|AUTH)$/.test(error.code);
    if (!isOurs) throw error;
    return [
      { code: 'connection', severity: 'error', object: clickhouse.label, message: error.message, remedy: error.hint },
    ];
  }
}

async function serverFindings(clickhouse: ClickHouse): Promise<Finding[]> {
  const before = Date.now();
  const [row] = await clickhouse.rows<{ version: string; now_ms: string }>(
    'SELECT version() AS version, toUnixTimestamp64Milli(now64(3)) AS now_ms',
  );
  const clock = clockFindings(clickhouse.label, Number(row?.now_ms), { before, after: Date.now() });
  return [...versionFindings(String(row?.version)), ...clock];
}

/** Compares a version such as `25.8.3.1` with the oldest that will do. */
export function versionFindings(version: string): Finding[] {
  const [year = 0, month = 0] = version.split('.').map(Number);
  const { year: oldYear, month: oldMonth } = OLDEST_VERSION;
  if (year > oldYear || (year === oldYear && month >= oldMonth)) return [];
  return [
    {
      code: 'version',
      severity: 'error',
      object: 'server',
      message: `ClickHouse ${version} is older than ${oldYear}.${oldMonth}`,
      remedy: `Upgrade the server to ${oldYear}.${oldMonth} or later; ${TESTED_VERSION} is the version tested.`,
    },
  ];
}

async function privilegeFindings(clickhouse: ClickHouse, names: Names): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const database of [names.database, names.internal]) {
    const scope = `${chIdent(database)}.*`;
    if (await isGranted(clickhouse, PRIVILEGES.join(', '), scope)) continue;
    const missing: string[] = [];
    for (const privilege of PRIVILEGES) if (!(await isGranted(clickhouse, privilege, scope))) missing.push(privilege);
    findings.push(await grantFinding(clickhouse, missing.join(', '), scope));
  }
  const clones = `${chIdent(cloneDatabase(names))}.*`;
  const forClones = [...PRIVILEGES, 'DROP DATABASE'].join(', ');
  if (!(await isGranted(clickhouse, forClones, clones))) {
    const finding = await grantFinding(clickhouse, forClones, clones);
    findings.push({
      ...finding,
      severity: 'warning',
      message: 'the database of `millrace verify`: without it nothing can be proved',
    });
  }
  const reload = 'SYSTEM RELOAD DICTIONARY';
  if (!(await isGranted(clickhouse, reload, '*.*'))) findings.push(await grantFinding(clickhouse, reload, '*.*'));
  return findings;
}

/** Asks the server itself, roles and partial revokes included. Changes nothing. */
async function isGranted(clickhouse: ClickHouse, privileges: string, scope: string): Promise<boolean> {
  const answer = await clickhouse.bytes(`CHECK GRANT ${privileges} ON ${scope}`);
  return answer.toString().trim() === '1';
}

async function grantFinding(clickhouse: ClickHouse, privileges: string, scope: string): Promise<Finding> {
  const [row] = await clickhouse.rows<{ user: string }>('SELECT currentUser() AS user');
  const user = chIdent(String(row?.user));
  return {
    code: 'privilege',
    severity: 'error',
    object: scope,
    message: `the user ${user} may not: ${privileges}`,
    remedy: `GRANT ${privileges} ON ${scope} TO ${user};`,
  };
}

interface SettingRow {
  readonly name: string;
  readonly value: string;
  readonly readonly: number;
}

async function settingFindings(clickhouse: ClickHouse): Promise<Finding[]> {
  const rows = await clickhouse.rows<SettingRow>(
    'SELECT name, value, readonly FROM system.settings WHERE name IN {names:Array(String)}',
    { params: { names: [...Object.keys(SENT_SETTINGS), 'readonly'] } },
  );
  return judgeSettings(rows);
}

/** Judges the rows of system.settings: what is missing, and what a profile fixes to a value that would harm. */
export function judgeSettings(rows: readonly SettingRow[]): Finding[] {
  const found = new Map(rows.map((row) => [row.name, row]));
  const findings: Finding[] = [];
  if ((found.get('readonly')?.value ?? '0') !== '0') findings.push(readonlyFinding());
  for (const [name, wanted] of Object.entries(SENT_SETTINGS)) {
    const row = found.get(name);
    if (row === undefined) findings.push(missingFinding(name, 'setting'));
    // Token and mark differ from statement to statement, so they may not be fixed at all.
    else if (row.readonly === 1 && (wanted === '' || row.value !== wanted))
      findings.push(fixedFinding(name, row.value));
  }
  return findings;
}

async function tableSettingFindings(clickhouse: ClickHouse): Promise<Finding[]> {
  const rows = await clickhouse.rows<{ name: string }>(
    'SELECT name FROM system.merge_tree_settings WHERE name IN {names:Array(String)}',
    { params: { names: [...TABLE_SETTINGS] } },
  );
  const found = new Set(rows.map((row) => row.name));
  return TABLE_SETTINGS.filter((name) => !found.has(name)).map((name) => missingFinding(name, 'setting of tables'));
}

async function diskFindings(clickhouse: ClickHouse): Promise<Finding[]> {
  const rows = await clickhouse.rows<{ name: string; free_space: string }>(
    "SELECT name, free_space FROM system.disks WHERE type = 'Local'",
  );
  return rows
    .filter((row) => Number(row.free_space) < LOW_DISK_BYTES)
    .map((row) => ({
      code: 'disk',
      severity: 'warning',
      object: `disk ${row.name}`,
      message: `${(Number(row.free_space) / 1024 ** 3).toFixed(1)} GiB are free`,
      remedy: 'Free space or enlarge the disk: a full disk stops the copy, and the source then keeps its log.',
    }));
}

function readonlyFinding(): Finding {
  return {
    code: 'readonly',
    severity: 'error',
    object: 'setting readonly',
    message: 'the user is read-only',
    remedy: 'Use a user whose profile has readonly = 0.',
  };
}

function missingFinding(name: string, what: string): Finding {
  return {
    code: 'setting',
    severity: 'error',
    object: `setting ${name}`,
    message: `the server does not know this ${what}`,
    remedy: `Upgrade the server; ${TESTED_VERSION} is the version tested.`,
  };
}

function fixedFinding(name: string, value: string): Finding {
  return {
    code: 'setting',
    severity: 'error',
    object: `setting ${name}`,
    message: `a profile fixes it to “${value}”, and Millrace must send its own`,
    remedy: `Remove the constraint on ${name} from the profile of this user.`,
  };
}
