/** What a session says of itself while it runs. */
import type { Retrying } from '../model/retrying.ts';
import { tableLabel } from '../model/table.ts';
import type { ReplicationStream } from '../source/stream.ts';
import type { Accumulator } from './accumulate.ts';
import type { Applier } from './apply.ts';
import type { Loader } from './load.ts';
import type { PipelineProgress } from './options.ts';
import type { Pace } from './pace.ts';
import type { Prepared } from './prepare.ts';

/** Tables that the rollups depend on: campaign, impressions, clicks. */
const COUNTED_TABLES = 3;

/** True when every table that the rollups depend on is live. */
export function rollupsAreDue({ adSchema, layouts }: Prepared, loader: Loader): boolean {
  const counted = layouts.filter(({ role }) => role.kind !== 'plain');
  return (
    adSchema && counted.length === COUNTED_TABLES && counted.every(({ table }) => loader.isLive(tableLabel(table)))
  );
}

/** The parts of a session. */
export interface SessionParts {
  readonly applier: Applier;
  readonly loader: Loader;
  readonly accumulator: Accumulator;
  readonly pace: Pace;
  readonly stream: ReplicationStream | null;
  readonly retrying: Retrying | null;
  readonly isRecovering: boolean;
  /** Another session was asked for: the tables may not be those that it knows. */
  readonly isEnding: boolean;
  readonly changes: number;
  readonly batches: number;
}

/** Where the session stands. */
export function sessionProgress(prepared: Prepared, session: SessionParts): PipelineProgress {
  const { applier, loader, accumulator, pace, stream, retrying, isRecovering, isEnding, changes, batches } = session;
  const { appliedLsn, appliedCommitTimeUs, rollupsLive } = applier.state;
  const isLive = loader.isDone;
  const hasMore = accumulator.hasWork || (prepared.journal?.from ?? null) !== null;
  const hasRollups = !rollupsAreDue(prepared, loader) || rollupsLive;
  return {
    phase: isRecovering ? 'recovering' : isLive ? 'streaming' : 'loading',
    tables: loader.progress,
    changes,
    appliedLsn,
    appliedCommitTimeUs,
    spooledBytes: stream?.spooledBytes ?? 0,
    sourceLsn: stream?.walEnd ?? 0n,
    caughtUp: isLive && hasRollups && !isRecovering && !isEnding && !hasMore,
    waitingFor: loader.waitingFor || pace.waitingFor,
    holdsSlot: stream !== null,
    retrying,
    batches,
    peakQueuedBytes: accumulator.peakBytes,
    activeParts: pace.parts.parts,
  };
}
