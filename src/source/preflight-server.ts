/** Checks of the server, its settings and our role. */
import type { Finding } from '../model/finding.ts';
import { pgIdent, pgLiteral, pgTable } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import { pgRows } from './connection.ts';
import type { PreflightCheck, PreflightFacts } from './preflight-facts.ts';
import { inspectPublication, isPublished } from './publication.ts';
import { inspectSlot } from './slot.ts';

const OLDEST_MAJOR = 14;
const NEWEST_MAJOR = 18;
/** Shorter patience than this ends streams at every hiccup of the network, ms. */
const SHORT_TIMEOUT_MS = 5_000;
/** The default of `logical_decoding_work_mem`, kB. */
const DECODING_MEMORY_KB = 65_536;
const LONG_TRANSACTION = '5 minutes';

const RESTART = '-- then restart PostgreSQL';
const RELOAD = 'SELECT pg_reload_conf();';

/** All of them, in the order they are shown. */
export const SERVER_CHECKS: readonly PreflightCheck[] = [
  checkVersion,
  checkRecovery,
  checkWalLevel,
  checkSlots,
  checkWalSenders,
  checkReplicationRole,
  checkPublicationPrivilege,
  checkWalSenderTimeout,
  checkWalBudget,
  checkIdleSlotTimeout,
  checkDecodingMemory,
  checkLongTransactions,
];

function checkVersion({ versionNumber }: PreflightFacts): Finding[] {
  const major = Math.floor(versionNumber / 10_000);
  if (major >= OLDEST_MAJOR && major <= NEWEST_MAJOR) return [];
  const severity = major < OLDEST_MAJOR ? 'error' : 'warning';
  const message = `PostgreSQL ${major} is ${severity === 'error' ? 'too old' : 'newer than any this was tested with'}`;
  const remedy = `Use PostgreSQL ${OLDEST_MAJOR} to ${NEWEST_MAJOR}.`;
  return [{ code: 'version', severity, object: 'server', message, remedy }];
}

async function checkRecovery({ client }: PreflightFacts): Promise<Finding[]> {
  const [row] = await pgRows(client, 'SELECT pg_is_in_recovery() AS standby');
  if (row!['standby'] !== 't') return [];
  const message = 'the server is a standby: publications and slots are made on the primary';
  return [{ code: 'standby', severity: 'error', object: 'server', message, remedy: 'Give the URL of the primary.' }];
}

function checkWalLevel({ settings }: PreflightFacts): Finding[] {
  const level = settings.get('wal_level');
  if (level === 'logical') return [];
  const message = `wal_level is ${level}: changes cannot be decoded`;
  const remedy = `ALTER SYSTEM SET wal_level = 'logical'; ${RESTART} (Amazon RDS: rds.logical_replication = 1)`;
  return [{ code: 'wal_level', severity: 'error', object: 'server', message, remedy }];
}

async function checkSlots({ client, settings, slot }: PreflightFacts): Promise<Finding[]> {
  if ((await inspectSlot(client, slot)) !== null) return [];
  const limit = Number(settings.get('max_replication_slots'));
  const [row] = await pgRows(client, 'SELECT count(*) AS used FROM pg_replication_slots');
  const used = Number(row!['used']);
  if (used < limit) return [];
  const message = `all ${limit} replication slots are taken`;
  const remedy = `ALTER SYSTEM SET max_replication_slots = ${used + 4}; ${RESTART}`;
  return [{ code: 'max_replication_slots', severity: 'error', object: 'server', message, remedy }];
}

async function checkWalSenders({ client, settings, slot }: PreflightFacts): Promise<Finding[]> {
  const state = await inspectSlot(client, slot);
  if (state?.active === true) return [];
  const limit = Number(settings.get('max_wal_senders'));
  const [row] = await pgRows(client, 'SELECT count(*) AS used FROM pg_stat_replication');
  const used = Number(row!['used']);
  if (used < limit) return [];
  const message = `all ${limit} WAL senders are taken`;
  const remedy = `ALTER SYSTEM SET max_wal_senders = ${used + 4}; ${RESTART}`;
  return [{ code: 'max_wal_senders', severity: 'error', object: 'server', message, remedy }];
}

async function checkReplicationRole({ client, role }: PreflightFacts): Promise<Finding[]> {
  const [row] = await pgRows(
    client,
    `SELECT rolsuper OR rolreplication OR EXISTS (
       SELECT FROM pg_roles g WHERE g.rolname IN ('rds_replication', 'rds_superuser') AND pg_has_role(r.oid, g.oid, 'MEMBER')
     ) AS allowed FROM pg_roles r WHERE rolname = current_user`,
  );
  if (row!['allowed'] === 't') return [];
  const message = `role ${role} may not read the replication stream`;
  const remedy = `ALTER ROLE ${pgIdent(role)} REPLICATION; -- Amazon RDS: GRANT rds_replication TO ${pgIdent(role)};`;
  return [{ code: 'role_replication', severity: 'error', object: role, message, remedy }];
}

