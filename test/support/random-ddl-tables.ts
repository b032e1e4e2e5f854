/**
 * What the random changes of tables (random-ddl.ts) know of the source: its tables as a session sees them, and values for
 * their columns. Values carry the name of the column they were written to.
 */
import type pg from 'pg';
import { pgIdent } from '../../src/model/quote.ts';

/** The schemas of the random tables; their tables have equal names. */
export const SCHEMAS = ['public', 'far'] as const;

/** Names of tables, but for partitions and for tables that may become some. */
export const TABLE_NAMES = ['t1', 't2', 't3', 'T 4', 'n1', 'p1', 'p2', 'c1'];

/** Names of columns that are no key. */
export const COLUMN_NAMES = ['a', 'b', 'c', 'd', 'e', 'A', 'order'];

/** Types of columns that are added; mood is an enum, price a domain, pair a composite type. */
export const TYPES = [
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
  'public.mood',
  'public.mood[]',
  'public.price',
  'public.pair',
];

/** One step of one session; the numbers, 0 to 9,999, choose table, column, type, value. */
export interface DdlStep {
  readonly session: number;
  readonly kind: string;
  readonly a: number;
  readonly b: number;
}

/** A column as the catalogue tells it. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly isKey: boolean;
  /** It says in which partition a row lies. */
  readonly divides: boolean;
  /** A query for the values that it may have, by a foreign key; null: any. */
  readonly refers: string | null;
}

/** A table by name. */
export interface Named {
  readonly schema: string;
  readonly name: string;
}

/** A partition directly below its table. */
export interface Partition extends Named {
  /** `p`: it has partitions itself. */
  readonly kind: 'r' | 'p';
  /** As the catalogue writes it. */
  readonly bound: string;
  /** A DETACH … CONCURRENTLY was begun and not ended. */
  readonly isPending: boolean;
}

/** A table that is no partition. */
export interface Table extends Named {
  readonly kind: 'r' | 'p';
  /** Partitioned by range or by list. */
  readonly strategy: 'r' | 'l' | null;
  readonly keyName: string | null;
  readonly columns: readonly Column[];
  readonly partitions: readonly Partition[];
}

/** All that a step may choose from. */
export interface World {
  readonly tables: readonly Table[];
  /** Of the enum. */
  readonly labels: readonly string[];
  /** Of the composite type. */
  readonly attributes: readonly string[];
  /** Tables in the publication. */
  readonly published: readonly Named[];
  /** Names in schema public that are taken. */
  readonly taken: readonly string[];
}

/** Makes the SQL of a step on the table that it has chosen; empty: there is nothing to do. */
export type Make = (table: Table, step: DdlStep, world: World) => string;

const TABLES = `
  SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, p.conname AS "keyName", t.partstrat AS strategy,
    (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
        'isKey', coalesce(a.attnum = ANY (p.conkey), false), 'divides', coalesce(a.attnum = ANY (t.partattrs::int2[]), false),
        'refers', (SELECT format('SELECT %I FROM %s', b.attname, f.confrelid::regclass) FROM pg_constraint f
          JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
          WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum] ORDER BY f.oid LIMIT 1)) ORDER BY a.attnum), '[]')
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT coalesce(json_agg(json_build_object('schema', m.nspname, 'name', q.relname, 'kind', q.relkind, 'bound', pg_get_expr(q.relpartbound, q.oid), 'isPending', i.inhdetachpending)
        ORDER BY q.relname), '[]')
     FROM pg_inherits i JOIN pg_class q ON q.oid = i.inhrelid JOIN pg_namespace m ON m.oid = q.relnamespace WHERE i.inhparent = c.oid) AS partitions
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
    LEFT JOIN pg_partitioned_table t ON t.partrelid = c.oid
  WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition`;

const WORLD = `
  SELECT (SELECT coalesce(json_agg(t ORDER BY t.schema, t.name), '[]') FROM (${TABLES}) t) AS tables,
    (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = 'public.mood'::regtype) AS labels,
    (SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'public.pair'::regclass AND attnum > 0 AND NOT attisdropped) AS attributes,
    (SELECT coalesce(json_agg(json_build_object('schema', schemaname, 'name', tablename) ORDER BY schemaname, tablename), '[]') FROM pg_publication_tables WHERE pubname = 'millrace') AS published,
    (SELECT json_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS taken`;

