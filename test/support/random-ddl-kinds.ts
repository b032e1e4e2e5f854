/** Random changes of rows, of columns and keys, and of which tables there are: kinds of steps of random-ddl.ts. */
import { pgIdent } from '../../src/model/quote.ts';
import {
  alter,
  at,
  COLUMN_NAMES,
  type Column,
  type DdlStep,
  fitting,
  isWhole,
  type Make,
  onColumn,
  others,
  pickFrom,
  some,
  type Table,
  TABLE_NAMES,
  TYPES,
  valueOf,
  type World,
} from './random-ddl-tables.ts';

function addColumn(table: Table, name: string, step: DdlStep, world: World): string {
  const { a, b } = step;
  const type = pickFrom(TYPES, b) as string;
  const value = valueOf({ name, type: type.replace('varchar', 'character varying') }, b, world);
  const tail = ['', ` DEFAULT ${value}`, ` NOT NULL DEFAULT ${value}`][a % 3] as string;
  return alter(table, `ADD COLUMN ${pgIdent(name)} ${type}${value.startsWith('(SELECT') ? '' : tail}`);
}

function rowsToInsert(table: Table, { a, b }: DdlStep, world: World): string {
  const rows = Array.from({ length: 1 + (a % 6) }, (_, i) => {
    const values = table.columns.map((column, j) => {
      if (!column.notNull && !column.isKey && (a + i + j) % 6 === 0) return 'NULL';
      const isPlainKey = column.isKey && isWhole(column) && !column.divides && column.refers === null;
      return isPlainKey ? String((b + i * 37) % 400) : fitting(table, column, b + i, world);
    });
    return `(${values.join(', ')})`;
  });
  const names = table.columns.map(({ name }) => pgIdent(name)).join(', ');
  return `(${names}) VALUES ${rows.join(', ')} ON CONFLICT DO NOTHING`;
}

const set = (table: Table, column: Column, n: number, world: World): string =>
  `${pgIdent(column.name)} = ${fitting(table, column, n, world)}`;

/** Changes of rows. */
export const DML: Readonly<Record<string, Make>> = {
  insert: (table, step, world) => `INSERT INTO ${at(table)} ${rowsToInsert(table, step, world)}`,
  update: onColumn(
    (table, column, { a, b }, world) =>
      `UPDATE ${at(table)} SET ${set(table, column, a, world)} WHERE ${some(table, b)}`,
  ),
  updateAll: (table, { a }, world) => {
    const sets = others(table).map((column) => set(table, column, a, world));
    return sets.length === 0 ? '' : `UPDATE ${at(table)} SET ${sets.join(', ')} WHERE ${some(table, a)}`;
  },
  rekey: (table, { a }) => {
    const key = table.columns.find((column) => column.isKey && !column.divides && isWhole(column));
    if (key === undefined) return '';
    const name = pgIdent(key.name);
    return `UPDATE ${at(table)} SET ${name} = ${name} + 1000 WHERE ${some(table, a)} AND ${name} < 1000000`;
  },
  remove: (table, { a }) => `DELETE FROM ${at(table)} WHERE ${some(table, a)}`,
  truncate: (table) => `TRUNCATE ${at(table)}`,
  truncateCascade: (table) => `TRUNCATE ${at(table)} CASCADE`,
  /** Into a partition, whatever its bounds are: those that do not fit are refused. */
  insertBeside: (table, step, world) => {
    const leaf = pickFrom(
      table.partitions.filter(({ kind }) => kind === 'r'),
      step.b,
    );
    return leaf === undefined ? '' : `INSERT INTO ${at(leaf)} ${rowsToInsert(table, { ...step, a: 0 }, world)}`;
  },
  /** Rows of which there are several, and one of them goes. */
  repeat: (table, { a }) =>
    table.keyName === null && table.columns.length > 0
      ? `INSERT INTO ${at(table)} SELECT * FROM ${at(table)} WHERE ${some(table, a)} LIMIT 20`
      : '',
  removeOne: (table, { a }) =>
    `DELETE FROM ${at(table)} WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM ${at(table)} WHERE ${some(table, a)} LIMIT 1)`,
  move: (table, { a, b }, world) => {
    const column = table.columns.find(({ divides }) => divides);
    if (column === undefined) return '';
    return `UPDATE ${at(table)} SET ${set(table, column, b, world)} WHERE ${some(table, a)} AND hashtext(${pgIdent(table.name)}::text) & 7 = ${b % 8}`;
  },
};

