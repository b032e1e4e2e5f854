/**
 * Exact comparison of any source tables with their copies, row by row, as multisets.
 *
 * It judges the program, so it shares nothing with it: PostgreSQL gives every value as the text of its type's output
 * function, ClickHouse as text of its own, and what the two texts mean is decided here, by the copy's type.
 */
import type pg from 'pg';
import type { ClickHouse } from '../../src/destination/client.ts';
import { chIdent, pgIdent } from '../../src/model/quote.ts';

/** A source table and the name of its copy; `target_current` is what is read. */
export interface ComparedTable {
  readonly schema: string;
  readonly name: string;
  readonly target: string;
  /** Columns that are not copied, by configuration. */
  readonly excluded?: readonly string[];
}

/** Where the copy lies. */
export interface ComparedCopy {
  readonly client: ClickHouse;
  readonly database: string;
}

interface Column {
  readonly name: string;
  /** Name of the type in pg_type; of a domain, that of its base type. */
  readonly type: string;
  readonly isKey: boolean;
  readonly copyType: string;
}

type Value = string | null;
type Row = readonly Value[];

/** Differences told per table: the first ones name what is wrong. */
const MOST_PER_TABLE = 5;

/** Differences of all tables; empty when each copy has exactly the rows of its source. Nothing may write meanwhile. */
export async function copyDifferences(
  source: pg.Client,
  copy: ComparedCopy,
  tables: readonly ComparedTable[],
): Promise<string[]> {
  const differences: string[] = [];
  await source.query("SET lc_monetary = 'C'; SET extra_float_digits = 1; SET bytea_output = 'hex'");
  for (const table of tables) differences.push(...(await tableDifferences(source, copy, table)));
  return differences;
}

async function tableDifferences(source: pg.Client, copy: ComparedCopy, table: ComparedTable): Promise<string[]> {
  const label = `${table.schema}.${table.name}`;
  const copyTypes = await typesOfCopy(copy, `${table.target}_current`);
  if (copyTypes.size === 0) return [`${label}: there is no ${table.target}_current`];
  const { columns, isRoot } = await columnsOfSource(source, table, copyTypes);
  if (columns.length === 0) return [`${label}: there is no such table in the source`];
  const missing = columns.filter(({ name }) => !copyTypes.has(name));
  if (missing.length > 0) return [`${label}: the copy lacks ${missing.map(({ name }) => name).join(', ')}`];
  const typed = columns.map((column) => ({ ...column, copyType: copyTypes.get(column.name) ?? '' }));
  const sourceRows = await rowsOfSource(source, { table, isRoot, columns: typed });
  const copyRows = await rowsOfCopy(copy, table, typed);
  return describe(label, typed, { sourceRows, copyRows });
}

async function typesOfCopy(copy: ComparedCopy, view: string): Promise<Map<string, string>> {
  const rows = await copy.client.rows<{ name: string; type: string }>(
    'SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {view:String}',
    { params: { database: copy.database, view } },
  );
  return new Map(rows.map(({ name, type }) => [name, type]));
}