/** Making a publication needs CREATE on the database and ownership of its tables; one that is there needs neither. */
async function checkPublicationPrivilege(facts: PreflightFacts): Promise<Finding[]> {
  const { client, catalog, role, database, publication } = facts;
  const state = await inspectPublication(client, publication);
  const missing = catalog.tables.filter((table) => state === null || !isPublished(state, table));
  const findings: Finding[] = [];
  const [row] = await pgRows(client, "SELECT has_database_privilege(current_database(), 'CREATE') AS allowed");
  if (state === null && row!['allowed'] !== 't') {
    const message = `role ${role} may not create a publication in database ${database}`;
    const remedy = `GRANT CREATE ON DATABASE ${pgIdent(database)} TO ${pgIdent(role)};`;
    findings.push({ code: 'publication_create', severity: 'error', object: role, message, remedy });
  }
  const foreign = await pgRows(
    client,
    "SELECT oid FROM pg_class WHERE oid = ANY ($1::oid[]) AND NOT pg_has_role(relowner, 'USAGE')",
    [missing.map((table) => table.oid)],
  );
  const oids = new Set(foreign.map((found) => Number(found['oid'])));
  const notOurs = missing.filter((table) => oids.has(table.oid));
  if (notOurs.length === 0) return findings;
  const list = notOurs.map((table) => `ONLY ${pgTable(table)}`).join(', ');
  const verb =
    state === null
      ? `CREATE PUBLICATION ${pgIdent(publication)} FOR TABLE`
      : `ALTER PUBLICATION ${pgIdent(publication)} ADD TABLE`;
  const message = `role ${role} does not own ${notOurs.map(tableLabel).join(', ')}, so it cannot publish them`;
  const settings = state === null ? ' WITH (publish_via_partition_root = true)' : '';
  const remedy = `As their owner: ${verb} ${list}${settings};`;
  return [...findings, { code: 'publication_owner', severity: 'error', object: role, message, remedy }];
}

function checkWalSenderTimeout({ settings }: PreflightFacts): Finding[] {
  const timeoutMs = Number(settings.get('wal_sender_timeout'));
  if (timeoutMs >= SHORT_TIMEOUT_MS) return [];
  const why =
    timeoutMs === 0
      ? 'off: a connection that died in silence keeps the slot busy'
      : `${timeoutMs} ms, which ends streams at every hiccup`;
  const remedy = `ALTER SYSTEM SET wal_sender_timeout = '60s'; ${RELOAD}`;
  return [
    {
      code: 'wal_sender_timeout',
      severity: 'warning',
      object: 'server',
      message: `wal_sender_timeout is ${why}`,
      remedy,
    },
  ];
}

function checkWalBudget({ settings }: PreflightFacts): Finding[] {
  if (settings.get('max_slot_wal_keep_size') !== '-1') return [];
  const message = 'max_slot_wal_keep_size is unlimited: while Millrace is stopped, WAL can fill the disk of the source';
  const remedy = `ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; ${RELOAD} -- as much as the disk can spare`;
  return [{ code: 'max_slot_wal_keep_size', severity: 'warning', object: 'server', message, remedy }];
}

/** PostgreSQL 18 can give up slots that nobody has used for a while. */
function checkIdleSlotTimeout({ settings }: PreflightFacts): Finding[] {
  const timeout = settings.get('idle_replication_slot_timeout');
  if (timeout === undefined || Number(timeout) === 0) return [];
  const message =
    'idle_replication_slot_timeout is set: a longer stop of Millrace costs the slot, and the copy is loaded anew';
  const remedy = `ALTER SYSTEM SET idle_replication_slot_timeout = 0; ${RELOAD}`;
  return [{ code: 'idle_replication_slot_timeout', severity: 'warning', object: 'server', message, remedy }];
}

function checkDecodingMemory({ settings }: PreflightFacts): Finding[] {
  const memoryKb = Number(settings.get('logical_decoding_work_mem'));
  if (memoryKb >= DECODING_MEMORY_KB) return [];
  const message = `logical_decoding_work_mem is ${memoryKb} kB: larger transactions are spilled to disk while they are decoded`;
  const remedy = `ALTER SYSTEM SET logical_decoding_work_mem = '64MB'; ${RELOAD}`;
  return [{ code: 'logical_decoding_work_mem', severity: 'warning', object: 'server', message, remedy }];
}

/** The slot cannot be made, and no table loaded, before these have ended. */
async function checkLongTransactions({ client }: PreflightFacts): Promise<Finding[]> {
  const sessions = await pgRows(
    client,
    `SELECT pid, state, application_name AS name, date_trunc('second', now() - xact_start) AS age
     FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start < now() - $1::interval`,
    [LONG_TRANSACTION],
  );
  const prepared = await pgRows(
    client,
    `SELECT gid, date_trunc('second', now() - prepared) AS age FROM pg_prepared_xacts WHERE prepared < now() - $1::interval`,
    [LONG_TRANSACTION],
  );
  return [
    ...sessions.map((row) =>
      longTransaction(
        `session ${row['pid']} (${row['name']}, ${row['state']})`,
        row['age'],
        `SELECT pg_terminate_backend(${row['pid']});`,
      ),
    ),
    ...prepared.map((row) =>
      longTransaction(
        `prepared transaction ${row['gid']}`,
        row['age'],
        `ROLLBACK PREPARED ${pgLiteral(row['gid']!)}; -- or COMMIT PREPARED`,
      ),
    ),
  ];
}

function longTransaction(object: string, age: string | null | undefined, remedy: string): Finding {
  const message = `a transaction that has written is open for ${age}: the load begins when it has ended`;
  return { code: 'long_transaction', severity: 'warning', object, message, remedy };
}
