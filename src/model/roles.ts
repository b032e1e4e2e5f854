/**
 * What a table means to the KPIs: the ad schema is recognised by table and column names.
 * Everything else is copied just the same, without rollups.
 */
import type { SourceTable } from './table.ts';
import { isMadeByFunction } from './table-rule.ts';

/** A table whose rows are counted per campaign and hour. */
export interface EventsRole {
  readonly kind: 'events';
  readonly fact: 'impressions' | 'clicks';
  /** Index of `campaign_id` and of `created_at` in the table's columns. */
  readonly campaignColumn: number;
  readonly timeColumn: number;
}

/** The table whose rows carry the price of a campaign's events. */
export interface PricesRole {
  readonly kind: 'prices';
  /** Index of `id` and of `bid` in the table's columns. */
  readonly idColumn: number;
  readonly bidColumn: number;
}

/** A table that is copied and nothing more. */
export interface PlainRole {
  readonly kind: 'plain';
}

/** What a table means to the rollups. */
export type Role = EventsRole | PricesRole | PlainRole;

/** The columns of the ad schema: name and PostgreSQL type, in order. */
const AD_SCHEMA: Record<string, readonly string[]> = {
  advertiser: [
    'id integer',
    'name character varying(255)',
    'updated_at timestamp without time zone',
    'created_at timestamp without time zone',
  ],
  campaign: [
    'id integer',
    'name character varying(255)',
    'bid numeric(10,2)',
    'budget numeric(10,2)',
    'start_date date',
    'end_date date',
    'advertiser_id integer',
    'updated_at timestamp without time zone',
    'created_at timestamp without time zone',
  ],
  impressions: ['id integer', 'campaign_id integer', 'created_at timestamp without time zone'],
  clicks: ['id integer', 'campaign_id integer', 'created_at timestamp without time zone'],
};

/** Tables of the ad schema of which every version is kept. */
const WITH_HISTORY = new Set(['advertiser', 'campaign']);

/** Names that the views over versions give to columns of their own: a column called so would be taken for them. */
const TAKEN_NAMES = new Set(['version', 'committed_at', 'valid_from', 'valid_to', 'is_current', 'ordinal', 'since']);

/** True when all four tables of the ad schema are there, each with its columns; they may have more. */
export function isAdSchema(tables: readonly SourceTable[]): boolean {
  return Object.keys(AD_SCHEMA).every((name) => tables.some((table) => table.target === name && isAdTable(table)));
}

/** True when the table is one of the ad schema, and mirrored as such tables are. */
export function isAdTable(table: SourceTable): boolean {
  return isAdName(table) && adFault(table) === null;
}

/** Names of the columns that the key figures are made from; none for tables that they are not made from. */
export function adColumns({ name }: Pick<SourceTable, 'name'>): ReadonlySet<string> {
  return new Set((AD_SCHEMA[name] ?? []).map(nameOf));
}

/** Why a table that is named as one of the ad schema cannot be one, with what helps; null when it can. */
export function adFault(table: SourceTable): string | null {
  const { columns, key } = table;
  const found = new Set(columns.map((column) => `${column.name} ${column.typeName}`));
  const missing = (AD_SCHEMA[table.name] ?? []).filter((column) => !found.has(column));
  const again = `then \`millrace resync ${table.schema}.${table.name}\``;
  if (missing.length > 0)
    return `the key figures need “${missing.join('”, “')}”: give the table ${missing.length === 1 ? 'that column' : 'those columns'} again, ${again}`;
  if (key.length !== 1 || columns[key[0] ?? -1]?.name !== 'id')
    return `the key figures need “id” as what identifies its rows: make it the key again, ${again}`;
  const clash = columns.find(({ name }) => WITH_HISTORY.has(table.name) && TAKEN_NAMES.has(name));
  if (clash !== undefined)
    return `its column “${clash.name}” is called as one of the views over its versions: rename or exclude it, ${again}`;
  return hasOtherMirror(table) ? `the rules for it want another mirror than the ad schema has: take them back` : null;
}

function nameOf(column: string): string {
  return column.slice(0, column.indexOf(' '));
}

/**
 * True when the configuration wants another mirror than the one that sql/clickhouse has for a table of the ad schema.
 * Rows may be filtered, and values be made unreadable where they stay text; of its other columns it may say anything.
 */
function hasOtherMirror(table: SourceTable): boolean {
  const { name, target, columns, key, rule } = table;
  if (rule === undefined) return false;
  const { orderBy, partitionBy, settings, onDelete } = rule;
  const own = adColumns(table);
  const isOther = columns.some(({ name: column, choice = {}, typeName }, i) => {
    const { mask, ...others } = choice;
    const isOfAnotherType = mask?.kind === 'null' || isMadeByFunction(mask);
    const isText = typeName.startsWith('character varying');
    return (
      own.has(column) &&
      (Object.keys(others).length > 0 || (mask !== undefined && (isOfAnotherType || !isText || key.includes(i))))
    );
  });
  const storage = orderBy.length > 0 || partitionBy !== null || Object.keys(settings).length > 0;
  return isOther || storage || target !== name || onDelete !== 'mirror';
}

/** True when the table is named as one of the ad schema, whatever its columns. */
export function isAdName({ schema, name }: SourceTable): boolean {
  return schema === 'public' && name in AD_SCHEMA;
}

/** The role of a table, given whether the ad schema is in use at all. */
export function roleOf(table: SourceTable, adSchema: boolean): Role {
  if (!adSchema || !isAdTable(table)) return { kind: 'plain' };
  const at = (name: string): number => table.columns.findIndex((column) => column.name === name);
  if (table.name === 'impressions' || table.name === 'clicks') {
    return { kind: 'events', fact: table.name, campaignColumn: at('campaign_id'), timeColumn: at('created_at') };
  }
  if (table.name === 'campaign') return { kind: 'prices', idColumn: at('id'), bidColumn: at('bid') };
  return { kind: 'plain' };
}

/** True when every version of the table's rows is kept (advertiser, campaign). */
export function hasHistory(table: SourceTable, adSchema: boolean): boolean {
  return adSchema && isAdTable(table) && WITH_HISTORY.has(table.name);
}
