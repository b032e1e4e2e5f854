/**
 * What a start does with what it finds: the case tables of docs/exactly-once.md as one pure function. It is asked
 * before anything is touched, and again behind the fence; also at every reconnect.
 */
import type { ErrorCode } from '../model/errors.ts';
import { formatLsn, type Lsn, maxLsn } from '../model/lsn.ts';
import type { BatchMode } from './table-batch.ts';

/** What the checkpoint says. */
export interface CheckpointFacts {
  readonly appliedLsn: Lsn;
  readonly commitLsn: Lsn;
  readonly plannedLsn: Lsn;
  readonly recovering: boolean;
  /** Nothing is noted for a reconcile. */
  readonly isClean: boolean;
  readonly rollupsLive: boolean;
  /** Cluster and database. */
  readonly sourceId: string;
  /** The source's timeline when it was written; 0: not known. */
  readonly timeline: number;
}

/** What the source says of the slot. */
export interface SlotFacts {
  readonly name: string;
  readonly active: boolean;
  readonly activePid: number | null;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly confirmedFlushLsn: Lsn | null;
  readonly walStatus: string | null;
  readonly invalidationReason: string | null;
}

/** What the source says of itself. */
export interface SourceFacts {
  readonly sourceId: string;
  readonly database: string;
  /** End of its log: nothing was ever sent from behind it. */
  readonly endLsn: Lsn;
  /** Where a stream comes to that has caught up; read when no earlier writer can write any more. */
  readonly reachableLsn: Lsn;
  readonly timeline: number;
  /** Earlier timelines it comes from, and where each ended. */
  readonly ancestors: readonly { readonly timeline: number; readonly endLsn: Lsn }[];
  /** Transaction ids are lower than they were at an earlier start. */
  readonly idsFell: boolean;
}

/** What the journal on our disk holds (source/journal.ts): everything committed between the two. */
export interface JournalFacts {
  readonly fromLsn: Lsn;
  readonly toLsn: Lsn;
}

/** What lies in the copy beside the checkpoint. */
export interface CopyFacts {
  /** Without a checkpoint: a mirror that has rows; null when there is none. */
  readonly strangeRows: string | null;
  /** Tables that the copy must have and has not. */
  readonly missing: readonly string[];
  /** Highest version in the mirrors, and in those that rollups count; null: not looked at. */
  readonly newestVersion: Lsn | null;
  readonly newestCounted: Lsn | null;
}

/** All that a decision depends on. */
export interface Facts {
  readonly checkpoint: CheckpointFacts | null;
  readonly slot: SlotFacts | null;
  readonly source: SourceFacts;
  /** null when it is empty, or there is none. */
  readonly journal: JournalFacts | null;
  readonly copy: CopyFacts;
}

/** Codes of what a resync repairs. */
export type ResyncCode = Extract<ErrorCode, 'SLOT_LOST' | 'SLOT_AHEAD' | 'SOURCE_REWOUND' | 'COPY_DAMAGED'>;

/** Codes of what nothing here repairs. */
export type RefusalCode = Extract<ErrorCode, 'SLOT_BUSY' | 'SLOT_FOREIGN' | 'NOT_EMPTY' | 'SOURCE_CHANGED'>;

/**
 * - `first start`: slot, then checkpoint
 * - `remake slot`: a first start was cut short between the two: the slot is made anew
 * - `continue`: stream from the checkpoint in that mode; `recoverUntil`: up to there changes may be in the copy already
 * - `resync`: changes are missing, or rows are there that should not be
 * - `refuse`: somebody must act first
 */
export type Decision =
  | { readonly kind: 'first start' }
  | { readonly kind: 'remake slot' }
  | { readonly kind: 'continue'; readonly mode: BatchMode; readonly recoverUntil: Lsn | null }
  | { readonly kind: 'resync'; readonly code: ResyncCode; readonly why: string }
  | { readonly kind: 'refuse'; readonly code: RefusalCode; readonly why: string };

/** Decides. */
export function decide(facts: Facts): Decision {
  const { checkpoint, slot, source, journal, copy } = facts;
  if (checkpoint !== null && checkpoint.sourceId !== source.sourceId) {
    const why = `the copy belongs to source ${checkpoint.sourceId}, this one is ${source.sourceId}`;
    return { kind: 'refuse', code: 'SOURCE_CHANGED', why };
  }
  const refusal = slotRefusal(slot, source);
  if (refusal !== null) return refusal;
  if (checkpoint === null) return decideFirst(slot, copy);
  const rewound = rewoundBecause({ ...checkpoint, heldLsn: heldLsn(checkpoint, journal) }, source, copy);
  if (rewound !== null) return { kind: 'resync', code: 'SOURCE_REWOUND', why: rewound };
  return slotGap(checkpoint, slot, journal) ?? copyGap(checkpoint, copy) ?? continued(checkpoint, source.reachableLsn);
}

/** A slot in use belongs to another process; one of another kind was never ours, and is left alone. */
function slotRefusal(slot: SlotFacts | null, source: SourceFacts): Decision | null {
  if (slot === null) return null;
  const isOurs = slot.plugin === 'pgoutput' && slot.database === source.database;
  if (!isOurs) {
    const why = `replication slot “${slot.name}” belongs to ${slot.plugin ?? 'no plugin'} in database ${slot.database ?? '–'}`;
    return { kind: 'refuse', code: 'SLOT_FOREIGN', why };
  }
  if (!slot.active) return null;
  const why = `replication slot “${slot.name}” is in use by process ${slot.activePid} of PostgreSQL`;
  return { kind: 'refuse', code: 'SLOT_BUSY', why };
}

