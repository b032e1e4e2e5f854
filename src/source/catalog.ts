/** Which tables there are to copy, and their shapes, as PostgreSQL's catalogue tells them. */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { globToRegExp, isPlainName, TABLE_PATTERN } from '../model/patterns.ts';
import { NO_RULE, type TableRule } from '../model/table-rule.ts';
import { type Generation, type Leaf, tableLabel, type SourceColumn, type SourceTable } from '../model/table.ts';
import { applyRule } from './apply-rule.ts';
import { resolveTypes } from './catalog-types.ts';
import { pgRows, type TextRow } from './connection.ts';
import {
  divideGenerated,
  type PublishedGenerated,
  readPublishedGenerated,
  unpublishedFault,
} from './generated-columns.ts';
import { indexColumns, leafFault, type LeafFacts, readLeaves, readRowIdentity } from './leaves.ts';
import { identifyingColumns } from './row-identity.ts';
import { columnFault, findFault, kindFault, TakenNames } from './table-fault.ts';

/** Which tables to copy: globs of `schema.table`, where `*` is any text and `?` any character. */
export interface TablePatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** What the configuration says of a table; left out: nothing of any. */
  readonly ruleFor?: (table: { readonly schema: string; readonly name: string }) => TableRule;
  /** Tables that rules name without wildcards: they must exist. */
  readonly named?: readonly string[];
  /** `schema.table` of others, whatever the patterns say: those that are there. */
  readonly also?: ReadonlySet<string>;
  /** What they are published by, which says of generated columns whether they are in the stream; left out: one of ours. */
  readonly publication?: string;
}

/** Everything in schema `public`, but for the migration history. */
export const DEFAULT_PATTERNS: TablePatterns = { include: ['public.*'], exclude: ['*.flyway_schema_history'] };

/** A table that matches the patterns and cannot be copied. */
export interface UnsuitableTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly reason: string;
  /** SQL that makes it suitable, or null where there is none. */
  readonly remedy: string | null;
}

/** What the patterns match. */
export interface Catalog {
  /** Sorted by schema and name. */
  readonly tables: readonly SourceTable[];
  readonly unsuitable: readonly UnsuitableTable[];
}

/**
 * Since PostgreSQL 18 `attnotnull` is also true for NOT NULL constraints that are NOT VALID, under which old rows may
 * still hold NULL. What a generated column is made from is told by what its expression depends on.
 */
const QUERY = `
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence,
         c.relreplident AS replica_identity, current_user AS role,
         row_security_active(c.oid) OR EXISTS (
           SELECT FROM pg_partition_tree(c.oid) p WHERE c.relkind = 'p' AND row_security_active(p.relid)) AS hidden,
         (SELECT json_object_agg(a.attnum, json_build_object(
                   'isStored', a.attgenerated = 's', 'expression', pg_get_expr(d.adbin, d.adrelid), 'madeFrom',
                   (SELECT coalesce(json_agg(u.attname ORDER BY u.attnum), '[]') FROM pg_attribute u
                    WHERE u.attrelid = c.oid AND u.attnum > 0 AND u.attnum <> a.attnum AND EXISTS (
                      SELECT FROM pg_depend p WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid AND p.refobjsubid = u.attnum
                        AND ((p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid)
                          OR (p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.objsubid = a.attnum))))))
          FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '') AS generations,
         (SELECT coalesce(json_agg(json_build_object(
                   'name', a.attname, 'attnum', a.attnum, 'typeOid', a.atttypid::int8, 'typeMod', a.atttypmod,
                   'typeName', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull OR EXISTS (
                     SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'n' AND NOT f.convalidated AND a.attnum = ANY (f.conkey))) ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
         ${indexColumns('indisprimary')} AS primary_columns, ${indexColumns('indisreplident')} AS identity_columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  ORDER BY n.nspname, c.relname`;

/**
 * Reads the tables that the patterns match.
 *
 * @throws {AppError} `TABLE_UNSUITABLE` when one of them cannot be copied; `CONFIG_INVALID` for a pattern that
 *   is not `schema.table`, and for a name without wildcards that matches nothing.
 */
export async function readTables(client: Client, patterns: TablePatterns = DEFAULT_PATTERNS): Promise<SourceTable[]> {
  const { tables, unsuitable } = await readCatalog(client, patterns);
  const [first] = unsuitable;
  if (first !== undefined) {
    const reasons = unsuitable.map((table) => `${tableLabel(table)} ${table.reason}`).join('; ');
    throw new AppError('TABLE_UNSUITABLE', reasons, { details: { tables: unsuitable.map(tableLabel) } });
  }
  return [...tables];
}