/** Changes of a table's columns and key. */
export const COLUMN_DDL: Readonly<Record<string, Make>> = {
  add: (table, step, world) => addColumn(table, pickFrom(COLUMN_NAMES, step.a) as string, step, world),
  // One without columns cannot be copied.
  drop: onColumn((table, { name }) =>
    table.columns.length < 2 ? '' : alter(table, `DROP COLUMN ${pgIdent(name)}${name === 'b' ? ' CASCADE' : ''}`),
  ),
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
  replace: onColumn((table, { name }, step, world) =>
    [alter(table, `DROP COLUMN ${pgIdent(name)}`), addColumn(table, name, step, world)].join('; '),
  ),
  renameAndAdd: onColumn((table, { name }, step, world) =>
    [
      alter(table, `RENAME COLUMN ${pgIdent(name)} TO ${pgIdent(`${name.slice(0, 40)}${step.a % 10}`)}`),
      addColumn(table, name, step, world),
    ].join('; '),
  ),
  notNull: onColumn((table, column, { a }, world) => {
    const name = pgIdent(column.name);
    if (column.notNull) return alter(table, `ALTER COLUMN ${name} DROP NOT NULL`);
    const fill = `UPDATE ${at(table)} SET ${set(table, column, a, world)} WHERE ${name} IS NULL`;
    return `${fill}; ${alter(table, `ALTER COLUMN ${name} SET NOT NULL`)}`;
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
export const REBUILD_DDL: Readonly<Record<string, Make>> = {
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
    const kept = table.kind === 'p' ? 2 : 1;
    const key = old.length > kept || column === undefined ? old.slice(0, kept) : [...old, pgIdent(column.name)];
    if (table.keyName === null || key.length === old.length) return '';
    return alter(table, `DROP CONSTRAINT ${pgIdent(table.keyName)}, ADD PRIMARY KEY (${key.join(', ')})`);
  },
  widenKey: (table) => {
    const key = table.columns.find(({ isKey, divides, type }) => isKey && !divides && type === 'integer');
    return key === undefined ? '' : alter(table, `ALTER COLUMN ${pgIdent(key.name)} TYPE bigint`);
  },
  identity: (table, { a }) =>
    alter(table, `REPLICA IDENTITY ${['FULL', 'DEFAULT', 'FULL', 'DEFAULT', 'NOTHING'][a % 5] as string}`),
};

const CREATE = [
  '(id integer PRIMARY KEY, a integer, b text)',
  '(id integer PRIMARY KEY, a integer, b text)',
  '(a integer, b text, c public.mood)',
  '(id integer, k integer NOT NULL, a integer, b text, PRIMARY KEY (k, id)) PARTITION BY RANGE (k)',
];

/** A statement that makes a table of one kind or another. */
export function createTable(table: { schema: string; name: string }, n: number): string {
  return `CREATE TABLE ${at(table)} ${pickFrom(CREATE, n) as string}`;
}

/** Changes of which tables there are. */
export const TABLE_DDL: Readonly<Record<string, Make>> = {
  renameTable: (table, { a }) => alter(table, `RENAME TO ${pgIdent(pickFrom(TABLE_NAMES, a) as string)}`),
  setSchema: (table) => alter(table, `SET SCHEMA ${table.schema === 'public' ? 'far' : 'public'}`),
  createTable: (_, { a, b }) =>
    createTable({ schema: b % 5 === 0 ? 'far' : 'public', name: pickFrom(TABLE_NAMES, a) as string }, b),
  dropTable: (table, { b }) => `DROP TABLE ${at(table)}${b % 2 === 0 ? ' CASCADE' : ''}`,
  recreate: (table, { b }) => `DROP TABLE ${at(table)}; ${createTable(table, b)}`,
};
