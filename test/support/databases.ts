/** Databases of one test, dropped at its end. */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { ClickHouse } from '../../src/destination/client.ts';
import { chIdent, pgIdent } from '../../src/model/quote.ts';
import { connectPostgres, pgRows } from '../../src/source/connection.ts';
import { waitFor } from './wait.ts';

/** An empty PostgreSQL database with a session on it. */
export interface TemporaryPostgres extends AsyncDisposable {
  readonly url: string;
  readonly database: string;
  readonly client: pg.Client;
}

/** Two names for ClickHouse databases that do not exist yet, and a connection. */
export interface TemporaryClickHouse extends AsyncDisposable {
  readonly url: string;
  readonly client: ClickHouse;
  /** The users' database. */
  readonly database: string;
  /** Millrace's own database. */
  readonly internal: string;
}

/** Makes a database; at the end drops its replication slots, ends its sessions and drops it. */
export async function temporaryPostgres(): Promise<TemporaryPostgres> {
  const database = uniqueName();
  const server = inject('postgresUrl');
  await onServer(server, (admin) => pgRows(admin, `CREATE DATABASE ${pgIdent(database)}`));
  const url = new URL(server);
  url.pathname = `/${database}`;
  const client = await connectPostgres(url.toString(), { applicationName: 'test' });
  return {
    url: url.toString(),
    database,
    client,
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await onServer(server, (admin) => dropPostgres(admin, database));
    },
  };
}

/** Makes up names of two databases; at the end drops them if they were made. */
export async function temporaryClickHouse(): Promise<TemporaryClickHouse> {
  const url = inject('clickhouseUrl');
  const client = new ClickHouse(url, { applicationName: 'test' });
  const database = uniqueName();
  const internal = `${database}_internal`;
  return {
    url,
    client,
    database,
    internal,
    [Symbol.asyncDispose]: async () => {
      for (const name of [`${internal}_verify`, database, internal])
        await client.command(`DROP DATABASE IF EXISTS ${chIdent(name)} SYNC`);
      await client[Symbol.asyncDispose]();
    },
  };
}

async function dropPostgres(admin: pg.Client, database: string): Promise<void> {
  const end = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1';
  const slots = 'SELECT slot_name AS slot, active_pid FROM pg_replication_slots WHERE database = $1';
  await waitFor(
    async () => {
      await pgRows(admin, end, [database]);
      const idle = (await pgRows(admin, slots, [database])).filter((row) => row['active_pid'] === null);
      for (const { slot } of idle) await pgRows(admin, 'SELECT pg_drop_replication_slot($1)', [slot]);
      return (await pgRows(admin, slots, [database])).length === 0;
    },
    { what: `the replication slots of ${database} to be dropped` },
  );
  await pgRows(admin, `DROP DATABASE ${pgIdent(database)} WITH (FORCE)`);
}

async function onServer(url: string, action: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = await connectPostgres(url, { applicationName: 'test-admin' });
  try {
    await action(admin);
  } finally {
    await admin.end();
  }
}

function uniqueName(): string {
  return `test_${randomBytes(6).toString('hex')}`;
}
