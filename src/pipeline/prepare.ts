/**
 * Everything before the first byte of the stream: the tables, the objects of the copy, publication, slot and
 * checkpoint. Nothing is touched before the source has been checked; every step may be repeated. What is done with
 * what is found is decided in recovery.ts.
 */
import type pg from 'pg';
import { codecFor } from '../codec/codecs.ts';
import { type Checkpoint, CheckpointStore, CLEAN } from '../destination/checkpoint.ts';
import { ClickHouse } from '../destination/client.ts';
import { createTableStatements, type Names, tableNames } from '../destination/ddl.ts';
import { findMirrors, mirrorComment, namesThere, readMirrorShapes } from '../destination/mirrors.ts';
import { Fence, fenceTables } from '../destination/fence.ts';
import { migrateClickHouse } from '../destination/schema.ts';
import { isFollowed, type TableState, TableStateStore } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import { type Lsn, NO_LSN } from '../model/lsn.ts';
import { hasHistory, isAdSchema, roleOf } from '../model/roles.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import { connectPostgres, endConnection, pgRows } from '../source/connection.ts';
import type { Journal } from '../source/journal.ts';
import { withoutFilterFaults } from '../source/row-filter.ts';
import { createSlot, currentLsn, describeOlder, dropSlot, waitForOlderTransactions } from '../source/slot.ts';
import { lockStart } from '../source/start-lock.ts';
import { finishAlterations } from './alter-mirror.ts';
import { findJournal } from './away.ts';
import { bringViewsIntoLine, withoutComputedFaults } from './computed-columns.ts';
import type { Copy } from './copy.ts';
import {
  atEndOfLog,
  checkpointFacts,
  gatherCopy,
  gatherSource,
  journalFacts,
  sourceFacts,
  type SourceSide,
} from './facts.ts';
import { bringEventHistory, keepStart } from './event-history.ts';
import { failPoint } from './fail-points.ts';
import { addedTables, type KnownTables, quarantinedState, readKnownTables, shapeFault } from './known-tables.ts';
import { lineUp } from './line-up.ts';
import { type Look, lookAtSource, withPublication } from './look.ts';
import { NOTHING_YET, type PipelineOptions } from './options.ts';
import { bringPartitionsIntoLine } from './partitions.ts';
import { bringPricingRules } from './pricing-rules.ts';
import { publish } from './publish.ts';
import { publishGenerated } from './publish-generated.ts';
import { decide, type Decision } from './recovery.ts';
import { endBuild, settleBuild } from './rebuild.ts';
import { lookedAt, reshape, type Unreadable } from './reshape.ts';
import { bringRulesIntoLine } from './rules-in-line.ts';
import { isInPlace, type TableLayout } from './layout.ts';

/** A pipeline that is ready to stream. Others cannot start on its slot until it is disposed of: once the stream is open. */
export interface Prepared extends AsyncDisposable {
  readonly copy: Copy;
  readonly layouts: readonly TableLayout[];
  readonly checkpoint: Checkpoint;
  readonly states: ReadonlyMap<string, TableState>;
  /** The ad schema is in use: there are rollups to keep. */
  readonly adSchema: boolean;
  /** What the source was told to forget while ClickHouse was away; applied before anything newer. null: nothing. */
  readonly journal: Journal | null;
  /** How the session begins. */
  readonly start: Extract<Decision, { kind: 'continue' }>;
  /** Timeline of the source. */
  readonly sourceTimeline: number;
  /** The catalogue as the session is prepared for it. */
  readonly look: Look;
}

/** Opens the connection to the copy. The caller disposes of its `clickhouse`. @param signal Ends every statement; default: the stop. */
export function openCopy(options: PipelineOptions, signal = options.signal): Copy {
  const names: Names = { database: options.database, internal: options.internalDatabase };
  const clickhouse = new ClickHouse(options.clickhouseUrl, { signal });
  const fence = new Fence(clickhouse, names, options.slot);
  return {
    clickhouse,
    names,
    pipeline: options.slot,
    fence,
    checkpoint: new CheckpointStore(clickhouse, names, options.slot),
    tables: new TableStateStore(clickhouse, names, options.slot, fence),
  };
}

/**
 * Brings source and copy into a state to stream from, and makes this process the only one that writes to the copy.
 *
 * @param unreadable Tables whose changes the last session could not read: they are built anew.
 * @throws {AppError} `CONFIG_INVALID`, `TABLE_UNSUITABLE`, `FENCED`, the codes of recovery.ts, and those of
 *   connections and migrations.
 */
