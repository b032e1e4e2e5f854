/**
 * Random changes of tables and of their rows together: several sessions, transactions that mix both, and that are
 * rolled back. What a step does follows from its numbers and from the catalogue as its session sees it, so that a
 * sequence of steps is repeatable.
 *
 *   kinds: random-ddl-kinds.ts (rows, columns, keys, tables), random-ddl-more.ts (partitions, keys, types, publication)
 */
import type pg from 'pg';
import { connectPostgres } from '../../src/source/connection.ts';
import { COLUMN_DDL, createTable, DML, REBUILD_DDL, TABLE_DDL } from './random-ddl-kinds.ts';
import { KEY_DDL, PARTITION_DDL, PUBLICATION_DDL, TYPE_DDL } from './random-ddl-more.ts';
import { type DdlStep, type Make, pickFrom, readWorld } from './random-ddl-tables.ts';

/** Sessions that work side by side. */
export const SESSIONS = 3;

const DDL: Readonly<Record<string, Make>> = {
  ...COLUMN_DDL,
  ...REBUILD_DDL,
  ...TABLE_DDL,
  ...PARTITION_DDL,
  ...KEY_DDL,
  ...TYPE_DDL,
  ...PUBLICATION_DDL,
};

/** Every kind of DDL. */
export const ALL_DDL: readonly string[] = Object.keys(DDL);

/** Transactions. */
export const CONTROL: Readonly<Record<string, string>> = {
  begin: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  savepoint: 'SAVEPOINT s',
  rollbackTo: 'ROLLBACK TO s',
};

/** The tables to begin with, and some rows: plain, without a key, with a foreign key, partitioned by range and by list. */
export const FIRST_TABLES = `
  CREATE SCHEMA far; CREATE TYPE public.mood AS ENUM ('calm', 'glad', 'sad', 'o''dd');
  CREATE DOMAIN public.price AS numeric(12,3) CHECK (VALUE >= 0); CREATE TYPE public.pair AS (x integer, y text);
  ${['public.t1', 'public.t2', 'far.t1']
    .map(
      (name) => `CREATE TABLE ${name} (id integer PRIMARY KEY, a integer, b text, c numeric(12,3) NOT NULL DEFAULT 1.5);
        INSERT INTO ${name} SELECT i, i * 3, 'b/' || i FROM generate_series(1, 120) i`,
    )
    .join(';\n')};
  CREATE TABLE n1 (a integer, b text, c public.mood); ALTER TABLE n1 REPLICA IDENTITY FULL;
  INSERT INTO n1 SELECT i % 30, 'b/' || i % 30, (enum_range(NULL::public.mood))[1 + i % 4] FROM generate_series(1, 120) i;
  CREATE TABLE c1 (id integer PRIMARY KEY, a integer REFERENCES public.t1 ON DELETE CASCADE ON UPDATE CASCADE, b text);
  INSERT INTO c1 SELECT i, i % 50 + 1, 'b/' || i FROM generate_series(1, 80) i;
  CREATE TABLE p1 (id integer, k integer NOT NULL, a integer, b text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
  CREATE TABLE q0 PARTITION OF p1 FOR VALUES FROM (0) TO (100); CREATE TABLE q1 PARTITION OF p1 FOR VALUES FROM (100) TO (200);
  CREATE TABLE q2 PARTITION OF p1 DEFAULT; INSERT INTO p1 SELECT i, i * 3, i, 'b/' || i FROM generate_series(1, 120) i;
  CREATE TABLE p2 (id integer, k integer NOT NULL, a integer, c public.mood, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
  CREATE TABLE q3 PARTITION OF p2 FOR VALUES IN (0); CREATE TABLE q4 PARTITION OF p2 FOR VALUES IN (1); CREATE TABLE q5 PARTITION OF p2 FOR VALUES IN (4, 5);
  INSERT INTO p2 SELECT i, (ARRAY[0, 1, 4, 5])[1 + i % 4], i, 'glad' FROM generate_series(1, 120) i`;

