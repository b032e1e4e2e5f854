/**
 * Every version of impressions and clicks, where the option eventHistory asks for it: what questions about the past are
 * answered from (kpi/past-sources.ts). Campaigns and advertisers have such a history always.
 *
 * Begun by copying the mirrors before anything streams; from then on whatever reaches a mirror reaches its history, loaded
 * rows too. Switched off, the history is dropped: one with a gap would give wrong answers.
 */
import type { Checkpoint } from '../destination/checkpoint.ts';
import { keepCommits } from '../destination/commits.ts';
import type { Lsn } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import type { Copy } from './copy.ts';
import { type TableLayout, layoutNames } from './layout.ts';

const COLUMNS = 'id, campaign_id, created_at, _version, _deleted';

/** What is asked for. */
interface Wanted {
  readonly eventHistory: 'off' | 'on';
  /** null: the copy is new. */
  readonly checkpoint: Checkpoint | null;
}

/** Begins, goes on with or ends the histories of events. @returns The layouts, with history where there is one. */
export async function bringEventHistory(
  copy: Copy,
  layouts: readonly TableLayout[],
  { eventHistory, checkpoint }: Wanted,
): Promise<TableLayout[]> {
  const events = layouts.filter(({ role }) => role.kind === 'events');
  if (events.length === 0) return [...layouts];
  const wanted = eventHistory === 'on';
  const found = await countObjects(copy, events);
  if (!wanted && found > 0) await endAll(copy, events);
  if (wanted && !(found === 2 * events.length && (await isMarked(copy)))) {
    await endAll(copy, events);
    await begin(copy, events, checkpoint?.appliedLsn ?? 0n);
  }
  return wanted
    ? layouts.map((layout) => (events.includes(layout) ? { ...layout, history: true } : layout))
    : [...layouts];
}

/** Where a session goes on from is the end of a commit, too: the first that is known after a load. */
export async function keepStart(copy: Copy, { commitLsn, appliedCommitTimeUs }: Checkpoint): Promise<void> {
  await keepCommits(copy, [{ endLsn: commitLsn, timeUs: appliedCommitTimeUs }]);
}

/**
 * The past begins at a position from here on: of what was kept before it not all can be trusted any more. Nothing happens where
 * no versions of events are kept.
 */
export async function beginPastAt(copy: Copy, lsn: Lsn): Promise<void> {
  await writeMark(copy, 'greatest(from_lsn, {lsn:UInt64})', lsn);
}

/**
 * The past begins with a slot that was made anew. Commits beyond its start were those of a source that has been taken back to an
 * earlier position since: they never were.
 */
export async function beginPastAnew(copy: Copy, startLsn: Lsn): Promise<void> {
  const { clickhouse, names, pipeline, fence } = copy;
  await clickhouse.command(
    `ALTER TABLE ${chIdent(names.internal)}.commits DELETE WHERE pipeline = {pipeline:String} AND end_lsn > {lsn:UInt64}`,
    { params: { pipeline, lsn: String(startLsn) }, settings: { ...fence.settings('history'), mutations_sync: 1 } },
  );
  await writeMark(copy, '{lsn:UInt64}', startLsn);
}

async function writeMark({ clickhouse, names, pipeline, fence }: Copy, fromSql: string, lsn: Lsn): Promise<void> {
  const marks = `${chIdent(names.internal)}.event_history`;
  await clickhouse.command(
    `INSERT INTO ${marks} (pipeline, from_lsn) SELECT pipeline, ${fromSql} FROM ${marks} FINAL WHERE pipeline = {pipeline:String}`,
    { params: { pipeline, lsn: String(lsn) }, settings: fence.settings('history') },
  );
}

/** How many of the histories' tables and views there are. */
async function countObjects(copy: Copy, events: readonly TableLayout[]): Promise<number> {
  const { clickhouse, names } = copy;
  const objects = events.map((layout) => historyOf(copy, layout));
  const found = await clickhouse.rows(
    `SELECT 1 FROM system.tables WHERE database = {database:String} AND name IN {tables:Array(String)}
       OR database = {internal:String} AND name IN {views:Array(String)}`,
    { params: { ...names, tables: objects.map(({ name }) => name), views: objects.map(({ viewName }) => viewName) } },
  );
  return found.length;
}

