/** Serves `millrace pause`, `resume`, `resync`, `add` and `drop`: on the states, before a session begins. */
import type { Checkpoint } from '../destination/checkpoint.ts';
import { type RequestAnswer, type TableRequest, TableRequestStore } from '../destination/table-requests.ts';
import { isFollowed, newTableState, type TableState } from '../destination/table-state.ts';
import { formatLsn } from '../model/lsn.ts';
import { hasHistory, roleOf } from '../model/roles.ts';
import type { Copy } from './copy.ts';
import type { Candidate, LineUpFacts } from './line-up-facts.ts';
import { stateToRebuild } from './rebuild.ts';

/** What requests make of the states. */
export interface RequestedChanges {
  readonly states: ReadonlyMap<string, TableState>;
  /** Tables whose objects are to be removed. */
  readonly purged: readonly TableState[];
  readonly answers: readonly { readonly request: TableRequest; readonly answer: Omit<RequestAnswer, 'lsn'> }[];
}

type Facts = Pick<LineUpFacts, 'states' | 'checkpoint' | 'adSchema' | 'lsn' | 'requests'> & {
  readonly candidates: readonly Candidate[];
};

/** Serves requests. Nothing is written: neither states nor answers. */
export async function serveRequests(copy: Copy, facts: Facts): Promise<RequestedChanges> {
  const states = new Map(facts.states);
  const purged: TableState[] = [];
  const answers: RequestedChanges['answers'][number][] = [];
  for (const request of facts.requests) {
    const faults = request.tables.flatMap(
      (label) => faultOf(request, states.get(label), candidateOf(facts, label)) ?? [],
    );
    if (faults.length > 0) {
      answers.push({ request, answer: { status: 'refused', answer: faults.join('; ') } });
      continue;
    }
    for (const label of request.tables) {
      const before = states.get(label);
      const after = await served(copy, request, { ...facts, label, state: before });
      if (after === null) states.delete(label);
      else states.set(label, after);
      if (request.purge && before !== undefined) purged.push(before);
    }
    answers.push({ request, answer: { status: 'done', answer: DONE[request.action] } });
  }
  return { states, purged, answers };
}

/** Tells those who asked. */
export async function answerRequests(
  copy: Copy,
  { answers }: RequestedChanges,
  checkpoint: Checkpoint | null,
): Promise<void> {
  const store = new TableRequestStore(copy.clickhouse, copy.names, copy.pipeline);
  const lsn = checkpoint?.appliedLsn ?? 0n;
  for (const { request, answer } of answers)
    await store.answer(request, { ...answer, lsn }, copy.fence.settings('answer'));
}

const DONE: Readonly<Record<TableRequest['action'], string>> = {
  pause: 'changes are left out from here on, the rows stay as they are',
  resume: 'the table is built anew, and takes its place when it has caught up',
  resync: 'the table is built anew, and takes its place when it has caught up',
  add: 'the table is loaded while the others are followed',
  drop: 'the table is not followed any more',
};

function candidateOf({ candidates }: Facts, label: string): Candidate | undefined {
  return candidates.find((candidate) => candidate.label === label);
}

/** Why a request cannot be served for a table; null when it can. */
function faultOf(
  { action }: TableRequest,
  state: TableState | undefined,
  candidate: Candidate | undefined,
): string | null {
  const label = state?.table ?? candidate?.label ?? '';
  if (action === 'add') {
    if (candidate === undefined) return 'a table to add is not in the source, or is a view or a partition';
    return candidate.table === null ? candidate.fault : null;
  }
  if (state === undefined) return 'a table named is not in the copy: write schema.table';
  if (action === 'drop') return null;
  if (action === 'pause')
    return isFollowed(state.phase) || state.phase === 'paused'
      ? null
      : `${label} is ${state.phase}: it is not followed anyway`;
  if (candidate === undefined) return `${label} is ${state.phase}: ${state.reason}`;
  if (candidate.table === null) return candidate.fault;
  if (state.phase === 'excluded') return `${label} is excluded: \`millrace add ${label}\` includes it`;
  if (action === 'resume' && state.phase !== 'paused') return `${label} is ${state.phase}, not paused`;
  return null;
}

/** The state of a table as it was asked for; null: nothing is known of it any more. */
async function served(
  copy: Copy,
  request: TableRequest,
  facts: Facts & { label: string; state: TableState | undefined },
): Promise<TableState | null> {
  const { label, state, lsn, adSchema, checkpoint } = facts;
  const table = candidateOf(facts, label)?.table ?? null;
  if (request.action === 'drop' || request.action === 'pause') {
    if (state === undefined) return null;
    const at = formatLsn(checkpoint?.appliedLsn ?? 0n);
    if (request.action === 'pause')
      return { ...state, phase: 'paused', reason: `since ${at}: \`millrace resume ${label}\` brings it back` };
    return { ...state, phase: 'excluded', chosen: 'removed', reason: `by \`millrace drop\`, at ${at}` };
  }
  if (table === null) return state ?? null;
  const chosen = request.action === 'add' ? 'added' : (state?.chosen ?? '');
  if (state === undefined) return { ...newTableState(table), chosen, fromLsn: lsn };
  // One that was added is on its way already.
  if (request.action === 'add' && isFollowed(state.phase)) return { ...state, chosen };
  const target = {
    table,
    role: roleOf(table, adSchema),
    history: hasHistory(table, adSchema),
    state: { ...state, chosen },
  };
  return await stateToRebuild(copy, target, { lsn, why: `\`millrace ${request.action}\` has asked for it` });
}
