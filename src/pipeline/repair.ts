/**
 * Corrects rows of the copy from the source, on request of `millrace verify --repair`: what the mirror says of a key
 * is replaced by what the source says now, and the buckets of both are computed again.
 *
 * Under which version? A row that an equal version of the history has right is restored under that version. Anything
 * else becomes a version of its own just below the end of the last applied transaction: newer than all that was applied,
 * older than all that will be. The source may have gone on since: then the stream brings the later state. Since when such a
 * row was wrong nobody knows: what the copy can tell of its past begins where it was read again.
 */
import type pg from 'pg';
import type { ColumnBuffer, UnfitPolicy } from '../codec/column.ts';
import { openDateTime64, openNative, openUInt64, openUInt8 } from '../codec/codecs.ts';
import { CLEAN, mergeDirty } from '../destination/checkpoint.ts';
import type { Repairs } from '../destination/control.ts';
import { lookupRows } from '../destination/lookup.ts';
import type { Bucket, DirtyBuckets } from '../destination/rollups.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import { tableLabel } from '../model/table.ts';
import { connectPostgres, endConnection } from '../source/connection.ts';
import { currentLsn } from '../source/slot.ts';
import { Batch, type TableBatchPool } from './batch.ts';
import type { Copy } from './copy.ts';
import { hourOf } from './dirty.ts';
import { ADDED, PLAIN, TOMBSTONE } from './marks.ts';
import { readByKey } from './read-by-key.ts';
import { openColumns, type TableLayout, layoutNames } from './layout.ts';
import type { Key } from './row-key.ts';
import type { TableBatch } from './table-batch.ts';

/** The first hour that the copy can hold, 1900-01-01: prices of a repaired campaign are looked at from there on. */
const FIRST_HOUR = -613_608;

/** States of rows: the columns of the table, and which row has which key. */
interface Rows {
  readonly columns: readonly ColumnBuffer[];
  readonly rowOf: ReadonlyMap<Key, number>;
}

/** Present states of a mirror, with their versions. */
interface MirrorRows extends Rows {
  readonly versions: ColumnBuffer;
}

/** The newest states in a history, with their marks. */
interface HistoryRows extends MirrorRows {
  readonly deleted: ColumnBuffer;
  readonly committedAt: ColumnBuffer;
}

/** Where the copy stands. */
export interface RepairPosition {
  /** End of the last applied transaction. */
  readonly commitLsn: bigint;
  readonly commitTimeUs: bigint;
}

/** What a repaired row is marked with. */
interface Place {
  readonly version: bigint;
  readonly commitTimeUs: bigint;
}

/** What to write. */
export interface Repair {
  readonly batch: Batch;
  /** Buckets to compute again besides those of the batch. */
  readonly dirty: DirtyBuckets;
  /** Position of the source behind which the histories are right again; null: they were, or there are none. */
  readonly pastFrom: bigint | null;
}

/** What is needed to read rows again. */
export interface RepairerOptions {
  readonly copy: Copy;
  readonly url: string;
  readonly layouts: readonly TableLayout[];
  readonly pool: TableBatchPool;
  readonly policiesOf: (layout: TableLayout) => readonly UnfitPolicy[];
  readonly signal: AbortSignal;
}

/** Reads what is to be corrected. Writes nothing: that is the applier's. */
export class Repairer {
  readonly #options: RepairerOptions;

  constructor(options: RepairerOptions) {
    this.#options = options;
  }

  /**
   * Reads the rows again.
   *
   * @throws {AppError} `TABLE_UNSUITABLE` for a table that is not copied, `VALUE_UNFIT`, and those of the servers.
   */
  async read(repairs: Repairs, position: RepairPosition): Promise<Repair> {
    const batch = new Batch('tracked');
    batch.lastCommitLsn = position.commitLsn;
    let dirty: DirtyBuckets = { ...CLEAN, impressions: repairs.buckets, clicks: repairs.buckets };
    let isPastRight = true;
    const { url, signal } = this.#options;
    const client = await connectPostgres(url, { applicationName: 'millrace repair', signal });
    try {
      for (const [label, keys] of byTable(repairs)) {
        const layout = this.#options.layouts.find(({ table }) => tableLabel(table) === label);
        if (layout === undefined) throw new AppError('TABLE_UNSUITABLE', `${label} is not copied`);
        const table = await this.#readTable(client, layout, { keys, position });
        batch.tables.set(layout.table.oid, table.rows);
        dirty = mergeDirty(dirty, table.dirty);
        isPastRight &&= table.isPastRight;
      }
      return { batch, dirty, pastFrom: isPastRight ? null : await currentLsn(client) };
    } finally {
      await endConnection(client);
    }
  }