async function isMarked({ clickhouse, names, pipeline }: Copy): Promise<boolean> {
  const marks = await clickhouse.rows(
    `SELECT 1 FROM ${chIdent(names.internal)}.event_history FINAL WHERE pipeline = {pipeline:String}`,
    { params: { pipeline } },
  );
  return marks.length > 0;
}

/**
 * Begins. Whatever a crash leaves of it is thrown away at the next start: the mark is written last.
 *
 * What a crash before has left in the mirrors beyond the applied position is of unknown age: the past begins behind it.
 */
async function begin(copy: Copy, events: readonly TableLayout[], appliedLsn: Lsn): Promise<void> {
  const { clickhouse, names, pipeline, fence } = copy;
  let fromLsn = appliedLsn;
  for (const layout of events) {
    const { table, view } = historyOf(copy, layout);
    const { mirror, landing } = layoutNames(names, layout);
    await clickhouse.command(`CREATE TABLE IF NOT EXISTS ${table}
(
    id             Int32                           CODEC(T64, ZSTD(1)),
    campaign_id    Nullable(Int32)                 CODEC(T64, ZSTD(1)),
    created_at     Nullable(DateTime64(6, 'UTC'))  CODEC(T64, ZSTD(1)),
    _version       UInt64                          CODEC(T64, ZSTD(1)),
    _deleted       UInt8                           CODEC(ZSTD(1)),
    _committed_at  DateTime64(6, 'UTC')            CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (id, _version, _committed_at)`);
    await clickhouse.command(`ALTER TABLE ${landing} ADD COLUMN IF NOT EXISTS _committed_at DateTime64(6, 'UTC')`);
    await clickhouse.command(`INSERT INTO ${table} (${COLUMNS}) SELECT ${COLUMNS} FROM ${mirror}`, {
      settings: fence.settings('history'),
    });
    await clickhouse.command(`CREATE MATERIALIZED VIEW IF NOT EXISTS ${view} TO ${table} AS
SELECT ${COLUMNS}, _committed_at FROM ${landing} WHERE _raw = 1`);
    const [row] = await clickhouse.rows<{ next: string }>(`SELECT max(_version) + 1 AS next FROM ${table}`);
    const next = BigInt(row?.next ?? 0);
    if (next > 1n && next > fromLsn) fromLsn = next;
  }
  await clickhouse.command(
    `INSERT INTO ${chIdent(names.internal)}.event_history (pipeline, from_lsn) VALUES ({pipeline:String}, {from:UInt64})`,
    { params: { pipeline, from: String(fromLsn) }, settings: fence.settings('history') },
  );
}

async function endAll(copy: Copy, events: readonly TableLayout[]): Promise<void> {
  const { clickhouse, names, pipeline, fence } = copy;
  await clickhouse.command(
    `ALTER TABLE ${chIdent(names.internal)}.event_history DELETE WHERE pipeline = {pipeline:String}`,
    { params: { pipeline }, settings: { ...fence.settings('history'), mutations_sync: 1 } },
  );
  for (const layout of events) {
    const { table, view } = historyOf(copy, layout);
    await clickhouse.command(`DROP VIEW IF EXISTS ${view} SYNC`);
    await clickhouse.command(`DROP TABLE IF EXISTS ${table} SYNC`, { settings: { max_table_size_to_drop: 0 } });
  }
}

function historyOf({ names }: Copy, { table: { target } }: TableLayout) {
  const [name, viewName] = [`${target}_history`, `${target}_history_mv`];
  const table = `${chIdent(names.database)}.${chIdent(name)}`;
  return { name, viewName, table, view: `${chIdent(names.internal)}.${chIdent(viewName)}` };
}