/** Reads the source as the session sees it: with what it has not committed, and what others have. */
export async function readWorld(client: pg.Client): Promise<World> {
  const { rows } = await client.query<Record<keyof World, string>>(WORLD, [SCHEMAS]);
  const [row] = rows;
  const parse = (text: string | undefined): unknown => JSON.parse(text ?? '[]');
  return {
    tables: parse(row?.tables) as Table[],
    labels: parse(row?.labels) as string[],
    attributes: parse(row?.attributes) as string[],
    published: parse(row?.published) as Named[],
    taken: parse(row?.taken) as string[],
  };
}

/** One of them; undefined when there is none. */
export function pickFrom<Item>(items: readonly Item[], n: number): Item | undefined {
  return items[n % Math.max(items.length, 1)];
}

/** Columns that are neither key nor say in which partition a row lies. */
export const others = (table: Table): Column[] => table.columns.filter(({ isKey, divides }) => !isKey && !divides);

/** The table in SQL. */
export const at = ({ schema, name }: Named): string => `${pgIdent(schema)}.${pgIdent(name)}`;

/** An ALTER TABLE. */
export const alter = (table: Named, action: string): string => `ALTER TABLE ${at(table)} ${action}`;

/** A condition that about a quarter of the rows meet: by their key, or all they have. */
export function some(table: Table, n: number): string {
  const key = table.columns.filter(({ isKey }) => isKey).map(({ name }) => `${pgIdent(name)}::text`);
  return `hashtext(${key.length === 0 ? `${pgIdent(table.name)}::text` : key.join(' || ')}) & 3 = ${n % 4}`;
}

/** Whether a column holds whole numbers. */
export const isWhole = ({ type }: Pick<Column, 'type'>): boolean => /^(?:integer|bigint)$/.test(type);

/** A statement on one of the columns that are no key; nothing where there is none. */
export function onColumn(make: (table: Table, column: Column, step: DdlStep, world: World) => string): Make {
  return (table, step, world) => {
    const column = pickFrom(others(table), step.b);
    return column === undefined ? '' : make(table, column, step, world);
  };
}

/** A text as a literal. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A value of a type, as SQL, that tells the column's name where the type lets it. */
export function valueOf({ name, type }: Pick<Column, 'name' | 'type'>, n: number, world: World): string {
  if (type === 'text') {
    // Every few, one too large for its row: updates of other columns leave it out of the WAL.
    if (n % 9 === 0) return `(SELECT string_agg(md5('${name}${n}' || i), '') FROM generate_series(1, 160) i)`;
    return `'${name}/${n}'`;
  }
  const label = quoted(pickFrom(world.labels, n) ?? '');
  if (/^(?:public\.)?mood$/.test(type)) return `${label}::public.mood`;
  if (/^(?:public\.)?mood\[\]$/.test(type)) return `ARRAY[${label}, NULL]::public.mood[]`;
  if (/^(?:public\.)?pair$/.test(type)) {
    const json = JSON.stringify(Object.fromEntries(world.attributes.map((attribute) => [attribute, n % 1_000])));
    return `json_populate_record(NULL::public.pair, '${json}')`;
  }
  if (type.startsWith('character varying')) return `'${name}-${n}'`;
  if (type.startsWith('numeric') || /^(?:public\.)?price$/.test(type)) return `${n}.${n % 8}5`;
  if (type.startsWith('timestamp')) return `timestamp '2026-01-01' + ${n} * interval '1 min'`;
  if (type === 'boolean') return n % 2 === 0 ? 'true' : 'false';
  if (type === 'double precision') return `${n} / 7e0`;
  if (type === 'uuid') return `md5('${name}${n}')::uuid`;
  if (type === 'jsonb') return `jsonb_build_object('${name}', ${n})`;
  if (type === 'integer[]') return `ARRAY[${n}, NULL]`;
  return String(n + (name.codePointAt(0) ?? 0) * 10_000);
}

/** A value that a column may be given: one that its foreign key knows, one for which there may be a partition. */
export function fitting(table: Table, column: Column, n: number, world: World): string {
  if (column.refers !== null) return `(${column.refers} ORDER BY 1 LIMIT 1 OFFSET ${n % 40})`;
  if (column.divides) return String(table.strategy === 'l' ? n % 6 : (n * 7) % 420);
  return valueOf(column, n, world);
}