export async function prepare(copy: Copy, options: PipelineOptions, unreadable: Unreadable): Promise<Prepared> {
  const { signal } = options;
  // Making a slot may wait for ever: the session is dropped at the stop.
  const client = await connectPostgres(options.postgresUrl, { signal });
  try {
    const prepared = await prepareOn(client, copy, options, unreadable);
    // The session is kept, and the lock on the start with it.
    return { ...prepared, [Symbol.asyncDispose]: () => endConnection(client) };
  } catch (error) {
    await endConnection(client);
    signal.throwIfAborted();
    throw error;
  }
}

/** The same on a session that is there already. */
export async function prepareOn(
  client: pg.Client,
  copy: Copy,
  options: PipelineOptions,
  unreadable: Unreadable,
): Promise<Omit<Prepared, typeof Symbol.asyncDispose>> {
  // A session of ours that lost its connection, and found its place taken when it came back.
  await copy.fence.assertHeld();
  const isFirstSession = copy.fence.epoch === 0n;
  const ticket = await lockStart(client, options.slot);
  const before = await readKnownTables(copy);
  const read = await lookAtSource(client, options, addedTables(before));
  const catalog = await withoutComputedFaults(copy.clickhouse, await withoutFilterFaults(client, read.catalog));
  const { tables } = catalog;
  const seen: Look = { ...read, catalog, tables };
  const { layouts: found, adSchema } = layoutsOf(followedIn(tables, before.states), before);
  const side = await gatherSource(client, options, ticket);
  const journal = await findJournal(options, side.source.sourceId);
  unlessRefused(await decideOn(copy, found, { side, journal, known: before, withVersions: hasSwitched(before, side) }));
  await migrateClickHouse(copy.clickhouse, copy.names, { adSchema, url: options.clickhouseUrl });
  await copy.fence.raise(ticket, before.checkpoint?.epoch ?? 0n);
  failPoint('fence-raised');
  // Read again: until the fence stood, an earlier writer could still write.
  const known = await readKnownTables(copy);
  const withVersions = isFirstSession || hasSwitched(known, side);
  const behind = await atEndOfLog(client, side);
  const decision = unlessRefused(await decideOn(copy, found, { side: behind, journal, known, withVersions }));
  const { publication, log } = options;
  const { reachableLsn } = behind.source;
  const facts = { ...known, requests: before.requests, catalog, adSchema, publication, lsn: reachableLsn };
  const inLine = await lineUp(client, copy, facts, log);
  const followed = followedIn(tables, inLine);
  const opened = await publishGenerated(client, copy, { followed, states: inLine, lsn: reachableLsn, options });
  const { lsn } = opened;
  const linedUp = { ...known, states: opened.states };
  const ruled = await bringRulesIntoLine(client, copy, { followed, adSchema, states: linedUp.states, options });
  const kept = followedIn(followed, ruled);
  const seenAs = { look: seen, states: ruled, adSchema, lsn, unreadable };
  const reshaped = await reshape(copy, layoutsOf(kept, { ...linedUp, states: ruled }).layouts, seenAs);
  const settling = { ...linedUp, states: reshaped };
  const states = await settleBuilds(copy, layoutsOf(kept, settling).layouts, { known: settling, lsn });
  const laidOut = layoutsOf(kept, { ...known, states }).layouts;
  await finishAlterations(copy, laidOut, states);
  const layouts = await bringEventHistory(copy, laidOut, { ...known, ...options });
  await makeTables(copy, layouts, { adSchema, look: seen, checkpoint: known.checkpoint });
  if (adSchema) await bringPricingRules(copy, options.pricingRules);
  failPoint('tables-made');
  await publish(client, copy, { publication, tables, log });
  const look = await withPublication(seen, client, publication);
  failPoint('publication-made');
  const reached = (await copy.checkpoint.read()) ?? (await firstCheckpoint(client, copy, { side, options }));
  const { checkpoint, states: latest } = await partitionsInLine(client, copy, {
    layouts,
    checkpoint: reached,
    options,
  });
  if (options.eventHistory === 'on') await keepStart(copy, checkpoint);
  const isAsDecided = checkpoint === reached && checkpoint.rollupsLive === (known.checkpoint?.rollupsLive ?? false);
  const start = decision.kind === 'continue' && isAsDecided ? decision : FROM_NOTHING;
  const prints = new Map(look.prints.map(({ oid, columns }) => [oid, columns]));
  const placed = layouts.map((layout) => ({
    ...placedAs(layout, latest.get(tableLabel(layout.table))),
    print: prints.get(layout.table.oid),
  }));
  const { timeline: sourceTimeline } = side.source;
  const ready = { layouts: placed, checkpoint, states: latest, adSchema, journal, start, look, sourceTimeline };
  return { copy, ...ready };
}

