/**
 * A table is built anew beside the mirror that is read, and takes its place once it is consistent:
 *
 *   asked for (state) ─► `<target>_next` made, landing goes there ─► load, stream ─► caught up
 *     ─► next session: view reads a clone ─► exchange ─► landing and view made anew ─► old mirror dropped ─► state
 *
 * Everything but load and stream happens in `prepare`, while nothing is written. Each step may be repeated: which of
 * two mirrors holds which rows is told by their comments (destination/mirrors.ts), not by how far a dead process was.
 *
 * Why it is exact: the changes committed before `fromLsn`, the position at which it was asked for, are left out, and
 * nothing is read before all transactions that ran at that time have ended.
 */
import { type Checkpoint, CLEAN } from '../destination/checkpoint.ts';
import { createTableStatements, currentView, nextMirror, tableNames } from '../destination/ddl.ts';
import { findMirrors, isMirrorOf, mirrorComment, type MirrorIdentity } from '../destination/mirrors.ts';
import type { TableState } from '../destination/table-state.ts';
import { type Lsn, maxLsn, NO_LSN } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import { endGhosts } from './ghosts.ts';
import { isBuiltBeside, type TableLayout } from './layout.ts';

/** A request to build a table anew. */
export interface RebuildRequest {
  /** End of the source's log: read when whatever is the reason had happened. */
  readonly lsn: Lsn;
  /** For people. */
  readonly why: string;
}

/** The state of a table that is to be built anew beside the mirror that is read. */
export function rebuiltState(state: TableState, { lsn, why }: RebuildRequest): TableState {
  return {
    ...state,
    phase: 'waiting',
    generation: state.generation + 1,
    shape: '',
    published: '',
    building: true,
    // Another one than the last, also when nothing was written in between.
    build: maxLsn(lsn, state.build + 1n),
    fromLsn: lsn,
    baseVersion: NO_LSN,
    baseTimeUs: 0n,
    chunksTotal: 0,
    loadEndLsn: NO_LSN,
    reason: why,
  };
}

/** A table that is to be loaded anew. */
export type RebuildTarget = Pick<TableLayout, 'table' | 'role' | 'history'> & { readonly state: TableState };

/**
 * The state that makes the next session build a table anew; to be written where nothing else is: in `prepare`, or
 * before a session that has left the table out ends. Tables of the ad schema are loaded again in place, as their rows
 * feed history and rollup; so are those that keep rows which the source has deleted.
 */
export async function stateToRebuild(copy: Copy, target: RebuildTarget, request: RebuildRequest): Promise<TableState> {
  const state = isBuiltBeside(target)
    ? rebuiltState(target.state, request)
    : await reloadInPlace(copy, target.state, request);
  if (target.role.kind !== 'plain') await withoutRollups(copy);
  return state;
}

/** Makes the next session build a table anew: see {@link stateToRebuild}. */
export async function requestRebuild(copy: Copy, target: RebuildTarget, request: RebuildRequest): Promise<TableState> {
  const state = await stateToRebuild(copy, target, request);
  await copy.tables.writeTable(state);
  return state;
}

/** Just below the next transaction's versions: what was applied is older, what is streamed from here on is newer. */
async function reloadInPlace(copy: Copy, state: TableState, { why }: RebuildRequest): Promise<TableState> {
  const checkpoint = await copy.checkpoint.read();
  const phase = 'waiting' as const;
  const load = {
    phase,
    published: '',
    generation: state.generation + 1,
    chunksTotal: 0,
    loadEndLsn: NO_LSN,
    reason: why,
  };
  if (checkpoint === null) return { ...state, ...load };
  return {
    ...state,
    ...load,
    baseVersion: checkpoint.commitLsn - 1n,
    baseTimeUs: checkpoint.appliedCommitTimeUs,
  };
}

/** First, so that rollups are rebuilt once too often rather than not at all. */
async function withoutRollups(copy: Copy): Promise<void> {
  const latest = await copy.checkpoint.read();
  if (latest === null || !latest.rollupsLive) return;
  const rebuilt = { plannedLsn: 0n, recovering: false, dirty: CLEAN, rollupsLive: false };
  await copy.checkpoint.write({ ...latest, ...rebuilt, epoch: copy.fence.epoch, seq: latest.seq + 1n });
}

/**
 * Brings a table that is being built into line with its state: makes its mirror, or lets it take the place of the one
 * that is read if it is consistent.
 *
 * @returns The state as it is then.
 */
export async function settleBuild(
  copy: Copy,
  layout: TableLayout,
  at: { state: TableState; checkpoint: Checkpoint | null; lsn: Lsn },
): Promise<TableState> {
  const { state, checkpoint } = at;
  const { target } = layout.table;
  const identity = { oid: layout.table.oid, build: state.build };
  const mirrors = await findMirrors(copy.clickhouse, copy.names);
  const isThere = isMirrorOf(mirrors.next.get(target), identity) || isMirrorOf(mirrors.read.get(target), identity);
  const isBegun = state.phase !== 'waiting' || state.chunksTotal > 0;
  if (!isThere && isBegun) {
    const why = 'the mirror that was being built beside the one that is read is gone';
    return await settleBuild(copy, layout, {
      ...at,
      state: await requestRebuild(copy, { ...layout, state }, { lsn: at.lsn, why }),
    });
  }
  if (await isConsistent(copy, state, checkpoint)) return await takePlace(copy, layout, { state, identity });
  if (!isThere) await drop(copy, tableNames(copy.names, target, true).mirror);
  await makeObjects(copy, layout, { building: true, identity });
  failPoint('next-made');
  return state;
}

