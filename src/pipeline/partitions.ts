/**
 * What the copy of a partitioned table knows of its partitions, and when that means that it has to be loaded again.
 *
 * The stream tells rows of all partitions under the root's name. It is silent when a partition with rows is attached,
 * detached, dropped or truncated by itself. So each start compares the catalogue with what is recorded, and a running
 * session asks it every second (partition-watch.ts): a partition that was made as one brings all its rows through the
 * stream and is only recorded; after anything else the table is loaded again in place, and rows that are not found
 * end as ghosts (ghosts.ts). A partition that came and went in between is met in the stream, which names a partition
 * before its first row: it is recorded before that row is taken.
 */
import type { Checkpoint } from '../destination/checkpoint.ts';
import { CLEAN } from '../destination/checkpoint.ts';
import { isFollowed, type TableState } from '../destination/table-state.ts';
import { type Lsn, NO_LSN } from '../model/lsn.ts';
import { type Leaf, tableLabel } from '../model/table.ts';
import type { Copy } from './copy.ts';
import type { TableLayout } from './layout.ts';

/** What is recorded of a table's partitions. */
export interface LeafRecord {
  /** File of each partition that holds rows, by its oid. */
  readonly files: Readonly<Record<string, string>>;
  /** Oids that were partitions. Their rows may still come. */
  readonly gone: readonly number[];
  /** Oids that the stream named and that were not known. */
  readonly seen: readonly number[];
}

/** Reads what a state records; null when it records nothing yet. */
export function parseLeaves(leaves: string): LeafRecord | null {
  return leaves === '' ? null : (JSON.parse(leaves) as LeafRecord);
}

/** The record of the partitions there are, after what was recorded before. */
export function recordLeaves(found: readonly Leaf[], before: LeafRecord | null): LeafRecord {
  const oids = new Set(found.map(({ oid }) => oid));
  const former = [...(before?.gone ?? []), ...(before?.seen ?? []), ...Object.keys(before?.files ?? {}).map(Number)];
  const gone = [...new Set(former)].filter((oid) => !oids.has(oid)).toSorted((a, b) => a - b);
  return { files: Object.fromEntries(found.map(({ oid, filenode }) => [oid, filenode])), gone, seen: [] };
}

/** Why the table has to be loaded again, in words; null when the stream has told all rows of its partitions. */
export function leavesFault(before: LeafRecord, found: readonly Leaf[]): string | null {
  for (const { oid, schema, name, filenode, isBorn } of found) {
    const known = before.files[oid];
    const label = `partition ${schema}.${name}`;
    if (known !== undefined && known !== filenode) return `${label} was truncated or rewritten`;
    // The first file of a table has its oid as its number: another one, and it was truncated since.
    if (known === undefined && !(isBorn && filenode === String(oid))) return `${label} was attached`;
  }
  const oids = new Set(found.map(({ oid }) => oid));
  const lost = Object.keys(before.files).find((oid) => !oids.has(Number(oid)));
  if (lost !== undefined) return `a partition (oid ${lost}) was detached or dropped`;
  const passed = before.seen.find((oid) => !oids.has(oid) && !before.gone.includes(oid));
  return passed === undefined ? null : `a partition (oid ${passed}) came and went`;
}

/** The record with one more partition that the stream has named. */
export function withSeenLeaf(leaves: string, oid: number): string {
  const record = parseLeaves(leaves) ?? { files: {}, gone: [], seen: [] };
  return JSON.stringify({ ...record, seen: [...record.seen, oid] });
}

/** Tells partitions that the stream names and that were not there when the session was prepared. */
export class KnownLeaves {
  readonly #layouts = new Map<number, TableLayout>();
  readonly #known = new Set<number>();
  #lastRoot: TableLayout | null = null;

  constructor(layouts: Iterable<TableLayout>, states: ReadonlyMap<string, TableState>) {
    for (const layout of layouts) {
      const { table } = layout;
      if (table.leaves === undefined) continue;
      this.#layouts.set(table.oid, layout);
      const record = parseLeaves(states.get(tableLabel(table))?.leaves ?? '');
      for (const { oid } of table.leaves) this.#known.add(oid);
      for (const oid of record?.gone ?? []) this.#known.add(oid);
    }
  }

  /**
   * Told of every relation that the stream announces: a partition directly behind its root.
   *
   * @returns The table of which it is a partition that nobody knows.
   */
  strangerOf(oid: number): TableLayout | null {
    const root = this.#lastRoot;
    this.#lastRoot = this.#layouts.get(oid) ?? null;
    return root === null || this.#lastRoot !== null || this.#known.has(oid) ? null : root;
  }
}

/** What {@link bringPartitionsIntoLine} did. */
export interface PartitionsInLine {
  readonly checkpoint: Checkpoint;
  /** Tables that are loaded again, with the reason. */
  readonly reloaded: ReadonlyMap<string, string>;
}

/**
 * Records the partitions of each table before any of their rows is streamed, and lets tables be loaded again whose rows
 * have come or gone beside the stream.
 *
 * @param place.lsn The end of the source's log, asked for after the catalogue was read.
 */
export async function bringPartitionsIntoLine(
  copy: Copy,
  layouts: readonly TableLayout[],
  place: { checkpoint: Checkpoint; states: ReadonlyMap<string, TableState>; lsn: Lsn },
): Promise<PartitionsInLine> {
  let { checkpoint } = place;
  const reloaded = new Map<string, string>();
  for (const layout of layouts) {
    const { table, role } = layout;
    const state = place.states.get(tableLabel(table));
    if (table.leaves === undefined || state === undefined || !isFollowed(state.phase)) continue;
    const before = parseLeaves(state.leaves);
    const leaves = JSON.stringify(recordLeaves(table.leaves, before));
    const fault = before === null ? null : leavesFault(before, table.leaves);
    if (fault === null && leaves === state.leaves) continue;
    if (fault !== null && role.kind !== 'plain' && checkpoint.rollupsLive) {
      checkpoint = { ...checkpoint, seq: checkpoint.seq + 1n, plannedLsn: 0n, dirty: CLEAN, rollupsLive: false };
      await copy.checkpoint.write(checkpoint);
    }
    if (fault !== null) reloaded.set(state.table, fault);
    await copy.tables.writeTable(
      fault === null ? { ...state, leaves } : againFrom(state, { ...place, checkpoint, leaves }),
    );
  }
  return { checkpoint, reloaded };
}

/**
 * The state of a table that is loaded again in place, which is where its rows go now: that may be a mirror beside the one
 * that is read. What was committed before `lsn` is left out of the stream, the load sees it, and its rows stand above
 * everything that was applied before. Whatever else is known of the table stays known: which mirror has its rows, how
 * it is published, that somebody has added it.
 */
function againFrom(
  state: TableState,
  { lsn, leaves, checkpoint }: { lsn: Lsn; leaves: string; checkpoint: Checkpoint },
): TableState {
  const base = { fromLsn: lsn, baseVersion: lsn - 1n, baseTimeUs: checkpoint.appliedCommitTimeUs };
  const load = { phase: 'waiting' as const, chunksTotal: 0, rowsEstimated: 0, filenode: 0n, loadEndLsn: NO_LSN };
  return { ...state, ...load, ...base, leaves, generation: state.generation + 1, reason: '' };
}
