/**
 * Publications: which tables the stream carries. A publication must exist before the slot that is read
 * through it: decoding looks it up as of each change, and fails where it did not exist yet.
 */
import type { Client } from 'pg';
import { AppError } from '../model/errors.ts';
import { pgIdent, pgTable } from '../model/quote.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import { pgRows } from './connection.ts';
import { GENERATED_SINCE } from './generated-columns.ts';
import { FILTERS_SINCE, readFilter, serverVersion } from './row-filter.ts';

/** A table by name. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** A table as it is to be published: of others than these fields nothing is needed. */
export type PublishedTable = TableName &
  Partial<Pick<SourceTable, 'columns' | 'excluded' | 'replicaIdentity' | 'rule'>>;

/** What of a table is published. */
export interface PublishedPart {
  /** Names, sorted; null: all. */
  readonly columns: readonly string[] | null;
  /** As the catalogue writes it; null: all rows. */
  readonly filter: string | null;
}

/** A publication as the catalogue tells it. */
export interface PublicationState {
  readonly name: string;
  readonly allTables: boolean;
  /** Schemas all of whose tables are published (`FOR TABLES IN SCHEMA`), sorted. */
  readonly schemas: readonly string[];
  /** Tables that are published by name, as `schema.name`, sorted. */
  readonly tables: readonly string[];
  readonly publishesAll: boolean;
  readonly viaPartitionRoot: boolean;
  /** Some table has a row filter or a column list, so that not everything is published. */
  readonly isFiltered: boolean;
  /** What is published of those tables, by `schema.name`. */
  readonly parts: ReadonlyMap<string, PublishedPart>;
  /** We may alter it. */
  readonly isOwn: boolean;
  /** Stored generated columns are published where no list says otherwise; null: before PostgreSQL 18 they never are. */
  readonly publishesGenerated: boolean | null;
}

