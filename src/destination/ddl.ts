/**
 * Statements that make the copy of one source table: mirror, landing table, the view between them and
 * the view that people query. The ad tables have the same shapes, written out in sql/clickhouse; a test
 * compares the two.
 *
 *   landing (ENGINE = Null) ── where _raw ──► mirror (ReplacingMergeTree) ──► <table>_current (view)
 *
 * Why ReplacingMergeTree ORDER BY the source's key: any replay of a row is idempotent by (key, version),
 * an update needs no old sorting key, and FINAL is nearly free while rows arrive in key order.
 */
import { createHash } from 'node:crypto';
import type { Codec } from '../codec/column.ts';
import { computedSql } from '../codec/computed-sql.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import { OWN_COLUMNS } from '../model/own-columns.ts';
import { isKeyless, onDeleteOf, type SourceTable } from '../model/table.ts';
import { columnComment } from './alter.ts';
import { FENCE_CONSTRAINT } from './client.ts';
import {
  currentMultiset,
  MULTISET_COLUMNS,
  MULTISET_ENGINE,
  MULTISET_LANDING_COLUMNS,
  MULTISET_NAMES,
} from './multiset.ts';

/** The two databases of one copy. */
export interface Names {
  /** What users query. */
  readonly database: string;
  /** What Millrace keeps for itself. */
  readonly internal: string;
}

/** Qualified names of a table's objects, quoted. */
export interface TableNames {
  readonly mirror: string;
  readonly current: string;
  readonly landing: string;
  readonly landingView: string;
}

/** Name, in the internal database, of the mirror that is built beside the one of `target`. */
export function nextMirror(target: string): string {
  return `${target}_next`;
}

/**
 * Names of the objects of the table whose mirror is `target`.
 *
 * @param building `mirror` is the one that is built beside the one that is read.
 */
export function tableNames(names: Names, target: string, building = false): TableNames {
  const database = chIdent(names.database);
  const internal = chIdent(names.internal);
  return {
    mirror: building ? `${internal}.${chIdent(nextMirror(target))}` : `${database}.${chIdent(target)}`,
    current: `${database}.${chIdent(`${target}_current`)}`,
    landing: `${internal}.${chIdent(`${target}_in`)}`,
    landingView: `${internal}.${chIdent(`${target}_mv`)}`,
  };
}

/** Columns of every mirror after those of the source. */
const MIRROR_COLUMNS = ['`_version` UInt64 CODEC(T64, ZSTD(1))', '`_deleted` UInt8 CODEC(ZSTD(1))'];

/** When a row ended in the source, where it stays (`onDelete: soft`); NULL: it has not. */
const ENDED_NAME = '_deleted_at';
const ENDED_COLUMN = { name: chIdent(ENDED_NAME), type: "Nullable(DateTime64(6, 'UTC'))" };

/** Columns of every landing table after those of the source. */
const LANDING_COLUMNS = ['`_version` UInt64', '`_deleted` UInt8', '`_sign` Int8', '`_raw` UInt8'];

/**
 * The constraint of every table that is written: the epoch in the statement's mark (fence.ts) is the one in force.
 * As in sql/clickhouse/V6__fence.sql.
 */
export function fenceConstraint(names: Names): string {
  const tag = "splitByChar(' ', getSetting('log_comment'))";
  const epoch = `toUInt64OrZero(${tag}[4])`;
  const current = `joinGet(${chLiteral(`${names.internal}.fence`)}, 'epoch', ${tag}[3])`;
  return `CONSTRAINT ${FENCE_CONSTRAINT} CHECK ${epoch} > 0 AND ${current} = ${epoch}`;
}

/** Which mirror of a table is made. */
export interface MirrorBuild {
  /** The one beside the one that is read: the view that people query is left as it is. */
  readonly building: boolean;
  /** What the mirror says of itself (mirrors.ts). */
  readonly comment: string;
}

/**
 * The statements that create a table's objects; each may be repeated.
 *
 * @param codecs One per column of the table.
 */
