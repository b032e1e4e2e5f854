/**
 * What mirrors say of themselves: of which table their rows are, and when they were asked for. A mirror is told apart by
 * that when a process died between an exchange of two and the state that would have said so.
 */
import { formatLsn, type Lsn, parseLsn } from '../model/lsn.ts';
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
