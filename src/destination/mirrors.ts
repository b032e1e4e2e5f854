/**
 * What mirrors say of themselves: of which table their rows are, and when they were asked for. A mirror is told apart by
 * that when a process died between an exchange of two and the state that would have said so.
 */
import { formatLsn, type Lsn, parseLsn } from '../model/lsn.ts';
import { OWN_COLUMNS } from '../model/own-columns.ts';
import { chIdent } from '../model/quote.ts';
import { attnumOf } from './alter.ts';
import type { ClickHouse } from './client.ts';
import { type Names, nextMirror } from './ddl.ts';

/** Which rows a mirror holds. */
export interface MirrorIdentity {
  /** `pg_class.oid` of the source table. */
  readonly oid: number;
  /** Position at which it was asked for; 0: the table's first mirror. */
  readonly build: Lsn;
}

/** The comment of a mirror. */
export function mirrorComment({ oid, build }: MirrorIdentity): string {
  return `millrace: table ${oid} built at ${formatLsn(build)}`;
}

/** Reads a comment of ours; null when it is none. */
export function readMirrorComment(comment: string): MirrorIdentity | null {
  const match = /^millrace: table (\d+) built at ([0-9A-F]+\/[0-9A-F]+)$/.exec(comment);
  return match === null ? null : { oid: Number(match[1]), build: parseLsn(match[2] ?? '') };
}

/** The mirrors there are, by target: those that are read, and those that are built beside them. */
export interface Mirrors {
  readonly read: ReadonlyMap<string, MirrorIdentity | null>;
  readonly next: ReadonlyMap<string, MirrorIdentity | null>;
}

/** Looks for mirrors. null: one that does not say what it is, as those made by earlier versions. */
export async function findMirrors(clickhouse: ClickHouse, names: Names): Promise<Mirrors> {
  const rows = await clickhouse.rows<{ is_next: number; name: string; comment: string }>(
    `SELECT database = {internal:String} AS is_next, name, comment FROM system.tables
     WHERE (database = {database:String} AND engine LIKE '%MergeTree') OR (database = {internal:String} AND name LIKE {next:String})`,
    {
      params: { database: names.database, internal: names.internal, next: `%${nextMirror('').replaceAll('_', '\\_')}` },
    },
  );
  const those = (isNext: boolean): [string, MirrorIdentity | null][] =>
    rows
      .filter((row) => (row.is_next === 1) === isNext)
      .map(({ name, comment }) => [isNext ? name.slice(0, -nextMirror('').length) : name, readMirrorComment(comment)]);
  return { read: new Map(those(false)), next: new Map(those(true)) };
}

/** Whether a mirror holds these rows. */
export function isMirrorOf(found: MirrorIdentity | null | undefined, wanted: MirrorIdentity): boolean {
  return found?.oid === wanted.oid && found.build === wanted.build;
}

/** The columns of a mirror, besides those that every mirror has, and how its rows are sorted. */
export interface MirrorShape {
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    /** What its comment says; null: nothing, as those of earlier versions. */
    readonly attnum: number | null;
    readonly isInKey: boolean;
  }[];
  /** Plain names, separated by commas. */
  readonly sortingKey: string;
}

/** Looks at the mirrors that are read, by target; those that are not there are left out. */
export async function readMirrorShapes(
  clickhouse: ClickHouse,
  names: Names,
  targets: readonly string[],
): Promise<Map<string, MirrorShape>> {
  const rows = await clickhouse.rows<{
    table: string;
    sorting_key: string;
    columns: [string, string, string, number][];
  }>(
    `SELECT table, any(sorting_key) AS sorting_key, groupArray((name, type, comment, in_key)) AS columns
     FROM (SELECT c.table AS table, t.sorting_key AS sorting_key, c.name AS name, c.type AS type, c.comment AS comment,
                  c.is_in_sorting_key OR c.is_in_partition_key AS in_key
           FROM system.columns c INNER JOIN system.tables t ON t.database = c.database AND t.name = c.table
           WHERE c.database = {database:String} AND t.database = {database:String} AND t.engine LIKE '%MergeTree'
             AND c.table IN {targets:Array(String)} AND c.name NOT IN {own:Array(String)} ORDER BY c.table, c.position)
     GROUP BY table`,
    { params: { database: names.database, targets, own: [...OWN_COLUMNS] } },
  );
  return new Map(
    rows.map(({ table, sorting_key: key, columns }) => [
      table,
      {
        columns: columns.map(([name, type, comment, inKey]) => ({
          name,
          type,
          attnum: attnumOf(comment),
          isInKey: inKey === 1,
        })),
        // ClickHouse quotes where it must.
        sortingKey: key.replaceAll(/[`\\]/g, ''),
      },
    ]),
  );
}

/** Tables and views that are there, by their qualified names as {@link tableNames} writes them. */
export async function namesThere(clickhouse: ClickHouse, names: Names): Promise<ReadonlySet<string>> {
  const rows = await clickhouse.rows<{ database: string; name: string }>(
    'SELECT database, name FROM system.tables WHERE database IN ({database:String}, {internal:String})',
    { params: { database: names.database, internal: names.internal } },
  );
  return new Set(rows.map(({ database, name }) => `${chIdent(database)}.${chIdent(name)}`));
}