/**
 * SQLSTATEs of a step that its session could not do: locks and deadlocks; names that are taken or gone, also by what
 * another session committed meanwhile; values that do not fit a key (54000: its page), a constraint or another type; no
 * transaction; a label of an enum that the same transaction has added (55P04).
 */
const REFUSED =
  /^(?:55P03|55P04|40P01|40001|25P01|25P02|3B001|23\d{3}|22\d{3}|42701|54000|42703|42P0\d|42P1\d|42804|42704|42710|2BP01|55006|XX000)$/;

const CHANGES_OF_ROWS = 'update updateAll rekey remove removeOne move notNull refer';

/** What only some kinds may be refused for. */
const REFUSED_OF_KIND: readonly (readonly [kinds: string, states: RegExp])[] = [
  // Published, and of its rows nothing would be told: PostgreSQL refuses the change.
  [CHANGES_OF_ROWS, /^55000$/],
  // VACUUM and DETACH … CONCURRENTLY are for themselves.
  ['rewritePartition detachSoon', /^25001$/],
  // A partition that is being detached, or the default one, is in the way.
  ['makePartition attach detach detachSoon', /^55000$/],
  // Another table refers to it.
  ['truncate', /^0A000$/],
  // A key of a partitioned table has the columns that divide it; a foreign key of one refers to no partition of it.
  ['changeKey gainKey refer attach', /^0A000$/],
  // The index of a key that other tables refer to, of another type by now.
  ['widenKey widen retype refer', /^42830$/],
  // What another session has made of a composite type's column meanwhile.
  ['alterPair retype widen', /^0A000$/],
  // A partition cannot be published by itself while its table has a list of columns, and such.
  ['publishPartition publish publishFew publishAnew', /^(?:0A000|22023)$/],
];

function isRefusal(kind: string, state: string): boolean {
  return (
    REFUSED.test(state) ||
    REFUSED_OF_KIND.some(([kinds, states]) => kinds.split(' ').includes(kind) && states.test(state))
  );
}

/** Sessions that run steps. */
export class DdlSessions implements AsyncDisposable {
  readonly #clients: pg.Client[];
  /** How often each kind was done, rolled back or not. */
  readonly done = new Map<string, number>();
  /** What was run, for the message of a failure. */
  readonly log: string[] = [];

  private constructor(clients: pg.Client[]) {
    this.#clients = clients;
  }

  static async open(url: string): Promise<DdlSessions> {
    const clients: pg.Client[] = [];
    for (let i = 0; i < SESSIONS; i++) {
      const client = await connectPostgres(url, { applicationName: 'test' });
      await client.query("SET lock_timeout = '30ms'");
      clients.push(client);
    }
    return new DdlSessions(clients);
  }

  async run(step: DdlStep): Promise<void> {
    const client = this.#clients[step.session] as pg.Client;
    try {
      const sql = CONTROL[step.kind] ?? (await this.#statement(client, step));
      if (sql === '') return;
      await client.query(sql);
      this.done.set(step.kind, (this.done.get(step.kind) ?? 0) + 1);
      this.log.push(`${step.session}: ${sql.length > 300 ? `${sql.slice(0, 300)}…` : sql}`);
    } catch (error) {
      const state = String((error as { code?: unknown }).code);
      if (!isRefusal(step.kind, state)) throw new Error(`${step.kind}: ${state}`, { cause: error });
      if (state === '25P01') return;
      await client.query('ROLLBACK');
      this.log.push(`${step.session}: ROLLBACK (${step.kind}: ${state})`);
    }
  }

  /** Ends what is open. */
  async settle(): Promise<void> {
    for (const [i, client] of this.#clients.entries()) {
      await client.query('COMMIT');
      this.log.push(`${i}: COMMIT`);
    }
  }

  async #statement(client: pg.Client, step: DdlStep): Promise<string> {
    const make = DML[step.kind] ?? DDL[step.kind];
    if (make === undefined) throw new Error(`there is no kind ${step.kind}`);
    const world = await readWorld(client);
    const table = pickFrom(world.tables, step.a);
    if (table === undefined) return step.kind === 'createTable' ? createTable({ schema: 'public', name: 't1' }, 0) : '';
    return make(table, step, world);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}
