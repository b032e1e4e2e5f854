/**
 * Moves mirrors to where the states of their tables say, by what they say of themselves (destination/mirrors.ts): a
 * table that was renamed, two that have exchanged their names. Each step may be repeated, whatever died.
 */
import { tableNames, viewOf } from '../destination/ddl.ts';
import { findMirrors, mirrorComment, type MirrorIdentity } from '../destination/mirrors.ts';
import type { TableState } from '../destination/table-state.ts';
import { isAdName } from '../model/roles.ts';
import type { SourceTable } from '../model/table.ts';
import { chLiteral } from '../model/quote.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';

/** One step: the mirror at `from` goes to `to`, and what is there goes the other way. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** Something is there: the two are exchanged. */
  readonly isExchange: boolean;
}

/**
 * The steps after which every mirror is where it belongs.
 *
 * @param mirrors What each mirror holds, by its name.
 * @param wanted Name of its mirror, by the oid of a table.
 */
export function planMoves(
  mirrors: ReadonlyMap<string, MirrorIdentity | null>,
  wanted: ReadonlyMap<number, string>,
): Move[] {
  const at = new Map([...mirrors].map(([name, identity]) => [name, identity?.oid ?? 0]));
  const moves: Move[] = [];
  for (const [oid, to] of wanted) {
    const from = [...at].find(([, holds]) => holds === oid)?.[0];
    if (from === undefined || at.get(to) === oid) continue;
    const other = at.get(to);
    moves.push({ from, to, isExchange: other !== undefined });
    at.set(to, oid);
    if (other === undefined) at.delete(from);
    else at.set(from, other);
  }
  return moves;
}

/** Brings all mirrors to their places, and removes those of `purged`. */
export async function placeMirrors(
  copy: Copy,
  states: ReadonlyMap<string, TableState>,
  { adSchema, purged }: { adSchema: boolean; purged: readonly TableState[] },
): Promise<void> {
  const { clickhouse, names, fence } = copy;
  const run = async (sql: string): Promise<void> =>
    void (await clickhouse.command(sql, { settings: fence.settings('prepare') }));
  for (const { target } of purged) {
    const { landingView, landing, current, mirror } = tableNames(names, target);
    for (const view of [landingView, current]) await run(`DROP VIEW IF EXISTS ${view} SYNC`);
    for (const table of [landing, mirror, tableNames(names, target, true).mirror])
      await run(`DROP TABLE IF EXISTS ${table} SYNC`);
  }
  const own = [...states.values()].filter(({ oid, table }) => oid !== 0 && !(adSchema && isAdLabel(table)));
  const mirrors = await findMirrors(clickhouse, names);
  for (const { target, oid, build, building } of own)
    if (mirrors.read.get(target) === null && !building)
      await run(
        `ALTER TABLE ${tableNames(names, target).mirror} MODIFY COMMENT ${chLiteral(mirrorComment({ oid, build }))}`,
      );
  const wanted = new Map(own.map(({ oid, target }) => [oid, target]));
  for (const isNext of [false, true]) {
    const moves = planMoves(isNext ? mirrors.next : mirrors.read, wanted);
    if (moves.length > 0) await fence.assertHeld();
    for (const { from, to, isExchange } of moves) {
      for (const name of [from, to]) {
        const { landingView, landing, current } = tableNames(names, name);
        await run(`DROP VIEW IF EXISTS ${landingView} SYNC`);
        await run(`DROP TABLE IF EXISTS ${landing} SYNC`);
        await run(`DROP VIEW IF EXISTS ${current} SYNC`);
      }
      const [source, place] = [from, to].map((name) => tableNames(names, name, isNext).mirror);
      await run(isExchange ? `EXCHANGE TABLES ${source} AND ${place}` : `RENAME TABLE ${source} TO ${place}`);
      failPoint('mirror-moved');
    }
  }
  await makeViews(copy, own);
}

function isAdLabel(label: string): boolean {
  const [schema = '', name = ''] = label.split('.');
  return isAdName({ schema, name } as SourceTable);
}

/** Views of mirrors that have none: they were moved. */
async function makeViews(copy: Copy, states: readonly TableState[]): Promise<void> {
  const { clickhouse, names, fence } = copy;
  // A table that is left out may have the name of another one's view: only mirrors get views.
  const { read } = await findMirrors(clickhouse, names);
  const targets = states.map(({ target }) => target).filter((target) => read.has(target));
  const rows = await clickhouse.rows<{ table: string; columns: string[] }>(
    `SELECT table, groupArray(name) AS columns FROM (SELECT table, name FROM system.columns
       WHERE database = {database:String} ORDER BY table, position)
     WHERE table IN {targets:Array(String)} AND (concat(table, '_current') NOT IN
       (SELECT name FROM system.tables WHERE database = {database:String})) GROUP BY table ORDER BY table`,
    { params: { database: names.database, targets } },
  );
  for (const { table, columns } of rows) {
    const { current, mirror } = tableNames(names, table);
    await clickhouse.command(`CREATE VIEW IF NOT EXISTS ${viewOf(current, mirror, columns)}`, {
      settings: fence.settings('prepare'),
    });
  }
}
