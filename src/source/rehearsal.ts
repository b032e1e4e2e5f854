/**
 * A session on PostgreSQL that leaves nothing behind: all of it is one transaction that is rolled back, and what would
 * change the server is noted instead of sent. What else runs in it sees what that transaction sees, so that a
 * migration can be tried in it.
 */
import type { Client } from 'pg';
import { connectPostgres, endConnection, pgRows } from './connection.ts';
import { inspectSlot } from './slot.ts';

/** A session, and what was asked of it. */
export interface SourceRehearsal extends AsyncDisposable {
  readonly client: Client;
  /** Statements that would be executed, in order. */
  readonly statements: readonly string[];
  /** Whether the replication slot would be made. */
  readonly makesSlot: boolean;
  /** A pipeline reads the slot at this moment. */
  readonly isStreamed: boolean;
  /** Executes one statement, to be rolled back with the rest. PostgreSQL refuses two in one. */
  execute(statement: string): Promise<void>;
}

type Rows = readonly Record<string, string | null>[];

/** Opens the session. @param slot Taken for idle: as if the process that reads it had ended. */
export async function rehearseSource(
  url: string,
  { slot, signal }: { slot: string; signal: AbortSignal },
): Promise<SourceRehearsal> {
  const client = await connectPostgres(url, { applicationName: 'millrace plan', signal });
  try {
    await pgRows(client, 'BEGIN');
    const rehearsal = await rehearsing(client, slot);
    // Looked up first: see there.
    await inspectSlot(client, slot);
    return rehearsal;
  } catch (error) {
    await endConnection(client);
    throw error;
  }
}

async function rehearsing(client: Client, slot: string): Promise<SourceRehearsal> {
  const send = client.query.bind(client) as (sql: string, params?: unknown[]) => Promise<{ rows: Rows }>;
  // The extended protocol takes one statement at a time: none that follows it unseen can end our transaction.
  const sendOne = client.query.bind(client) as (config: { text: string; queryMode: string }) => Promise<unknown>;
  const statements: string[] = [];
  const made = { slot: false };
  const [found] = await pgRows(client, 'SELECT active FROM pg_replication_slots WHERE slot_name = $1', [slot]);
  let slots: Rows | null = null;
  const answer = async (sql: string, params: unknown[] = []): Promise<Rows> => {
    if (/^(CREATE|ALTER|DROP) PUBLICATION /.test(sql)) {
      if (!statements.includes(sql)) statements.push(sql);
      return [];
    }
    if (sql.includes('pg_create_logical_replication_slot')) {
      made.slot = true;
      return (await send('SELECT pg_current_wal_insert_lsn() AS lsn')).rows;
    }
    if (sql.includes('pg_drop_replication_slot')) return [{ slot_name: slot }];
    if (sql.includes('pg_try_advisory_lock')) return [{ locked: 't' }];
    // Nobody is waited for: our own transaction is one of them.
    if (sql.includes('pg_snapshot_xmin(pg_current_snapshot()) >=')) return [{ passed: 't' }];
    // Its position as it was before the checkpoint was read: it never seems ahead of that, whoever streams meanwhile.
    if (sql.includes('FROM pg_replication_slots AS slot')) {
      slots ??= (await send(sql, params)).rows.map((row) => ({ ...row, active: 'f', active_pid: null }));
      return slots;
    }
    return (await send(nested(sql), params)).rows;
  };
  // The one place where statements go by: pgRows() and the transactions of others take it.
  client.query = (async (sql: string, params?: unknown[]) => ({ rows: await answer(sql, params) })) as never;
  return {
    client,
    statements,
    isStreamed: found?.['active'] === 't',
    execute: async (text) => void (await sendOne({ text, queryMode: 'extended' })),
    get makesSlot() {
      return made.slot;
    },
    [Symbol.asyncDispose]: async () => {
      // Fails only where the connection is gone, and the transaction with it.
      await send('ROLLBACK').catch(() => undefined);
      await endConnection(client);
    },
  };
}

/** Transactions of others become parts of ours. */
function nested(sql: string): string {
  if (/^BEGIN\b/.test(sql)) return 'SAVEPOINT millrace_rehearsal';
  if (sql === 'COMMIT') return 'RELEASE SAVEPOINT millrace_rehearsal';
  return sql === 'ROLLBACK' ? 'ROLLBACK TO SAVEPOINT millrace_rehearsal' : sql;
}