/** What {@link ensurePublication} did. */
export interface PublicationChange {
  readonly created: boolean;
  /** `schema.name`. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

const SETTINGS = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true";
const GENERATED_SETTING = 'publish_generated_columns = stored';

/** SQL: `oid`, `publication`, `schema` and `xmin` of the schemas that publications have; none before PostgreSQL 15. */
export async function publishedSchemas(client: Client): Promise<string> {
  return (await serverVersion(client)) >= FILTERS_SINCE
    ? '(SELECT oid, pnpubid AS publication, pnnspid AS schema, xmin FROM pg_publication_namespace)'
    : '(SELECT NULL::oid AS oid, NULL::oid AS publication, NULL::oid AS schema, NULL::xid AS xmin WHERE false)';
}

/** Looks a publication up; null when there is none of that name. */
export async function inspectPublication(client: Client, name: string): Promise<PublicationState | null> {
  const version = await serverVersion(client);
  const hasParts = version >= FILTERS_SINCE;
  const filter = hasParts ? 'pg_get_expr(r.prqual, r.prrelid)' : 'NULL';
  const columns = hasParts
    ? '(SELECT json_agg(a.attname ORDER BY a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[]))'
    : 'NULL';
  const [row] = await pgRows(
    client,
    `SELECT p.puballtables,
            (SELECT coalesce(json_agg(o.nspname ORDER BY o.nspname), '[]') FROM ${await publishedSchemas(client)} s JOIN pg_namespace o ON o.oid = s.schema
             WHERE s.publication = p.oid) AS schemas, p.pubviaroot, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS all_operations,
            pg_has_role(p.pubowner, 'USAGE') AS own, ${version >= GENERATED_SINCE ? "p.pubgencols = 's'" : 'NULL'} AS generated,
            coalesce(json_agg(n.nspname || '.' || c.relname ORDER BY n.nspname, c.relname) FILTER (WHERE c.oid IS NOT NULL), '[]') AS tables,
            coalesce(json_agg(json_build_object('label', n.nspname || '.' || c.relname, 'filter', ${filter}, 'columns', ${columns}))
                     FILTER (WHERE c.oid IS NOT NULL), '[]') AS parts
     FROM pg_publication p
     LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
     LEFT JOIN pg_class c ON c.oid = r.prrelid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.pubname = $1
     GROUP BY p.oid`,
    [name],
  );
  if (row === undefined) return null;
  const parts = JSON.parse(row['parts']!) as (PublishedPart & { label: string })[];
  return {
    name,
    allTables: row['puballtables'] === 't',
    schemas: JSON.parse(row['schemas']!) as string[],
    tables: JSON.parse(row['tables']!) as string[],
    publishesAll: row['all_operations'] === 't',
    viaPartitionRoot: row['pubviaroot'] === 't',
    isFiltered: parts.some((part) => part.filter !== null || part.columns !== null),
    parts: new Map(parts.map(({ label, ...part }) => [label, part])),
    isOwn: row['own'] === 't',
    publishesGenerated: row['generated'] === null ? null : row['generated'] === 't',
  };
}

/** Whether a table is in the publication. */
export function isPublished(state: PublicationState, table: TableName): boolean {
  return state.allTables || state.schemas.includes(table.schema) || state.tables.includes(tableLabel(table));
}

/**
 * Creates the publication, or alters it until it has exactly these tables, what is copied of each, and all operations.
 * One that somebody has made for all tables, or for those of schemas, keeps what it has beyond.
 *
 * @throws {AppError} `CONFIG_INVALID` when such a one cannot leave out rows that are not to be copied; `POSTGRES_AUTH`
 *   without the privilege; `TABLE_ALTERED` when a table is gone or has another name by now.
 */
export async function ensurePublication(
  client: Client,
  name: string,
  tables: readonly PublishedTable[],
): Promise<PublicationChange> {
  const { statements, ...change } = await planPublication(client, name, tables);
  for (const statement of statements) await pgRows(client, statement).catch(rethrowIfAltered);
  return change;
}

/** SQLSTATEs of what is gone, is there by now, or has another name: a table, a schema, a column, the publication. */
const ALTERED_STATES: ReadonlySet<unknown> = new Set(['42P01', '3F000', '42703', '42704', '42710']);

/** Statements name what was there when the catalogue was read. @throws {AppError} `TABLE_ALTERED`, or the error itself. */
function rethrowIfAltered(error: unknown): never {
  if (!(error instanceof AppError) || !ALTERED_STATES.has(error.details['sqlState'])) throw error;
  throw new AppError(
    'TABLE_ALTERED',
    `a table or the publication was altered while it was to be published: ${error.message}`,
    { cause: error },
  );
}

/** What {@link ensurePublication} would do. Changes nothing. @throws {AppError} `CONFIG_INVALID` as that. */
export async function planPublication(
  client: Client,
  name: string,
  tables: readonly PublishedTable[],
): Promise<PublicationChange & { readonly statements: readonly string[] }> {
  const version = await serverVersion(client);
  const wanted = tables.map(tableLabel).toSorted();
  const state = await inspectPublication(client, name);
  if (state === null) {
    const list = tables.length === 0 ? '' : `FOR TABLE ${clauses(tables, version)} `;
    const generated = version >= GENERATED_SINCE ? `, ${GENERATED_SETTING}` : '';
    const statement = `CREATE PUBLICATION ${pgIdent(name)} ${list}WITH (${SETTINGS}${generated})`;
    return { created: true, added: wanted, removed: [], statements: [statement] };
  }
  if (state.allTables || state.schemas.length > 0) return planBroad(state, tables, version);
  const added = wanted.filter((label) => !state.tables.includes(label));
  const removed = state.tables.filter((label) => !wanted.includes(label));
  const statements: string[] = [];
  if (added.length > 0 || removed.length > 0 || (await hasOtherParts(client, state, { tables, version })))
    statements.push(await tablesStatement(client, state, { tables, version }));
  statements.push(...settingsStatements(state));
  return { created: false, added, removed, statements };
}

function settingsStatements(state: PublicationState): string[] {
  const wanted = [
    ...(state.publishesAll && state.viaPartitionRoot ? [] : [SETTINGS]),
    ...(lacksGeneratedSetting(state) ? [GENERATED_SETTING] : []),
  ];
  return wanted.length === 0 ? [] : [`ALTER PUBLICATION ${pgIdent(state.name)} SET (${wanted.join(', ')})`];
}

/** Nobody has to publish them to us: of a publication of another role they are left out. */
function lacksGeneratedSetting({ isOwn, publishesGenerated }: PublicationState): boolean {
  return isOwn && publishesGenerated === false;
}

/**
 * Whether our publication does not bring all the generated columns that are to be copied: it comes from an earlier version,
 * or somebody has altered it.
 */
export async function lacksGenerated(
  client: Client,
  name: string,
  tables: readonly PublishedTable[],
): Promise<boolean> {
  const state = await inspectPublication(client, name);
  if (state === null || !state.isOwn) return false;
  return tables.some((table) => {
    const generated = (table.columns ?? []).filter(({ generation }) => generation !== undefined);
    const list = state.parts.get(tableLabel(table))?.columns ?? null;
    const isBrought = (column: string): boolean => list?.includes(column) ?? !lacksGeneratedSetting(state);
    return generated.some((column) => !isBrought(column.name));
  });
}

/**
 * A publication for all tables, or for those of schemas: what is missing is added, nothing is removed. What it has
 * beyond is left out on our side; but it publishes whole rows, all of them.
 */
function planBroad(
  state: PublicationState,
  tables: readonly PublishedTable[],
  version: number,
): PublicationChange & { readonly statements: readonly string[] } {
  const isWhole = (table: PublishedTable): boolean => state.allTables || state.schemas.includes(table.schema);
  const filtered = tables.find((table) => isWhole(table) && (table.rule?.where ?? null) !== null);
  if (filtered !== undefined) {
    const kind = state.allTables ? 'all tables' : `the schema “${filtered.schema}”`;
    throw new AppError(
      'CONFIG_INVALID',
      `publication “${state.name}” is for ${kind}, and cannot leave out the rows of ${tableLabel(filtered)} that \`where\` leaves out: give another name to Millrace's own (\`publication\`)`,
    );
  }
  const missing = tables.filter((table) => !isPublished(state, table));
  const publication = `ALTER PUBLICATION ${pgIdent(state.name)}`;
  const statements =
    missing.length === 0 ? [] : [`${publication} ADD TABLE ${clauses(missing.map(withoutList), version)}`];
  const added = missing.map(tableLabel).toSorted();
  return { created: false, added, removed: [], statements: [...statements, ...settingsStatements(state)] };
}

/** PostgreSQL takes no column lists beside whole schemas. */
function withoutList(table: PublishedTable): PublishedTable {
  return { ...table, excluded: [] };
}

/** Drops a publication; false when there was none. */
export async function dropPublication(client: Client, name: string): Promise<boolean> {
  if ((await inspectPublication(client, name)) === null) return false;
  await pgRows(client, `DROP PUBLICATION IF EXISTS ${pgIdent(name)}`);
  return true;
}

/** SET TABLE takes no empty list: then every table is dropped by name. */
async function tablesStatement(
  client: Client,
  state: PublicationState,
  { tables, version }: { tables: readonly PublishedTable[]; version: number },
): Promise<string> {
  const publication = `ALTER PUBLICATION ${pgIdent(state.name)}`;
  if (tables.length > 0) return `${publication} SET TABLE ${clauses(tables, version)}`;
  const rows = await pgRows(
    client,
    'SELECT schemaname AS schema, tablename AS name FROM pg_publication_tables WHERE pubname = $1',
    [state.name],
  );
  return `${publication} DROP TABLE ${onlyTables(rows as unknown as TableName[])}`;
}

function onlyTables(tables: readonly TableName[]): string {
  return tables.map((table) => `ONLY ${pgTable(table)}`).join(', ');
}

/**
 * The columns that are published; null: all. PostgreSQL refuses the source's own updates where a list lacks columns of
 * the replica identity, so under FULL (and with an index, which may be another by tomorrow) what is excluded is only
 * skipped on our side.
 */
export function publishedColumns(table: PublishedTable, version: number): readonly string[] | null {
  const { excluded = [], columns = [], replicaIdentity } = table;
  if (excluded.length === 0 || replicaIdentity !== 'd' || version < FILTERS_SINCE) return null;
  return columns.map(({ name }) => name).toSorted();
}

function clauses(tables: readonly PublishedTable[], version: number): string {
  return tables
    .map((table) => {
      const columns = publishedColumns(table, version);
      const list = columns === null ? '' : ` (${columns.map(pgIdent).join(', ')})`;
      const where = table.rule?.where ?? null;
      const filter = where === null ? '' : ` WHERE (${where})`;
      return `ONLY ${pgTable(table)}${list}${filter}`;
    })
    .join(', ');
}

/** Whether something else is published of a table than is wanted. */
async function hasOtherParts(
  client: Client,
  { parts }: PublicationState,
  { tables, version }: { tables: readonly PublishedTable[]; version: number },
): Promise<boolean> {
  for (const table of tables) {
    const part = parts.get(tableLabel(table));
    const columns = publishedColumns(table, version);
    if (JSON.stringify(part?.columns ?? null) !== JSON.stringify(columns)) return true;
    const where = table.rule?.where ?? null;
    const filter = where === null ? null : (await readFilter(client, table, where)).text;
    if ((part?.filter ?? null) !== filter) return true;
  }
  return false;
}