/** Those of the tables that are followed; of which nothing is known will be. */
function followedIn(tables: readonly SourceTable[], states: ReadonlyMap<string, TableState>): SourceTable[] {
  return tables.filter((table) => isFollowed(states.get(tableLabel(table))?.phase ?? 'waiting'));
}

/** Partitions as they are by now, recorded; what is loaded again because of them is told. */
async function partitionsInLine(
  client: pg.Client,
  copy: Copy,
  found: { layouts: readonly TableLayout[]; checkpoint: Checkpoint; options: PipelineOptions },
): Promise<{ checkpoint: Checkpoint; states: Map<string, TableState> }> {
  const { layouts, options } = found;
  const states = await copy.tables.readTables();
  if (!layouts.some(({ table }) => table.leaves !== undefined)) return { checkpoint: found.checkpoint, states };
  const place = { checkpoint: found.checkpoint, states, lsn: await currentLsn(client) };
  const { checkpoint, reloaded } = await bringPartitionsIntoLine(copy, layouts, place);
  for (const [table, why] of reloaded) options.log.warn({ table, why }, 'the table is loaded again');
  return { checkpoint, states: await copy.tables.readTables() };
}

/** A layout where its state says that rows go. */
function placedAs(layout: TableLayout, state: TableState | undefined): TableLayout {
  return state === undefined ? layout : { ...layout, building: state.building, fromLsn: state.fromLsn };
}

/** Whether the source is on another timeline than the one the copy has followed. */
function hasSwitched({ checkpoint }: KnownTables, { source }: SourceSide): boolean {
  return checkpoint !== null && checkpoint.sourceTimeline !== source.timeline;
}

/** How a first session begins. */
const FROM_NOTHING = { kind: 'continue', mode: 'load', recoverUntil: null } as const;

async function decideOn(
  copy: Copy,
  layouts: readonly TableLayout[],
  found: { side: SourceSide; journal: Journal | null; known: KnownTables; withVersions: boolean },
): Promise<Decision> {
  const { side, journal, known, withVersions } = found;
  return decide({
    checkpoint: checkpointFacts(known.checkpoint),
    slot: side.slot,
    source: sourceFacts(side, known.checkpoint),
    journal: journalFacts(journal),
    copy: await gatherCopy(copy, layouts, { ...known, withVersions }),
  });
}

/** @throws {AppError} for a decision that needs the operator. */
function unlessRefused(decision: Decision): Exclude<Decision, { code: string }> {
  if (decision.kind === 'refuse' || decision.kind === 'resync') throw new AppError(decision.code, decision.why);
  return decision;
}

/** Before the first start. */
const NOTHING_KNOWN = { adSchema: false, states: new Map<string, TableState>() };

/**
 * Codecs and roles of the tables.
 *
 * @param known.adSchema The ad schema was recognised at an earlier start.
 * @throws {AppError} `CONFIG_INVALID` for a column that cannot be what its rule says, naming table and column.
 */
export function layoutsOf(
  tables: readonly SourceTable[],
  known: { readonly adSchema: boolean; readonly states: ReadonlyMap<string, TableState> } = NOTHING_KNOWN,
): { layouts: TableLayout[]; adSchema: boolean } {
  const adSchema = known.adSchema || isAdSchema(tables);
  const layouts = tables.map((table): TableLayout => {
    const codecs = table.columns.map((column) => {
      try {
        return codecFor(column);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        throw new AppError(error.code, `${tableLabel(table)}: ${error.message}`, {
          cause: error,
          details: error.details,
        });
      }
    });
    const { building = false, fromLsn = NO_LSN } = known.states.get(tableLabel(table)) ?? {};
    return { table, codecs, role: roleOf(table, adSchema), history: hasHistory(table, adSchema), building, fromLsn };
  });
  return { layouts, adSchema };
}

/** The ad tables come from sql/clickhouse; everything else is made here. @param there Names of what is there. */
async function createMirror(
  copy: Copy,
  layout: TableLayout,
  { build, there }: { build: Lsn; there: ReadonlySet<string> },
): Promise<void> {
  if (isInPlace(layout)) return;
  // A thousand tables are four thousand statements: none of them for a table that has all it needs.
  if (Object.values(tableNames(copy.names, layout.table.target)).every((name) => there.has(name))) return;
  const { oid } = layout.table;
  const at = { building: false, comment: mirrorComment({ oid, build }) };
  for (const statement of createTableStatements(copy.names, layout.table, layout.codecs, at)) {
    await copy.clickhouse.command(statement);
  }
}