  async #readTable(
    client: pg.Client,
    layout: TableLayout,
    wanted: { keys: readonly (readonly string[])[]; position: RepairPosition },
  ): Promise<{ rows: TableBatch; dirty: DirtyBuckets; isPastRight: boolean }> {
    const { pool, signal } = this.#options;
    const { commitLsn, commitTimeUs } = wanted.position;
    const newest: Place = { version: commitLsn - 1n, commitTimeUs };
    let restored = 0;
    const batch = pool.take(layout, 'tracked');
    const keys = this.#keyColumns(layout, wanted.keys);
    const mirror = await this.#readMirror(batch, keys);
    const history = layout.history ? await this.#readHistory(batch, keys) : null;
    await readByKey(client, layout, wanted.keys, { columns: batch.columns, signal });
    const source = { columns: batch.columns, rowOf: indexRows(batch, batch.columns) };
    const mark = layout.role.kind === 'events' ? ADDED : PLAIN;
    for (const [key, row] of source.rowOf) {
      const kept = placeOf({ key, row, source, mirror, history });
      if (kept !== null) restored++;
      const place = kept ?? newest;
      batch.marks.append(mark, ...halves(place.version), place.commitTimeUs);
    }
    appendTombstones(batch, keys, { present: source.rowOf, place: newest });
    const isPastRight = history === null || restored === batch.rows;
    return { rows: batch, dirty: dirtyOf(layout, mirror, source), isPastRight };
  }

  /** The wanted keys as columns, by index of the table's columns. */
  #keyColumns(layout: TableLayout, keys: readonly (readonly string[])[]): (ColumnBuffer | undefined)[] {
    const columns: (ColumnBuffer | undefined)[] = [];
    layout.table.key.forEach((i, part) => {
      const codec = layout.codecs[i];
      // A masked key is known by what the mask has left of it, which must not be masked again.
      const isMasked = layout.table.columns[i]?.choice?.mask !== undefined;
      const column = isMasked
        ? openNative(codec?.clickhouseType ?? '')
        : codec?.open({ action: 'fail', report: () => undefined });
      for (const key of keys) {
        const text = Buffer.from(key[part] ?? '');
        column?.appendText(text, 0, text.length);
      }
      columns[i] = column;
    });
    return columns;
  }

  async #readMirror(batch: TableBatch, keys: readonly (ColumnBuffer | undefined)[]): Promise<MirrorRows> {
    const columns = this.#open(batch.layout);
    const versions = openUInt64('_version');
    const { mirror } = layoutNames(this.#options.copy.names, batch.layout);
    await this.#lookup(batch.layout, { from: mirror, keys, columns, marks: { _version: versions } });
    return { columns, rowOf: indexRows(batch, columns), versions };
  }

  async #readHistory(batch: TableBatch, keys: readonly (ColumnBuffer | undefined)[]): Promise<HistoryRows> {
    const { database } = this.#options.copy.names;
    const columns = this.#open(batch.layout);
    const marks = {
      _version: openUInt64('_version'),
      _deleted: openUInt8('_deleted'),
      _committed_at: openDateTime64('_committed_at'),
    };
    const from = `${chIdent(database)}.${chIdent(`${batch.layout.table.target}_history`)}`;
    await this.#lookup(batch.layout, { from, keys, columns, marks });
    const rowOf = indexRows(batch, columns, marks._version);
    return { columns, rowOf, versions: marks._version, deleted: marks._deleted, committedAt: marks._committed_at };
  }

  async #lookup(
    layout: TableLayout,
    query: {
      from: string;
      keys: readonly (ColumnBuffer | undefined)[];
      columns: readonly ColumnBuffer[];
      marks: Record<string, ColumnBuffer>;
    },
  ): Promise<void> {
    const { table } = layout;
    const named = query.columns.map((column, i): [string, ColumnBuffer] => [table.columns[i]?.name ?? '', column]);
    await lookupRows(this.#options.copy.clickhouse, {
      mirror: query.from,
      keyNames: table.key.map((i) => table.columns[i]?.name ?? ''),
      keys: table.key.map((i) => query.keys[i]).filter((column) => column !== undefined),
      into: new Map([...named, ...Object.entries(query.marks)]),
      withDeleted: '_deleted' in query.marks,
      signal: this.#options.signal,
    });
  }

  /** What does not fit was counted when it came first. */
  #open(layout: TableLayout): ColumnBuffer[] {
    return openColumns(
      layout,
      this.#options.policiesOf(layout).map(({ action }) => ({ action, report: () => undefined })),
    );
  }
}