/** Tells which tables are to be copied, going by their names. @throws {AppError} `CONFIG_INVALID`. */
export function chooser(patterns: TablePatterns): (table: { schema: string; name: string }) => boolean {
  const include = patterns.include.map(toRegExp);
  const exclude = patterns.exclude.map(toRegExp);
  return (table) => {
    const label = tableLabel(table);
    const isWanted = include.some((glob) => glob.test(label)) && !exclude.some((glob) => glob.test(label));
    return (patterns.ruleFor?.(table).isCopied ?? isWanted) || patterns.also?.has(label) === true;
  };
}

/** Like {@link readTables}, but tells the unsuitable tables apart instead of failing. @throws {AppError} `CONFIG_INVALID`. */
export async function readCatalog(client: Client, patterns: TablePatterns = DEFAULT_PATTERNS): Promise<Catalog> {
  const isChosen = chooser(patterns);
  const rows = await pgRows(client, QUERY);
  await rejectUnmatchedNames(client, [...patterns.include, ...(patterns.named ?? [])], rows);
  const partitions = await readLeaves(client);
  const published = await readPublishedGenerated(client, patterns.publication);
  const taken = new TakenNames();
  const tables: SourceTable[] = [];
  const unsuitable: UnsuitableTable[] = [];
  for (const row of rows) {
    const leaves = row['kind'] === 'p' ? (partitions.get(Number(row['oid'])) ?? []) : null;
    const found = readTable(row, leaves, published);
    if (!isChosen(found)) continue;
    const rule = patterns.ruleFor?.(found) ?? NO_RULE;
    const unfit = findFault(row, found) ?? unpublishedFault(found, leaves, published);
    const applied = unfit === null ? applyRule(found, rule) : { table: found, fault: unfit };
    const { table } = applied;
    const fault = applied.fault ?? columnFault(table) ?? leafFault(leaves ?? [], keyNames(table)) ?? taken.take(table);
    if (fault === null) tables.push(table);
    else unsuitable.push({ oid: table.oid, schema: table.schema, name: table.name, ...fault });
  }
  return { tables: await resolveTypes(client, tables), unsuitable };
}

function readTable(row: TextRow, leaves: readonly LeafFacts[] | null, published: PublishedGenerated): SourceTable {
  const generations = JSON.parse(row['generations'] ?? '{}') as Readonly<Record<string, Generation>>;
  const all = (JSON.parse(row['columns']!) as SourceColumn[]).map((column): SourceColumn => {
    const generation = generations[column.attnum];
    return generation === undefined ? column : { ...column, generation };
  });
  const { brought: columns, left } = divideGenerated(Number(row['oid']), all, published);
  const schema = row['schema']!;
  const name = row['name']!;
  const identity = readRowIdentity(row);
  return {
    oid: Number(row['oid']),
    schema,
    name,
    target: schema === 'public' ? name : `${schema}_${name}`,
    columns,
    key: identifyingColumns(identity).map((part) => columns.findIndex((column) => column.name === part)),
    replicaIdentity: identity.replicaIdentity,
    ...(left.length === 0 ? {} : { generated: left }),
    ...(leaves === null ? {} : { leaves: leaves.map(toLeaf) }),
  };
}

function toLeaf({ oid, schema, name, filenode, isBorn }: LeafFacts): Leaf {
  return { oid, schema, name, filenode, isBorn };
}

function keyNames(table: SourceTable): string[] {
  return table.key.map((i) => table.columns[i]?.name ?? '');
}

function toRegExp(pattern: string): RegExp {
  if (!TABLE_PATTERN.test(pattern)) {
    throw new AppError('CONFIG_INVALID', `“${pattern}” is not of the form schema.table`);
  }
  return globToRegExp(pattern);
}

/** A plain name that matches nothing is a slip of the pen; a wildcard that matches nothing may match later. */
async function rejectUnmatchedNames(
  client: Client,
  include: readonly string[],
  rows: readonly TextRow[],
): Promise<void> {
  const labels = new Set(rows.map((row) => `${row['schema']}.${row['name']}`));
  const unmatched = include.find((pattern) => isPlainName(pattern) && !labels.has(pattern));
  if (unmatched === undefined) return;
  const [found] = await pgRows(
    client,
    `SELECT c.relkind AS kind, c.relispartition AS is_partition FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname || '.' || c.relname = $1`,
    [unmatched],
  );
  const is = found === undefined ? null : kindFault(found['kind'] ?? '', found['is_partition'] === 't');
  throw new AppError(
    'CONFIG_INVALID',
    is === null ? `there is no table ${unmatched} in the source` : `${unmatched} cannot be copied: it ${is}`,
  );
}
