/**
 * Random changes of tables and of their rows together: several sessions, transactions that mix both, and that are
 * rolled back. What a step does follows from its numbers and from the catalogue as its session sees it, so that a
 * sequence of steps is repeatable. Values carry the name of the column they were written to.
 */
import type pg from 'pg';
import { pgIdent } from '../../src/model/quote.ts';
import { connectPostgres } from '../../src/source/connection.ts';

/** Sessions that work side by side. */
export const SESSIONS = 3;

/** One step of one session; the numbers, 0 to 9,999, choose table, column, type, value. */
export interface DdlStep {
  readonly session: number;
  readonly kind: string;
  readonly a: number;
  readonly b: number;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly isKey: boolean;
}

interface Table {
  readonly name: string;
  readonly keyName: string | null;
  readonly columns: readonly Column[];
}

type Make = (table: Table, step: DdlStep) => string;

const COLUMN_NAMES = ['a', 'b', 'c', 'd', 'e', 'A', 'order'];
const TABLE_NAMES = ['t1', 't2', 't3', 'T 4'];
const TYPES = [
  'integer',
  'bigint',
  'text',
  'varchar(20)',
  'numeric(12,3)',
  'timestamp without time zone',
  'boolean',
  'double precision',
  'uuid',
  'jsonb',
  'integer[]',
  'numeric',
];

/** A value that tells which column it was written to. */
function literal(column: string, type: string, n: number): string {
  if (type === 'text') {
    // Every few, one too large for its row: updates of other columns leave it out of the WAL.
    if (n % 9 === 0) return `(SELECT string_agg(md5('${column}${n}' || i), '') FROM generate_series(1, 160) i)`;
    return `'${column}/${n}'`;
  }
  if (type.startsWith('character varying')) return `'${column}-${n}'`;
  if (type.startsWith('numeric')) return `${n}.${n % 8}5`;
  if (type.startsWith('timestamp')) return `timestamp '2026-01-01' + ${n} * interval '1 min'`;
  if (type === 'boolean') return n % 2 === 0 ? 'true' : 'false';
  if (type === 'double precision') return `${n} / 7e0`;
  if (type === 'uuid') return `md5('${column}${n}')::uuid`;
  if (type === 'jsonb') return `jsonb_build_object('${column}', ${n})`;
  if (type === 'integer[]') return `ARRAY[${n}, NULL]`;
  return String(n + (column.codePointAt(0) ?? 0) * 10_000);
}

function pickFrom<Item>(items: readonly Item[], n: number): Item | undefined {
  return items[n % Math.max(items.length, 1)];
}

const others = (table: Table): Column[] => table.columns.filter(({ isKey }) => !isKey);
const at = (table: Table): string => `public.${pgIdent(table.name)}`;
const alter = (table: Table, action: string): string => `ALTER TABLE ${at(table)} ${action}`;
const some = (table: Table, n: number): string =>
  `hashtext(${table.columns
    .filter(({ isKey }) => isKey)
    .map(({ name }) => `${pgIdent(name)}::text`)
    .join(' || ')}) & 3 = ${n % 4}`;

/** A statement on one of the columns that are no key; nothing where there is none. */
function onColumn(make: (table: Table, column: Column, step: DdlStep) => string): Make {
  return (table, step) => {
    const column = pickFrom(others(table), step.b);
    return column === undefined ? '' : make(table, column, step);
  };
}

function addColumn(table: Table, name: string, { a, b }: DdlStep): string {
  const type = pickFrom(TYPES, b) as string;
  const value = literal(name, type.replace('varchar', 'character varying'), b);
  const tail = ['', ` DEFAULT ${value}`, ` NOT NULL DEFAULT ${value}`][a % 3] as string;
  return alter(table, `ADD COLUMN ${pgIdent(name)} ${type}${value.startsWith('(SELECT') ? '' : tail}`);
}