/** Domains resolved to their base types. Generated columns are compared where the copy has them. */
const COLUMNS = `
  WITH RECURSIVE base AS (
    SELECT oid, oid AS final, typbasetype FROM pg_type
    UNION ALL SELECT base.oid, t.oid, t.typbasetype FROM base JOIN pg_type t ON t.oid = base.typbasetype AND base.typbasetype <> 0)
  SELECT c.relkind AS kind, a.attname AS name, t.typname AS type, a.attgenerated AS generated,
    coalesce(a.attnum = ANY (i.indkey::int2[]), false) AS is_key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
  JOIN base ON base.oid = a.atttypid AND base.typbasetype = 0 JOIN pg_type t ON t.oid = base.final
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

async function columnsOfSource(
  source: pg.Client,
  table: ComparedTable,
  copied: ReadonlyMap<string, string>,
): Promise<{ columns: Omit<Column, 'copyType'>[]; isRoot: boolean }> {
  const { rows } = await source.query<Record<string, string>>(COLUMNS, [table.schema, table.name]);
  const stored = rows.filter(
    (row) =>
      (row['generated'] === '' || copied.has(String(row['name']))) &&
      table.excluded?.includes(String(row['name'])) !== true,
  );
  const columns = stored.map((row) => ({
    name: String(row['name']),
    type: String(row['type']),
    isKey: row['is_key'] === 't',
  }));
  return { columns, isRoot: rows[0]?.['kind'] === 'p' };
}

/** A partitioned table is read with its partitions, any other without those that inherit from it. */
async function rowsOfSource(
  source: pg.Client,
  { table, isRoot, columns }: { table: ComparedTable; isRoot: boolean; columns: readonly Column[] },
): Promise<Row[]> {
  const list = columns.map(({ name }) => pgIdent(name)).join(', ');
  const from = `${isRoot ? '' : 'ONLY '}${pgIdent(table.schema)}.${pgIdent(table.name)}`;
  const { rows } = await source.query<Value[]>({ text: `SELECT ${list} FROM ${from}`, rowMode: 'array' });
  return rows.map((row) => row.map((value, i) => (value === null ? null : meaning(value, columns[i] as Column))));
}

async function rowsOfCopy(copy: ComparedCopy, table: ComparedTable, columns: readonly Column[]): Promise<Row[]> {
  const list = columns.map((column) => copyText(chIdent(column.name), column.copyType, column.type)).join(', ');
  const from = `${chIdent(copy.database)}.${chIdent(`${table.target}_current`)}`;
  const body = await copy.client.bytes(`SELECT ${list} FROM ${from} FORMAT JSONCompactEachRow`);
  const lines = body
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) =>
    (JSON.parse(line) as Nested[]).map((value, i) => copyMeaning(value, columns[i] as Column)),
  );
}

/** The type within `Nullable` and `LowCardinality`. */
function bare(copyType: string): string {
  const inner = /^(?:Nullable|LowCardinality)\((.+)\)$/.exec(copyType)?.[1];
  return inner === undefined ? copyType : bare(inner);
}

function elementOf(copyType: string): string | undefined {
  return /^Array\((.+)\)$/.exec(bare(copyType))?.[1];
}

/** An expression that gives a value as text: of arrays, each element. */
function copyText(expression: string, copyType: string, type: string): string {
  const element = elementOf(copyType);
  if (element !== undefined) return `arrayMap(x -> ${copyText('x', element, type.slice(1))}, ${expression})`;
  // Bytes need not be text; hex is.
  return type === 'bytea' && bare(copyType) === 'String' ? `hex(${expression})` : `toString(${expression})`;
}

function copyMeaning(value: Nested, column: Column): Value {
  if (value === null) return null;
  if (Array.isArray(value)) return JSON.stringify(copyElements(value, column));
  if (column.type === 'bytea' && bare(column.copyType) === 'String') return bytesMeaning(value);
  return scalarMeaning(value, column.type, bare(column.copyType));
}

function copyElements(values: readonly Nested[], column: Column): unknown[] {
  const inner = { ...column, type: column.type.slice(1), copyType: elementOf(column.copyType) ?? '' };
  return values.map((value) => (Array.isArray(value) ? copyElements(value, inner) : copyMeaning(value, inner)));
}

/** A copy holds bytes as they are, or the text that PostgreSQL writes for them. */
function bytesMeaning(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  const text = bytes.toString('latin1');
  return /^\\x(?:[0-9a-f]{2})*$/.test(text) ? text : `\\x${bytes.toString('hex')}`;
}

/** What a text of PostgreSQL means, in the words in which the copy's text is put too. */
function meaning(text: string, column: Column): string {
  const element = elementOf(column.copyType);
  if (element !== undefined) return JSON.stringify(sourceElements(parseArray(text), { ...column, copyType: element }));
  return scalarMeaning(text, column.type, bare(column.copyType));
}

function sourceElements(values: readonly Nested[], inner: Column): unknown[] {
  const type = inner.type.replace(/^_/, '');
  return values.map((value) => {
    if (Array.isArray(value)) return sourceElements(value, inner);
    return value === null ? null : scalarMeaning(value, type, bare(inner.copyType));
  });
}

function scalarMeaning(text: string, type: string, copyType: string): string {
  if (/^(?:Float32|Float64)$/.test(copyType)) return floatMeaning(text, copyType === 'Float32');
  if (copyType.startsWith('Decimal')) return decimalMeaning(text);
  if (/^DateTime64\(\d, 'UTC'\)$/.test(copyType)) return timeMeaning(text);
  if (copyType === 'Bool') return text === 't' || text === 'true' ? 'true' : 'false';
  // Blanks at the end of a character(n) have no meaning.
  if (type === 'bpchar') return text.replace(/ +$/, '');
  if (/^(?:String|U?Int\d+|UUID|Date32|FixedString\(\d+\)|Enum.*)$/.test(copyType)) return text;
  throw new Error(`how to compare ${type} with ${copyType} is not known here`);
}

function floatMeaning(text: string, isSingle: boolean): string {
  if (/^nan$/i.test(text)) return 'NaN';
  const named = /^(-?)inf(?:inity)?$/i.exec(text);
  if (named !== null) return `${named[1]}Infinity`;
  const value = isSingle ? Math.fround(Number(text)) : Number(text);
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Also of money, as the C locale writes it. */
function decimalMeaning(text: string): string {
  const plain = text.replaceAll(/[$,]/g, '');
  const short = plain.includes('.') ? plain.replace(/\.?0+$/, '') : plain;
  return short === '-0' || short === '' ? '0' : short;
}

function timeMeaning(text: string): string {
  const [seconds = '', fraction = ''] = text.replace(/\+00$/, '').split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}`;
}