/**
 * Removes what is left of a build that its table's state knows nothing of any more: it was given up for a load in
 * place. The landing leads to the mirror that is read again.
 */
export async function endBuild(copy: Copy, layout: TableLayout, identity: MirrorIdentity): Promise<void> {
  await makeObjects(copy, layout, { building: false, identity });
  await drop(copy, tableNames(copy.names, layout.table.target, true).mirror);
}

/** The stream has passed the last chunk, and no row waits for values. */
async function isConsistent(copy: Copy, state: TableState, checkpoint: Checkpoint | null): Promise<boolean> {
  if (checkpoint === null || state.phase !== 'catching_up' || checkpoint.appliedLsn < state.loadEndLsn) return false;
  return (await copy.tables.readIncomplete(state.table, state.generation)).length === 0;
}

/**
 * The built mirror takes the place of the one that is read. Readers of the view see its old columns and rows, or the
 * new ones, never a mixture: while the two are exchanged, the view reads a clone of the new one (hard links).
 */
async function takePlace(
  copy: Copy,
  layout: TableLayout,
  { state, identity }: { state: TableState; identity: MirrorIdentity },
): Promise<TableState> {
  const { clickhouse, names, fence } = copy;
  const { target } = layout.table;
  const next = tableNames(names, target, true).mirror;
  const clone = `${chIdent(names.internal)}.${chIdent(cloneName(target))}`;
  // Nothing in ClickHouse keeps a process that was replaced from an exchange.
  await fence.assertHeld();
  const mirrors = await findMirrors(clickhouse, names);
  if (!isMirrorOf(mirrors.read.get(target), identity)) {
    // A partitioned table may have been loaded again while it was built: into the rows of the first load.
    await endGhosts(copy, layout, { state, patience: null });
    await exchange(copy, layout, { next, clone: cloneName(target), hasMirror: mirrors.read.has(target) });
  }
  failPoint('exchanged');
  await leadToMirror(copy, layout, identity);
  await drop(copy, clone);
  await drop(copy, next);
  failPoint('old-mirror-dropped');
  const live: TableState = { ...state, phase: 'live', building: false, reason: '' };
  await copy.tables.writeTable(live);
  failPoint('place-taken');
  return live;
}

/**
 * Another table becomes the mirror that is read. Readers of the view see the old columns and rows, or the new ones:
 * it reads a clone of the new one from here on, until {@link leadToMirror}.
 *
 * @param with_.next Qualified name, quoted.
 * @param with_.clone Name in the internal database.
 */
export async function exchange(
  copy: Copy,
  layout: TableLayout,
  with_: { readonly next: string; readonly clone: string; readonly hasMirror: boolean },
): Promise<void> {
  const { next, hasMirror } = with_;
  const { mirror, current } = tableNames(copy.names, layout.table.target);
  const clone = `${chIdent(copy.names.internal)}.${chIdent(with_.clone)}`;
  if (!(await isShown(copy, layout, with_.clone))) {
    await drop(copy, clone);
    await run(copy, `CREATE TABLE ${clone} CLONE AS ${next}`);
    await run(copy, `CREATE OR REPLACE VIEW ${currentView(current, clone, layout.table)}`);
  }
  failPoint('clone-shown');
  await copy.fence.assertHeld();
  await run(copy, hasMirror ? `EXCHANGE TABLES ${mirror} AND ${next}` : `RENAME TABLE ${next} TO ${mirror}`);
}

/** View and landing are those of the mirror that is read. */
export async function leadToMirror(copy: Copy, layout: TableLayout, identity: MirrorIdentity): Promise<void> {
  const { mirror, current } = tableNames(copy.names, layout.table.target);
  await run(copy, `CREATE OR REPLACE VIEW ${currentView(current, mirror, layout.table)}`);
  await makeObjects(copy, { ...layout, building: false }, { building: false, identity });
}

/** Makes what rows are landed in anew, to go to the mirror meant, and the mirror if there is none. */
async function makeObjects(
  copy: Copy,
  layout: TableLayout,
  { building, identity }: { building: boolean; identity: MirrorIdentity },
): Promise<void> {
  const { landing, landingView } = tableNames(copy.names, layout.table.target);
  await run(copy, `DROP VIEW IF EXISTS ${landingView} SYNC`);
  await drop(copy, landing);
  const comment = mirrorComment(identity);
  for (const statement of createTableStatements(copy.names, layout.table, layout.codecs, { building, comment }))
    await run(copy, statement);
}

/** Whether the view reads the clone already: then a process died before the exchange. */
async function isShown({ clickhouse, names }: Copy, { table }: TableLayout, clone: string): Promise<boolean> {
  const rows = await clickhouse.rows(
    `SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {view:String}
       AND position(replaceAll(as_select, char(96), ''), {clone:String}) > 0`,
    { params: { database: names.database, view: `${table.target}_current`, clone: `.${clone}` } },
  );
  return rows.length > 0;
}

function cloneName(target: string): string {
  return `${nextMirror(target)}_clone`;
}

async function drop(copy: Copy, table: string): Promise<void> {
  await run(copy, `DROP TABLE IF EXISTS ${table} SYNC`);
}

async function run({ clickhouse, fence }: Copy, sql: string): Promise<void> {
  await clickhouse.command(sql, { settings: fence.settings('prepare') });
}