/** Changes of rows. */
export const DML: Readonly<Record<string, Make>> = {
  insert: (table, { a, b }) => {
    const names = table.columns.map(({ name }) => pgIdent(name)).join(', ');
    const rows = Array.from({ length: 1 + (a % 6) }, (_, i) => {
      const values = table.columns.map(({ name, type, notNull, isKey }, j) => {
        if (!notNull && !isKey && (a + i + j) % 6 === 0) return 'NULL';
        return isKey && /^(?:integer|bigint)$/.test(type) ? String((b + i * 37) % 400) : literal(name, type, b + i);
      });
      return `(${values.join(', ')})`;
    });
    return `INSERT INTO ${at(table)} (${names}) VALUES ${rows.join(', ')} ON CONFLICT DO NOTHING`;
  },
  update: onColumn(
    (table, { name, type }, { a, b }) =>
      `UPDATE ${at(table)} SET ${pgIdent(name)} = ${literal(name, type, a)} WHERE ${some(table, b)}`,
  ),
  updateAll: (table, { a }) => {
    const sets = others(table).map(({ name, type }) => `${pgIdent(name)} = ${literal(name, type, a)}`);
    return sets.length === 0 ? '' : `UPDATE ${at(table)} SET ${sets.join(', ')} WHERE ${some(table, a)}`;
  },
  rekey: (table, { a }) => {
    const key = table.columns.find(({ isKey, type }) => isKey && /^(?:integer|bigint)$/.test(type));
    if (key === undefined) return '';
    const name = pgIdent(key.name);
    return `UPDATE ${at(table)} SET ${name} = ${name} + 1000 WHERE ${some(table, a)} AND ${name} < 1000000`;
  },
  remove: (table, { a }) => `DELETE FROM ${at(table)} WHERE ${some(table, a)}`,
  truncate: (table) => `TRUNCATE ${at(table)}`,
};

/** Changes of a table's columns and key. */
const COLUMN_DDL: Readonly<Record<string, Make>> = {
  add: (table, step) => addColumn(table, pickFrom(COLUMN_NAMES, step.a) as string, step),
  drop: onColumn((table, { name }) => alter(table, `DROP COLUMN ${pgIdent(name)}`)),
  rename: onColumn((table, { name }, { a }) =>
    alter(table, `RENAME COLUMN ${pgIdent(name)} TO ${pgIdent(pickFrom(COLUMN_NAMES, a) as string)}`),
  ),
  swapNames: (table, { b }) => {
    const [first, second] = [pickFrom(others(table), b), pickFrom(others(table), b + 1)];
    if (first === undefined || second === undefined || first === second) return '';
    const [x, y] = [pgIdent(first.name), pgIdent(second.name)];
    const steps = [`${x} TO between`, `${y} TO ${x}`, `between TO ${y}`];
    return steps.map((step) => alter(table, `RENAME COLUMN ${step}`)).join('; ');
  },
  replace: onColumn((table, { name }, step) =>
    [alter(table, `DROP COLUMN ${pgIdent(name)}`), addColumn(table, name, step)].join('; '),
  ),
  renameAndAdd: onColumn((table, { name }, step) =>
    [
      alter(table, `RENAME COLUMN ${pgIdent(name)} TO ${pgIdent(`${name.slice(0, 40)}${step.a % 10}`)}`),
      addColumn(table, name, step),
    ].join('; '),
  ),
  notNull: onColumn((table, { name, type, notNull }, { a }) => {
    const column = pgIdent(name);
    if (notNull) return alter(table, `ALTER COLUMN ${column} DROP NOT NULL`);
    const fill = `UPDATE ${at(table)} SET ${column} = ${literal(name, type, a)} WHERE ${column} IS NULL`;
    return `${fill}; ${alter(table, `ALTER COLUMN ${column} SET NOT NULL`)}`;
  }),
  widen: onColumn((table, { name, type }) => {
    const wider: Record<string, string> = {
      integer: 'bigint',
      'character varying(20)': 'varchar(40)',
      'numeric(12,3)': 'numeric(20,3)',
    };
    return type in wider ? alter(table, `ALTER COLUMN ${pgIdent(name)} TYPE ${wider[type]}`) : '';
  }),
};