type Nested = string | null | Nested[];

/** PostgreSQL's text of an array, without lower bounds: `{1,NULL,"a,b"}`. */
export function parseArray(text: string): Nested[] {
  let at = text.indexOf('{');
  const list = (): Nested[] => {
    const items: Nested[] = [];
    at++;
    while (text[at] !== '}') {
      if (text[at] === ',') at++;
      items.push(text[at] === '{' ? list() : item());
      if (at >= text.length) throw new Error(`the array ends early: ${text}`);
    }
    at++;
    return items;
  };
  const item = (): string | null => {
    if (text[at] !== '"') {
      const plain = /[^,}]*/y;
      plain.lastIndex = at;
      const [found] = plain.exec(text) as RegExpExecArray;
      at += found.length;
      return found === 'NULL' ? null : found.replaceAll(/\\(.)/gs, '$1');
    }
    const quoted = /"((?:[^"\\]|\\.)*)"/sy;
    quoted.lastIndex = at;
    const found = quoted.exec(text);
    if (found === null) throw new Error(`no end of a quoted element: ${text}`);
    at += found[0].length;
    return (found[1] as string).replaceAll(/\\(.)/gs, '$1');
  };
  return list();
}

function describe(
  label: string,
  columns: readonly Column[],
  { sourceRows, copyRows }: { sourceRows: readonly Row[]; copyRows: readonly Row[] },
): string[] {
  const surplus = countRows(sourceRows);
  for (const [row, count] of countRows(copyRows)) surplus.set(row, (surplus.get(row) ?? 0) - count);
  const rows = [...surplus].flatMap(([text, count]) => (count === 0 ? [] : [{ row: JSON.parse(text) as Row, count }]));
  const [missing, extra] = [rows.filter(({ count }) => count > 0), rows.filter(({ count }) => count < 0)];
  if (rows.length === 0) return [];
  const byKey = new Map(extra.map(({ row }) => [keyOf(row, columns), row]));
  const hasKey = columns.some(({ isKey }) => isKey);
  const found: string[] = [`${label}: ${sourceRows.length} rows in the source, ${copyRows.length} in the copy`];
  for (const { row, count } of missing) {
    const key = keyOf(row, columns);
    const other = hasKey ? byKey.get(key) : undefined;
    byKey.delete(key);
    if (other === undefined) found.push(`${label}: the copy lacks ${count} × ${brief(row, columns)}`);
    else found.push(...cellDifferences(`${label} ${key}`, columns, { row, other }));
  }
  const left = extra.filter(({ row }) => !hasKey || byKey.has(keyOf(row, columns)));
  found.push(...left.map(({ row, count }) => `${label}: the copy has ${-count} × too much: ${brief(row, columns)}`));
  return found.length > MOST_PER_TABLE
    ? [...found.slice(0, MOST_PER_TABLE), `${label}: and ${found.length - MOST_PER_TABLE} differences more`]
    : found;
}

function countRows(rows: readonly Row[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = JSON.stringify(row);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

function keyOf(row: Row, columns: readonly Column[]): string {
  return JSON.stringify(row.filter((_, i) => columns[i]?.isKey));
}

function cellDifferences(
  label: string,
  columns: readonly Column[],
  { row, other }: { row: Row; other: Row },
): string[] {
  return columns.flatMap(({ name, type, copyType }, i) =>
    row[i] === other[i]
      ? []
      : [`${label} ${name} (${type} → ${copyType}): ${short(row[i])} in the source, ${short(other[i])} in the copy`],
  );
}

function brief(row: Row, columns: readonly Column[]): string {
  return row
    .slice(0, 12)
    .map((value, i) => `${columns[i]?.name}=${short(value)}`)
    .join(' ');
}

function short(value: Value | undefined): string {
  const text = value === null || value === undefined ? 'NULL' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 60)}… (${text.length} characters)` : text;
}
