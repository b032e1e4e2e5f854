/** Gathers what a start depends on (recovery.ts decides about it). Reads only. */
import type pg from 'pg';
import { type Checkpoint, isClean } from '../destination/checkpoint.ts';
import { ticketOf } from '../destination/fence.ts';
import { tableNames } from '../destination/ddl.ts';
import { findMirrors } from '../destination/mirrors.ts';
import type { TableState } from '../destination/table-state.ts';
import { type Lsn, maxLsn } from '../model/lsn.ts';
import { tableLabel } from '../model/table.ts';
import { type Journal } from '../source/journal.ts';
import { identifySource } from '../source/identity.ts';
import { currentLsn, inspectSlot } from '../source/slot.ts';
import type { Copy } from './copy.ts';
import type { CheckpointFacts, CopyFacts, JournalFacts, SlotFacts, SourceFacts } from './recovery.ts';
import type { TableLayout } from './layout.ts';

/** Of the source, at one moment. */
export interface SourceSide {
  readonly slot: SlotFacts | null;
  readonly source: Omit<SourceFacts, 'idsFell'>;
  /** Transaction id drawn for this start. */
  readonly ticket: bigint;
}

/** Asks the source. */
export async function gatherSource(
  client: pg.Client,
  options: { postgresUrl: string; slot: string },
  ticket: bigint,
): Promise<SourceSide> {
  const slot = await inspectSlot(client, options.slot);
  const identity = await identifySource(client, options.postgresUrl);
  return { slot, source: { ...identity, reachableLsn: await currentLsn(client) }, ticket };
}

/** The same behind the fence: until it stood, an earlier writer could apply what had just been committed. */
export async function atEndOfLog(client: pg.Client, side: SourceSide): Promise<SourceSide> {
  const lsn = await currentLsn(client);
  return { ...side, source: { ...side.source, reachableLsn: lsn, endLsn: maxLsn(side.source.endLsn, lsn) } };
}

/** What the journal tells the decision. */
export function journalFacts(journal: Journal | null): JournalFacts | null {
  return journal === null || journal.from === null ? null : { fromLsn: journal.from, toLsn: journal.to };
}

/** What the checkpoint tells the decision. */
export function checkpointFacts(found: Checkpoint | null): CheckpointFacts | null {
  return found === null ? null : { ...found, isClean: isClean(found.dirty), timeline: found.sourceTimeline };
}

/** Whether this start's ticket is lower than that of the epoch before. */
export function sourceFacts(side: SourceSide, found: Checkpoint | null): SourceFacts {
  return { ...side.source, idsFell: found !== null && side.ticket < ticketOf(found.epoch) };
}

/**
 * Asks the copy.
 *
 * @param look `withVersions`: also for the highest versions, which reads a column of each mirror.
 */
export async function gatherCopy(
  copy: Copy,
  layouts: readonly TableLayout[],
  look: { checkpoint: Checkpoint | null; states: ReadonlyMap<string, TableState>; withVersions: boolean },
): Promise<CopyFacts> {
  const { database } = copy.names;
  const known = layouts.filter(({ table }) => look.states.has(tableLabel(table)));
  // One that is built anew takes the place of a mirror that need not be there.
  const { read, next } = await findMirrors(copy.clickhouse, copy.names);
  const held = new Set([...read.values()].map((identity) => identity?.oid));
  const finished = known.filter(({ table, building }) => {
    const state = look.states.get(tableLabel(table));
    // Made known by a start that died before it had made the mirror, or moved it to its name.
    const isUnmade = state?.phase === 'waiting' && state.published === '';
    return !building && !isUnmade && (state?.oid === 0 || !held.has(table.oid) || read.has(table.target));
  });
  const wanted = finished.flatMap(({ table, history }) => [
    table.target,
    ...(history ? [`${table.target}_history`] : []),
  ]);
  if (look.checkpoint?.rollupsLive === true) wanted.push('campaign_hourly');
  const targets = layouts.map(({ table }) => table.target);
  const found = await copy.clickhouse.rows<{ name: string; rows: string | null }>(
    'SELECT name, total_rows AS rows FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}',
    { params: { database, names: [...wanted, ...targets] } },
  );
  const there = new Map(found.map(({ name, rows }) => [name, Number(rows ?? 0)]));
  const strange = look.checkpoint === null ? targets.find((target) => (there.get(target) ?? 0) > 0) : undefined;
  const missing = look.checkpoint === null ? [] : wanted.filter((name) => !there.has(name));
  const present = known.filter(({ table }) => there.has(table.target));
  const isCounted = ({ role }: TableLayout): boolean => role.kind !== 'plain';
  const newest = look.withVersions ? await newestVersions(copy, present, next) : null;
  const newestOf = (those: readonly TableLayout[]): Lsn | null =>
    newest === null ? null : those.map((layout) => newest.get(layout) ?? 0n).reduce(maxLsn, 0n);
  return {
    strangeRows: strange === undefined ? null : `${database}.${strange}`,
    missing: missing.map((name) => `${database}.${name}`),
    newestVersion: newestOf(present),
    newestCounted: newestOf(present.filter(isCounted)),
  };
}

/** The highest version of each; of a table that is built anew in both its mirrors. */
async function newestVersions(
  copy: Copy,
  layouts: readonly TableLayout[],
  next: ReadonlyMap<string, unknown>,
): Promise<ReadonlyMap<TableLayout, Lsn>> {
  const parts = layouts.flatMap(({ table }, i) => {
    const mirrors = [tableNames(copy.names, table.target).mirror];
    // The new one may not be made yet.
    if (next.has(table.target)) mirrors.push(tableNames(copy.names, table.target, true).mirror);
    return mirrors.map((mirror) => `SELECT ${i} AS i, max(_version) AS v FROM ${mirror}`);
  });
  if (parts.length === 0) return new Map();
  const rows = await copy.clickhouse.rows<{ i: number; newest: string }>(
    `SELECT i, max(v) AS newest FROM (${parts.join(' UNION ALL ')}) GROUP BY i`,
  );
  return new Map(rows.map(({ i, newest }) => [layouts[i] as TableLayout, BigInt(newest)]));
}