export function createTableStatements(
  names: Names,
  table: SourceTable,
  codecs: readonly Codec[],
  { building, comment }: MirrorBuild = { building: false, comment: '' },
): string[] {
  const at = tableNames(names, table.target, building);
  const columns = table.columns.map((column) => chIdent(column.name));
  const typed = table.columns.map((_, i) => `${columns[i]} ${codecs[i]?.clickhouseType}`);
  const compressed = table.columns.map(({ attnum, choice }, i) => {
    const comment = chLiteral(columnComment(attnum));
    return `${typed[i]} COMMENT ${comment} CODEC(${choice?.compression ?? codecs[i]?.compression})`;
  });
  const ended = onDeleteOf(table) === 'soft' ? [ENDED_COLUMN] : [];
  const list = [...columns, ...ended.map(({ name }) => name)].join(', ');
  const said = comment === '' ? '' : ` COMMENT ${chLiteral(comment)}`;
  const view = building ? [] : [`CREATE VIEW IF NOT EXISTS ${currentView(at.current, at.mirror, table)}`];
  if (isKeyless(table)) return [...multisetStatements(names, table, { at, typed, compressed, said }), ...view];
  return [
    `CREATE TABLE IF NOT EXISTS ${at.mirror} (${[...compressed, ...ended.map(({ name, type }) => `${name} ${type} CODEC(ZSTD(1))`), ...MIRROR_COLUMNS, fenceConstraint(names)].join(', ')}) ` +
      `${engineOf(table)}${said}`,
    `CREATE TABLE IF NOT EXISTS ${at.landing} (${[...typed, ...ended.map(({ name, type }) => `${name} ${type}`), ...LANDING_COLUMNS].join(', ')}) ENGINE = Null`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS ${at.landingView} TO ${at.mirror} AS ` +
      `SELECT ${list}, _version, _deleted FROM ${at.landing} WHERE _raw = 1`,
    ...view,
  ];
}

/** The same for a table whose rows cannot be told apart, see multiset.ts. */
function multisetStatements(
  names: Names,
  table: SourceTable,
  {
    at,
    typed,
    compressed,
    said,
  }: { at: TableNames; typed: readonly string[]; compressed: readonly string[]; said: string },
): string[] {
  const list = [...table.columns.map(({ name }) => chIdent(name)), ...MULTISET_NAMES].join(', ');
  return [
    `CREATE TABLE IF NOT EXISTS ${at.mirror} (${[...compressed, ...MULTISET_COLUMNS, fenceConstraint(names)].join(', ')}) ` +
      `${engineOf(table)}${said}`,
    `CREATE TABLE IF NOT EXISTS ${at.landing} (${[...typed, ...MULTISET_LANDING_COLUMNS].join(', ')}) ENGINE = Null`,
    `CREATE MATERIALIZED VIEW IF NOT EXISTS ${at.landingView} TO ${at.mirror} AS SELECT ${list} FROM ${at.landing}`,
  ];
}

/** Engine of a mirror, its sorting key, and what the configuration says of both. */
function engineOf({ columns, key, rule }: SourceTable): string {
  const order = key.map((i) => chIdent(columns[i]?.name ?? ''));
  const partition = rule?.partitionBy ?? null;
  const settings = Object.entries(rule?.settings ?? {}).map(([name, value]) => `${name} = ${settingLiteral(value)}`);
  return [
    key.length === 0 ? MULTISET_ENGINE : 'ENGINE = ReplacingMergeTree(_version, _deleted)',
    partition === null ? '' : ` PARTITION BY ${partition}`,
    key.length === 0 ? '' : ` ORDER BY ${order.length === 1 ? order[0] : `(${order.join(', ')})`}`,
    settings.length === 0 ? '' : ` SETTINGS ${settings.join(', ')}`,
  ].join('');
}

function settingLiteral(value: string | number | boolean): string {
  return typeof value === 'string' ? chLiteral(value) : String(Number(value));
}

/** Name and query of the view that people query: what follows `CREATE OR REPLACE VIEW`. */
export function currentView(view: string, mirror: string, table: SourceTable): string {
  const own = isKeyless(table) ? MULTISET_NAMES : onDeleteOf(table) === 'soft' ? [ENDED_NAME] : [];
  const shown = viewOf(view, mirror, [...table.columns.map(({ name }) => name), ...own], table);
  const comment = viewComment(table);
  return comment === '' ? shown : `${shown} COMMENT ${chLiteral(comment)}`;
}

/** What that view says of itself: which columns it computes, and how. Empty: none. */
export function viewComment({ computed = [] }: Pick<SourceTable, 'computed'>): string {
  if (computed.length === 0) return '';
  const told = computed.map((column) => [column.attnum, column.name, computedSql(column)]);
  return `millrace: computed ${createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 16)}`;
}

/**
 * The same by the names of the mirror's columns, for tables that are not followed.
 *
 * @param table Its columns in order, where some are computed.
 */
export function viewOf(
  view: string,
  mirror: string,
  columns: readonly string[],
  table: Partial<Pick<SourceTable, 'columns' | 'computed'>> = {},
): string {
  const people = columns.filter((name) => !OWN_COLUMNS.has(name));
  const { computed = [] } = table;
  const select = [
    ...(computed.length === 0 ? people.map(chIdent) : inOrder(table)),
    ...columns.filter((name) => name === ENDED_NAME).map(chIdent),
  ].join(', ');
  if (!columns.includes('_ordinal')) return `${view} AS SELECT ${select} FROM ${mirror} FINAL WHERE _deleted = 0`;
  const rows = currentMultiset(mirror, people);
  return `${view} AS ${computed.length === 0 ? rows : `SELECT ${select} FROM (${rows})`}`;
}

/** Copied and computed columns in the places that they have in the source. */
function inOrder({ columns = [], computed = [] }: Partial<Pick<SourceTable, 'columns' | 'computed'>>): string[] {
  const all = [
    ...columns.map(({ name, attnum }) => ({ attnum, sql: chIdent(name) })),
    ...computed.map((column) => ({
      attnum: column.attnum,
      sql: `${computedSql(column)} AS ${chIdent(column.name)}`,
    })),
  ];
  return all.toSorted((a, b) => a.attnum - b.attnum).map(({ sql }) => sql);
}