/** Brings tables that are built beside their mirrors into line with their states; what is left of builds that were given up goes. */
async function settleBuilds(
  copy: Copy,
  layouts: readonly TableLayout[],
  at: { known: KnownTables; lsn: Lsn },
): Promise<ReadonlyMap<string, TableState>> {
  const states = new Map(at.known.states);
  const { next } = await findMirrors(copy.clickhouse, copy.names);
  for (const layout of layouts) {
    const { table, building } = layout;
    const state = states.get(tableLabel(table));
    if (state === undefined || isInPlace(layout)) continue;
    if (building)
      states.set(state.table, await settleBuild(copy, layout, { ...at, checkpoint: at.known.checkpoint, state }));
    else if (next.has(table.target)) await endBuild(copy, layout, { oid: table.oid, build: state.build });
  }
  return states;
}

/**
 * Every table has a mirror and a state before the copy has a position, so that nobody takes a copy for complete
 * that lacks tables; one whose columns have changed meanwhile is quarantined.
 */
export async function makeTables(
  copy: Copy,
  layouts: readonly TableLayout[],
  start: { readonly adSchema: boolean; readonly look: Look; readonly checkpoint: Checkpoint | null },
): Promise<void> {
  const states = await copy.tables.readTables();
  await fenceTables(copy.clickhouse, copy.names, layouts.flatMap(writtenTables));
  const targets = layouts.map(({ table }) => table.target);
  const mirrors = await readMirrorShapes(copy.clickhouse, copy.names, targets);
  const there = await namesThere(copy.clickhouse, copy.names);
  const written: TableState[] = [];
  const placed: TableLayout[] = [];
  for (const layout of layouts) {
    const state = states.get(tableLabel(layout.table));
    if (layout.building) continue;
    const fault = shapeFault(mirrors.get(layout.table.target), layout, start.adSchema);
    if (fault !== null && start.checkpoint === null) {
      throw new AppError(
        'NOT_EMPTY',
        `${tableNames(copy.names, layout.table.target).mirror} is there already with other columns (${fault})`,
      );
    }
    if (fault === null) await createMirror(copy, layout, { build: state?.build ?? NO_LSN, there });
    const next =
      fault === null
        ? lookedAt(layout, state, { look: start.look, appliedLsn: start.checkpoint?.appliedLsn ?? NO_LSN })
        : quarantinedState(layout.table, state, fault);
    if (next !== state) written.push(next);
    if (fault === null) placed.push(layout);
  }
  await bringViewsIntoLine(copy, placed);
  if (written.length > 0) await copy.tables.writeTables({ written, forgotten: [], renamed: [] });
}

/** What changes of a table are written to, in the users' database. */
export function writtenTables({ table, role, history }: TableLayout): string[] {
  const rollups = role.kind === 'events' ? ['campaign_hourly'] : [];
  return [table.target, ...(history ? [`${table.target}_history`] : []), ...rollups];
}

async function firstCheckpoint(
  client: pg.Client,
  copy: Copy,
  first: { side: SourceSide; options: PipelineOptions },
): Promise<Checkpoint> {
  const { startLsn, clockUs } = await makeSlot(client, first.options, first.side.slot !== null);
  const checkpoint: Checkpoint = {
    epoch: copy.fence.epoch,
    seq: 1n,
    appliedLsn: startLsn,
    commitLsn: startLsn,
    appliedCommitTimeUs: clockUs,
    plannedLsn: 0n,
    recovering: false,
    dirty: CLEAN,
    rollupsLive: false,
    sourceId: first.side.source.sourceId,
    sourceTimeline: first.side.source.timeline,
  };
  await copy.checkpoint.write(checkpoint);
  failPoint('first-checkpoint');
  return checkpoint;
}

/**
 * Makes the slot, anew if there is one.
 *
 * @returns Where it starts, and a time of the source's clock before which everything lies before that.
 */
export async function makeSlot(
  client: pg.Client,
  options: PipelineOptions,
  isThere: boolean,
): Promise<{ startLsn: Lsn; clockUs: bigint }> {
  const { slot: name, signal, onProgress, log } = options;
  if (isThere) await dropSlot(client, name);
  // PostgreSQL makes a slot only when the transactions that write now have ended. Waited for here first, to say so.
  await waitForOlderTransactions(client, {
    signal,
    onWait: (older) => {
      const waitingFor = describeOlder(older);
      log.debug({ waitingFor }, 'the slot waits for older transactions');
      onProgress?.({ ...NOTHING_YET, waitingFor: `older transactions of PostgreSQL: ${waitingFor}` });
    },
  });
  // Read before the slot exists: whatever was committed by then lies before its start.
  const [clock] = await pgRows(client, 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us');
  const startLsn = await createSlot(client, name);
  failPoint('slot-made');
  return { startLsn, clockUs: BigInt(clock?.['us'] ?? 0) };
}
