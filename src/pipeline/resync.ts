/**
 * Makes the next start load tables again: readers keep the rows they have until the new ones are there. While nothing
 * is missing in the slot, each table is built anew by itself (rebuild.ts). Else the whole copy is loaded in place:
 *
 *   fence raised ─► new slot ─► states: waiting, base version ─► checkpoint: rollups to be built
 *
 * The checkpoint comes last: a resync that is cut short is found at the next start as what it was to repair, and done
 * again. Loaded rows carry the base version: above everything that was streamed before it, below everything that will
 * be. Rows that are neither loaded again nor streamed get tombstones when the table is consistent (ghosts.ts).
 */
import type pg from 'pg';
import { CLEAN, type Checkpoint } from '../destination/checkpoint.ts';
import { chIdent } from '../model/quote.ts';
import { migrateClickHouse } from '../destination/schema.ts';
import { newTableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import { tableLabel } from '../model/table.ts';
import { connectPostgres } from '../source/connection.ts';
import { currentLsn } from '../source/slot.ts';
import { lockStart } from '../source/start-lock.ts';
import { findJournal } from './away.ts';
import { withoutComputedFaults } from './computed-columns.ts';
import type { Copy } from './copy.ts';
import { beginPastAnew } from './event-history.ts';
import { checkpointFacts, gatherCopy, gatherSource, journalFacts, sourceFacts, type SourceSide } from './facts.ts';
import { addedTables, readKnownTables } from './known-tables.ts';
import { lookAtSource } from './look.ts';
import type { PipelineOptions } from './options.ts';
import { layoutsOf, makeSlot, makeTables, writtenTables } from './prepare.ts';
import { requestRebuild } from './rebuild.ts';
import { decide, type Decision } from './recovery.ts';
import type { TableLayout } from './layout.ts';

/** What will be loaded again, and from where on. */
export interface Resync {
  /** `schema.table` in the source. */
  readonly tables: readonly string[];
  /** Why the whole copy has to be loaded; empty when it was only asked for. */
  readonly why: string;
  /** The slot was made anew: changes between the old and the new position are seen by their result only. */
  readonly hasNewSlot: boolean;
  /** The copy held later positions than the source has: its tables were emptied first. */
  readonly isEmptied: boolean;
  readonly lsn: bigint;
}

/**
 * Prepares a resync. Nothing is loaded before the next start of the pipeline.
 *
 * @param wanted `schema.table`; empty: all.
 * @throws {AppError} `SLOT_BUSY` while a pipeline runs; `USAGE` for tables that are not copied, or when single tables
 *   are asked for and the whole copy has to be loaded; the refusals of recovery.ts.
 */
export async function resync(copy: Copy, options: PipelineOptions, wanted: readonly string[]): Promise<Resync> {
  const client = await connectPostgres(options.postgresUrl);
  try {
    return await resyncOn(client, copy, { options, wanted });
  } finally {
    await client.end();
  }
}

async function resyncOn(
  client: pg.Client,
  copy: Copy,
  { options, wanted }: { options: PipelineOptions; wanted: readonly string[] },
): Promise<Resync> {
  const ticket = await lockStart(client, options.slot);
  const before = await readKnownTables(copy);
  const look = await lookAtSource(client, options, addedTables(before));
  const { tables } = await withoutComputedFaults(copy.clickhouse, look.catalog);
  const { layouts, adSchema } = layoutsOf(tables, before);
  const side = await gatherSource(client, options, ticket);
  const facts = await gatherCopy(copy, layouts, { ...before, withVersions: true });
  const { checkpoint } = before;
  const source = sourceFacts(side, checkpoint);
  const journal = journalFacts(await findJournal(options, side.source.sourceId));
  const decision = decide({ checkpoint: checkpointFacts(checkpoint), slot: side.slot, source, journal, copy: facts });
  const chosen = chosenTables(layouts, wanted, decision);
  await migrateClickHouse(copy.clickhouse, copy.names, { adSchema, url: options.clickhouseUrl, again: true });
  await copy.fence.raise(ticket, checkpoint?.epoch ?? 0n);
  await makeTables(copy, layouts, { adSchema, look, checkpoint });
  const latest = await copy.checkpoint.read();
  if (latest === null) throw new AppError('USAGE', 'there is no copy yet: start it with `millrace run`');
  if (decision.kind === 'continue') return await rebuild(client, copy, chosen, latest);
  const next = await nextCheckpoint(client, copy, { latest, side, options });
  const isEmptied = (facts.newestVersion ?? 0n) >= next.commitLsn;
  if (isEmptied) await empty(copy, chosen);
  await beginPastAnew(copy, next.appliedLsn);
  await writeStates(copy, chosen, next);
  await copy.checkpoint.write(next);
  const labels = chosen.map(({ table }) => tableLabel(table));
  const why = decision.kind === 'resync' ? decision.why : '';
  return { tables: labels, why, hasNewSlot: true, isEmptied, lsn: next.appliedLsn };
}

/** Nothing is missing in the slot: each table is loaded again on its own. */
async function rebuild(
  client: pg.Client,
  copy: Copy,
  chosen: readonly TableLayout[],
  { appliedLsn }: Checkpoint,
): Promise<Resync> {
  const states = await copy.tables.readTables();
  const request = { lsn: await currentLsn(client), why: 'it was asked for' };
  for (const layout of chosen) {
    const state = states.get(tableLabel(layout.table)) ?? newTableState(layout.table);
    await requestRebuild(copy, { ...layout, state }, request);
  }
  const tables = chosen.map(({ table }) => tableLabel(table));
  return { tables, why: '', hasNewSlot: false, isEmptied: false, lsn: appliedLsn };
}

/** The tables to load. @throws {AppError} when that cannot be done. */
function chosenTables(layouts: readonly TableLayout[], wanted: readonly string[], decision: Decision): TableLayout[] {
  if (decision.kind === 'refuse') throw new AppError(decision.code, decision.why);
  if (decision.kind === 'first start' || decision.kind === 'remake slot')
    throw new AppError('USAGE', 'there is no copy yet: start it with `millrace run`');
  const strange = wanted.find((name) => !layouts.some(({ table }) => tableLabel(table) === name));
  if (strange !== undefined) throw new AppError('USAGE', `${strange} is not copied: write schema.table`);
  if (decision.kind === 'resync' && wanted.length > 0)
    throw new AppError('USAGE', `the whole copy has to be loaded again, name no tables: ${decision.why}`);
  return layouts.filter(({ table }) => wanted.length === 0 || wanted.includes(tableLabel(table)));
}

/** Where the copy stands afterwards: at the new slot's start. */
async function nextCheckpoint(
  client: pg.Client,
  copy: Copy,
  { latest, side, options }: { latest: Checkpoint; side: SourceSide; options: PipelineOptions },
): Promise<Checkpoint> {
  const rebuilt = { plannedLsn: 0n, recovering: false, dirty: CLEAN, rollupsLive: false };
  const { startLsn, clockUs } = await makeSlot(client, options, side.slot !== null);
  const place = { appliedLsn: startLsn, commitLsn: startLsn, appliedCommitTimeUs: clockUs };
  const writer = { epoch: copy.fence.epoch, seq: latest.seq + 1n };
  return { ...latest, ...writer, ...rebuilt, ...place, sourceTimeline: side.source.timeline };
}

/** Versions of a later time than the source's own would win over everything that is loaded. */
async function empty(copy: Copy, chosen: readonly TableLayout[]): Promise<void> {
  const written = [...new Set(chosen.flatMap(writtenTables))].filter((name) => name !== 'campaign_hourly');
  const mirrors = new Set(chosen.map(({ table }) => table.target));
  // Mirrors last: it is by their versions that one that was cut short is known.
  const names = written.toSorted((a, b) => Number(mirrors.has(a)) - Number(mirrors.has(b)));
  for (const name of names) {
    const table = `${chIdent(copy.names.database)}.${chIdent(name)}`;
    const settings = { ...copy.fence.settings('resync'), mutations_sync: 1 };
    await copy.clickhouse.command(`ALTER TABLE ${table} DELETE WHERE ${copy.fence.condition}`, { settings });
  }
}

/** Just below the next transaction's versions: what was applied is older, what is streamed from here on is newer. */
async function writeStates(copy: Copy, chosen: readonly TableLayout[], next: Checkpoint): Promise<void> {
  const states = await copy.tables.readTables();
  for (const { table } of chosen) {
    const known = states.get(tableLabel(table)) ?? newTableState(table);
    const base = { baseVersion: next.commitLsn - 1n, baseTimeUs: next.appliedCommitTimeUs };
    await copy.tables.writeTable({
      ...newTableState(table),
      ...base,
      shape: known.shape,
      generation: known.generation + 1,
      build: known.build,
      chosen: known.chosen,
      rowsEstimated: known.rowsEstimated,
    });
  }
}
