/**
 * What a table means to the KPIs: the ad schema is recognised by table and column names.
 * Everything else is copied just the same, without rollups.
 */
import type { SourceTable } from './table.ts';

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

/** True when all four tables of the ad schema are there, each with exactly its columns. */
export function isAdSchema(tables: readonly SourceTable[]): boolean {
  return Object.keys(AD_SCHEMA).every((name) => tables.some((table) => table.target === name && isAdTable(table)));
}

/** True when the table is one of the ad schema, column by column, and mirrored as such tables are. */
export function isAdTable(table: SourceTable): boolean {
  const expected = table.schema === 'public' ? AD_SCHEMA[table.name] : undefined;
  if (expected === undefined || hasOtherMirror(table)) return false;
  const found = table.columns.map((column) => `${column.name} ${column.typeName}`);
  const isKeyed = table.key.length === 1 && table.key[0] === 0;
  return isKeyed && found.length === expected.length && expected.every((column, i) => column === found[i]);
}

/**
 * True when the configuration wants another mirror than the one that sql/clickhouse has for a table of the ad schema.
 * Rows may be filtered, and values be made unreadable where they stay text.
 */
function hasOtherMirror({ name, target, columns, key, rule }: SourceTable): boolean {
  if (rule === undefined) return false;
  const { orderBy, partitionBy, settings, onDelete } = rule;
  const isOther = columns.some(({ choice = {}, typeName }, i) => {
    const { mask, ...others } = choice;
    const isText = typeName.startsWith('character varying');
    return (
      Object.keys(others).length > 0 || (mask !== undefined && (mask.kind === 'null' || !isText || key.includes(i)))
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