/** Changes that write the table anew, or who its rows are. */
const REBUILD_DDL: Readonly<Record<string, Make>> = {
  retype: onColumn((table, { name, type }) => {
    const column = pgIdent(name);
    return type === 'text'
      ? alter(table, `ALTER COLUMN ${column} DROP DEFAULT, ALTER COLUMN ${column} TYPE integer USING length(${column})`)
      : alter(table, `ALTER COLUMN ${column} DROP DEFAULT, ALTER COLUMN ${column} TYPE text USING ${column}::text`);
  }),
  addVolatile: (table, { a }) =>
    alter(table, `ADD COLUMN ${pgIdent(pickFrom(COLUMN_NAMES, a) as string)} uuid DEFAULT gen_random_uuid()`),
  changeKey: (table, { b }) => {
    const column = pickFrom(
      others(table).filter(({ notNull }) => notNull),
      b,
    );
    const old = table.columns.filter(({ isKey }) => isKey).map(({ name }) => pgIdent(name));
    const key = old.length > 1 || column === undefined ? old.slice(0, 1) : [...old, pgIdent(column.name)];
    if (table.keyName === null || key.length === old.length) return '';
    return alter(table, `DROP CONSTRAINT ${pgIdent(table.keyName)}, ADD PRIMARY KEY (${key.join(', ')})`);
  },
  widenKey: (table) => {
    const key = table.columns.find(({ isKey, type }) => isKey && type === 'integer');
    return key === undefined ? '' : alter(table, `ALTER COLUMN ${pgIdent(key.name)} TYPE bigint`);
  },
  identity: (table, { a }) => alter(table, `REPLICA IDENTITY ${a % 2 === 0 ? 'FULL' : 'DEFAULT'}`),
};

const CREATE = '(id integer PRIMARY KEY, a integer, b text)';

/** Changes of which tables there are. */
const TABLE_DDL: Readonly<Record<string, Make>> = {
  renameTable: (table, { a }) => alter(table, `RENAME TO ${pgIdent(pickFrom(TABLE_NAMES, a) as string)}`),
  createTable: (_, { a }) => `CREATE TABLE public.${pgIdent(pickFrom(TABLE_NAMES, a) as string)} ${CREATE}`,
  dropTable: (table) => `DROP TABLE ${at(table)}`,
  recreate: (table) => `DROP TABLE ${at(table)}; CREATE TABLE ${at(table)} ${CREATE}`,
};

/** Every kind of DDL. */
export const ALL_DDL: readonly string[] = [COLUMN_DDL, REBUILD_DDL, TABLE_DDL].flatMap((kinds) => Object.keys(kinds));

/** Transactions. */
export const CONTROL: Readonly<Record<string, string>> = {
  begin: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  savepoint: 'SAVEPOINT s',
  rollbackTo: 'ROLLBACK TO s',
};

/** The tables to begin with, and some rows. */
export const FIRST_TABLES = TABLE_NAMES.slice(0, 3)
  .map(
    (name) => `CREATE TABLE ${name} (id integer PRIMARY KEY, a integer, b text, c numeric(12,3) NOT NULL DEFAULT 1.5);
    INSERT INTO ${name} SELECT i, i * 3, 'b/' || i FROM generate_series(1, 120) i`,
  )
  .join(';\n');

const TABLES = `
  SELECT c.relname AS name, p.conname AS key_name, (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
    'notNull', a.attnotnull, 'isKey', coalesce(a.attnum = ANY (p.conkey), false)) ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
  FROM pg_class c LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname`;

/**
 * SQLSTATEs of a step that its session could not do: locks and deadlocks; names that are taken or gone, also by what
 * another session committed meanwhile; values that do not fit a key (54000: its page), a constraint or another type; no transaction.
 */
const REFUSED =
  /^(?:55P03|40P01|40001|25P01|25P02|3B001|23\d{3}|22\d{3}|42701|54000|42703|42P0\d|42P1\d|42804|42704|2BP01|55006|XX000)$/;

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
      if (!REFUSED.test(state)) throw error;
      if (state === '25P01') return;
      await client.query('ROLLBACK');
      this.log.push(`${step.session}: ROLLBACK (after ${state})`);
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
    const make = DML[step.kind] ?? COLUMN_DDL[step.kind] ?? REBUILD_DDL[step.kind] ?? TABLE_DDL[step.kind];
    if (make === undefined) throw new Error(`there is no kind ${step.kind}`);
    const { rows } = await client.query<Record<string, string | null>>(TABLES);
    const tables = rows.map((row): Table => {
      const columns = JSON.parse(row['columns'] ?? '[]') as Column[];
      return { name: String(row['name']), keyName: row['key_name'] ?? null, columns };
    });
    const table = pickFrom(tables, step.a);
    if (table === undefined) return step.kind === 'createTable' ? `CREATE TABLE public.t1 ${CREATE}` : '';
    return make(table, step);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}