function decideFirst(slot: SlotFacts | null, copy: CopyFacts): Decision {
  if (copy.strangeRows === null) return { kind: slot === null ? 'first start' : 'remake slot' };
  const why = `${copy.strangeRows} has rows, but there is no checkpoint that says where they come from`;
  return { kind: 'refuse', code: 'NOT_EMPTY', why };
}

/** Why the source's log is not the one that the copy has followed; null when it is. */
function rewoundBecause(
  checkpoint: CheckpointFacts & { heldLsn: Lsn },
  source: SourceFacts,
  copy: CopyFacts,
): string | null {
  const { heldLsn: held, commitLsn, timeline } = checkpoint;
  const at = formatLsn(held);
  if (source.endLsn < held) {
    return `the source's log ends at ${formatLsn(source.endLsn)}, the copy has it up to ${at}: it was restored from a backup, or a standby took over that lacked the rest`;
  }
  if (timeline === 0 || timeline === source.timeline) {
    const why = `the source gives out transaction ids that it had given out before: it was restored from a backup, and what the copy has of the time after it is not in the source`;
    return source.idsFell && timeline !== 0 ? why : null;
  }
  const ancestor = source.ancestors.find((past) => past.timeline === timeline);
  const change = `the source is on timeline ${source.timeline}, the copy followed timeline ${timeline}`;
  if (ancestor === undefined) return `${change}, from which it does not come`;
  if (ancestor.endLsn < held)
    return `${change}, which ended at ${formatLsn(ancestor.endLsn)}, before what the copy has (${at})`;
  // What landed of transactions not applied to their end may have been lost with the old timeline.
  const hasMore = copy.newestVersion === null || copy.newestVersion >= commitLsn;
  return hasMore
    ? `${change}, which ended at ${formatLsn(ancestor.endLsn)}, and the copy may have rows of transactions that were lost with it`
    : null;
}

/** Up to where changes of the source are on this side: in the copy, or in a journal that goes on from it. */
function heldLsn({ appliedLsn }: CheckpointFacts, journal: JournalFacts | null): Lsn {
  return journal !== null && journal.fromLsn <= appliedLsn ? maxLsn(appliedLsn, journal.toLsn) : appliedLsn;
}

/** Changes that the slot does not bring any more, and the journal does not have. */
function slotGap(checkpoint: CheckpointFacts, slot: SlotFacts | null, journal: JournalFacts | null): Decision | null {
  const at = formatLsn(checkpoint.appliedLsn);
  if (slot === null) {
    const why = `the copy stands at ${at}, but its replication slot does not exist any more`;
    return { kind: 'resync', code: 'SLOT_LOST', why };
  }
  const reason = slot.invalidationReason ?? (slot.walStatus === 'lost' ? 'its WAL was removed' : null);
  if (reason !== null || slot.confirmedFlushLsn === null) {
    const why = `PostgreSQL has invalidated the replication slot “${slot.name}” (${reason ?? 'it has no position'})`;
    return { kind: 'resync', code: 'SLOT_LOST', why };
  }
  if (slot.confirmedFlushLsn <= heldLsn(checkpoint, journal)) return null;
  const why = `the replication slot “${slot.name}” stands at ${formatLsn(slot.confirmedFlushLsn)}, the copy at ${at}: somebody moved or remade the slot, or the copy was restored from a backup`;
  return { kind: 'resync', code: 'SLOT_AHEAD', why };
}

/** Tables that do not belong to this checkpoint. */
function copyGap(checkpoint: CheckpointFacts, copy: CopyFacts): Decision | null {
  if (copy.missing.length > 0) {
    return { kind: 'resync', code: 'COPY_DAMAGED', why: `the copy lacks ${copy.missing.join(', ')}` };
  }
  const { plannedLsn, appliedLsn } = checkpoint;
  const limit = plannedLsn > appliedLsn ? plannedLsn : appliedLsn;
  if (!checkpoint.rollupsLive || copy.newestCounted === null || copy.newestCounted <= limit) return null;
  const positions = `up to ${formatLsn(copy.newestCounted)}, the checkpoint speaks of ${formatLsn(limit)}`;
  const why = `the tables hold changes ${positions}: they were not restored from the same backup`;
  return { kind: 'resync', code: 'COPY_DAMAGED', why };
}

/**
 * Goes on. Nobody can have applied what the source had not written, so the end of its log bounds the doubt. A recovery
 * that had come to its end without reconciling is done again, though the stream has nothing more for it.
 */
function continued(checkpoint: CheckpointFacts, reachableLsn: Lsn): Decision {
  const { plannedLsn, appliedLsn, rollupsLive, recovering, isClean } = checkpoint;
  if (!rollupsLive) return { kind: 'continue', mode: 'load', recoverUntil: null };
  const until = plannedLsn < reachableLsn ? plannedLsn : reachableLsn;
  if (until > appliedLsn) return { kind: 'continue', mode: 'tracked', recoverUntil: until };
  if (recovering || !isClean) return { kind: 'continue', mode: 'tracked', recoverUntil: appliedLsn };
  return { kind: 'continue', mode: 'deltas', recoverUntil: null };
}