/** Keys of each table, in the order of the request. */
function byTable({ rows }: Repairs): Map<string, (readonly string[])[]> {
  const tables = new Map<string, (readonly string[])[]>();
  for (const { table, key } of rows) tables.set(table, [...(tables.get(table) ?? []), key]);
  return tables;
}

/** Row by key; of several rows of a key the one of the highest version. */
function indexRows(batch: TableBatch, columns: readonly ColumnBuffer[], versions?: ColumnBuffer): Map<Key, number> {
  const rowOf = new Map<Key, number>();
  const versionOf = (row: number): bigint => BigInt(versions?.value(row) ?? 0);
  for (let row = 0; row < (columns[0]?.length ?? 0); row++) {
    const key = batch.keyIn(columns, row);
    const other = rowOf.get(key);
    if (other === undefined || versionOf(row) > versionOf(other)) rowOf.set(key, row);
  }
  return rowOf;
}

/** The version under which a history has (or should have) just this state; null when it needs a new one. */
function placeOf(state: {
  key: Key;
  row: number;
  source: Rows;
  mirror: MirrorRows;
  history: HistoryRows | null;
}): Place | null {
  const { key, row, source, mirror, history } = state;
  const inMirror = mirror.rowOf.get(key);
  const inHistory = history?.rowOf.get(key);
  if (history === null || inMirror === undefined || inHistory === undefined) return null;
  if (history.deleted.value(inHistory) !== 0) return null;
  const mirrored = BigInt(mirror.versions.value(inMirror) ?? 0);
  const kept = BigInt(history.versions.value(inHistory) ?? 0);
  const isMirrored = isEqual(source, row, mirror, inMirror) && kept === mirrored;
  const isKept = isEqual(source, row, history, inHistory) && kept >= mirrored;
  if (!isMirrored && !isKept) return null;
  return { version: kept, commitTimeUs: BigInt(history.committedAt.value(inHistory) ?? 0) };
}

function isEqual(a: Rows, rowA: number, b: Rows, rowB: number): boolean {
  return a.columns.every((column, i) => column.value(rowA) === b.columns[i]?.value(rowB));
}

/** Keys that the source does not have (any more). */
function appendTombstones(
  batch: TableBatch,
  keys: readonly (ColumnBuffer | undefined)[],
  { present, place }: { present: ReadonlyMap<Key, number>; place: Place },
): void {
  const { table } = batch.layout;
  const wanted = keys[table.key[0] ?? 0]?.length ?? 0;
  for (let row = 0; row < wanted; row++) {
    if (present.has(batch.keyIn(keys, row))) continue;
    batch.columns.forEach((column, i) => {
      const key = keys[i];
      if (key === undefined) column.appendFiller();
      else column.appendFrom(key, row);
    });
    batch.marks.append(TOMBSTONE, ...halves(place.version), place.commitTimeUs);
  }
}

/** Buckets of the mirror's present states, and campaigns whose price may become another. */
function dirtyOf(layout: TableLayout, mirror: Rows, source: Rows): DirtyBuckets {
  const { role } = layout;
  if (role.kind === 'prices') {
    const ids = [mirror, source].flatMap(({ columns, rowOf }) => {
      return [...rowOf.values()].map((row) => columns[role.idColumn]?.value(row) as number);
    });
    return { ...CLEAN, repriced: [...new Set(ids)].map((campaignId) => ({ campaignId, sinceHour: FIRST_HOUR })) };
  }
  if (role.kind !== 'events') return CLEAN;
  const buckets = [...mirror.rowOf.values()].map((row): Bucket => {
    const us = mirror.columns[role.timeColumn]?.value(row) as bigint | null;
    const campaignId = mirror.columns[role.campaignColumn]?.value(row) as number | null;
    return { campaignId, hour: us === null ? null : hourOf(us) };
  });
  return { ...CLEAN, [role.fact]: buckets };
}

function halves(lsn: bigint): [hi: number, lo: number] {
  return [Number(lsn >> 32n), Number(lsn & 0xffff_ffffn)];
}
