/**
 * Before each session: which tables are followed, under which names, and which are not and why.
 *
 *   catalogue, states, publication ─► identified by oid ─► states as they should be ─► requests served on them
 *     ─► written, all or none ─► mirrors moved to where their states say
 *
 * The trouble of one table is its own: it is quarantined with a reason and a remedy, the others are followed.
 */
import type pg from 'pg';
import { findMirrors } from '../destination/mirrors.ts';
import { isFollowed, newTableState, type TableState } from '../destination/table-state.ts';
import { NO_LSN } from '../model/lsn.ts';
import { hasHistory, isAdName, roleOf } from '../model/roles.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import type { Catalog, UnsuitableTable } from '../source/catalog.ts';
import { findRelations, findRoots, publicationMarks } from '../source/relations.ts';
import type { Log } from '../telemetry/log.ts';
import type { Copy } from './copy.ts';
import { failPoint } from './fail-points.ts';
import type { Candidate, LineUpFacts } from './line-up-facts.ts';
import { type Fate, type IdentifiedTables, identifyTables } from './identify-tables.ts';
import { placeMirrors } from './place-mirrors.ts';
import { stateToRebuild } from './rebuild.ts';
import { answerRequests, serveRequests } from './serve-requests.ts';

/** Brings states and mirrors into line with the source. @returns The states as they are then. */
export async function lineUp(
  client: pg.Client,
  copy: Copy,
  facts: LineUpFacts,
  log: Log,
): Promise<ReadonlyMap<string, TableState>> {
  const candidates = candidatesOf(facts.catalog);
  const known = [...facts.states.values()];
  const wanted = { oids: known.map(({ oid }) => oid).filter(Boolean), labels: known.map(({ table }) => table) };
  const identified = identifyTables(candidates, facts.states, await findRelations(client, wanted));
  const next = await nextStates(copy, identified, {
    ...facts,
    marks: await publicationMarks(client, facts.publication),
    roots: await findRoots(client, wanted.oids),
  });
  const served =
    facts.requests.length === 0
      ? { states: next, purged: [], answers: [] }
      : await serveRequests(copy, { ...facts, candidates, states: next });
  await write(copy, facts.states, served.states);
  failPoint('tables-lined-up');
  for (const state of served.states.values()) {
    const before = facts.states.get(state.table);
    if (before !== undefined && before.phase !== state.phase)
      log.warn(
        { table: state.table, phase: state.phase, before: before.phase, reason: state.reason },
        'table changed its phase',
      );
  }
  await placeMirrors(copy, served.states, { adSchema: facts.adSchema, purged: served.purged });
  await answerRequests(copy, served, facts.checkpoint);
  return served.states;
}

function candidatesOf({ tables, unsuitable }: Catalog): Candidate[] {
  const fit = tables.map((table) => ({ oid: table.oid, label: tableLabel(table), table, fault: '' }));
  const unfit = unsuitable.map((table) => ({
    oid: table.oid,
    label: tableLabel(table),
    table: null,
    fault: faultOf(table),
  }));
  return [...fit, ...unfit];
}

function faultOf(table: UnsuitableTable): string {
  const remedy = table.remedy === null ? `exclude it` : table.remedy.replace(/;$/, '');
  return `${tableLabel(table)} ${table.reason}: ${remedy}, then \`millrace resync ${tableLabel(table)}\``;
}

type Facts = LineUpFacts & {
  readonly marks: ReadonlyMap<number, string>;
  readonly roots: ReadonlyMap<number, string>;
};

/** The states as they should be, before anybody's requests. */
async function nextStates(
  copy: Copy,
  { found, lost }: IdentifiedTables<Candidate>,
  facts: Facts,
): Promise<ReadonlyMap<string, TableState>> {
  const { read } = await findMirrors(copy.clickhouse, copy.names);
  const next = new Map<string, TableState>();
  for (const { state, label } of lost)
    next.set(state.table, lostState(state, { label, root: facts.roots.get(state.oid) }));
  for (const { table: candidate, state, fate } of found) {
    const { table } = candidate;
    if (table === null) {
      next.set(candidate.label, unfitState(candidate, state));
      continue;
    }
    const isNamedAnew = fate === 'renamed' && facts.adSchema && (isAdName(table) || isAdLabel(state?.table));
    const isNew = state === null || isNamedAnew;
    const plain = isNew
      ? { ...newTableState(table), fromLsn: facts.checkpoint === null ? NO_LSN : facts.lsn }
      : { ...state, table: candidate.label, target: table.target, oid: table.oid };
    // The mirror of another table has its place: it stays there until this one is built.
    const isTaken =
      isNew && facts.checkpoint !== null && read.has(table.target) && !(facts.adSchema && isAdName(table));
    const why = isTaken ? 'a mirror of that name is there' : reasonToRebuild(plain, isNew ? 'new' : fate, facts.marks);
    const role = { table, role: roleOf(table, facts.adSchema), history: hasHistory(table, facts.adSchema) };
    const rebuilt =
      why === null ? plain : await stateToRebuild(copy, { ...role, state: plain }, { lsn: facts.lsn, why });
    next.set(candidate.label, rebuilt);
  }
  return next;
}

function isAdLabel(label = ''): boolean {
  const [schema = '', name = ''] = label.split('.');
  return isAdName({ schema, name } as SourceTable);
}

/** Why changes of a table may be missing in its mirror; null when none are. */
function reasonToRebuild(state: TableState, fate: Fate, marks: ReadonlyMap<number, string>): string | null {
  const { phase, chosen, published } = state;
  if (fate === 'new') return null;
  if (phase === 'paused' || chosen === 'removed') return null;
  if (fate === 'recreated') return 'the source has dropped the table and made another of that name';
  if (phase === 'dropped') return 'the source has the table again';
  if (phase === 'excluded') return 'it is included again';
  if (!isFollowed(phase) || published === '' || published === marks.get(state.oid)) return null;
  return 'somebody has changed the publication: changes may have been left out';
}

function unfitState({ label, oid, fault }: Candidate, state: TableState | null): TableState {
  const [schema, name] = [label.slice(0, label.indexOf('.')), label.slice(label.indexOf('.') + 1)];
  const table = { oid, schema, name, target: schema === 'public' ? name : `${schema}_${name}` };
  const known = state ?? newTableState(table);
  const named = { ...known, table: label, oid };
  return isFollowed(known.phase) || known.phase === 'dropped'
    ? { ...named, phase: 'quarantined', reason: fault }
    : named;
}

/** @param now.label Where it is by now; null: nowhere. @param now.root Of which table it is a partition by now. */
function lostState(state: TableState, { label, root }: { label: string | null; root: string | undefined }): TableState {
  if (state.chosen === 'removed' || state.phase === 'dropped') return state;
  if (label === null) {
    return { ...state, phase: 'dropped', reason: 'the source has dropped it; its rows are kept as they were' };
  }
  if (state.phase === 'excluded') return state;
  if (root !== undefined)
    return {
      ...state,
      phase: 'excluded',
      reason: `it is a partition of ${root} by now: its rows are copied with those`,
    };
  const reason =
    label === state.table
      ? 'the configuration leaves it out'
      : `it is called ${label} now, which the configuration leaves out`;
  return { ...state, phase: 'excluded', reason };
}

/** Writes what is new, all or none of it. */
async function write(
  copy: Copy,
  before: ReadonlyMap<string, TableState>,
  after: ReadonlyMap<string, TableState>,
): Promise<void> {
  const byOid = new Map([...before.values()].map((state) => [state.oid, state]));
  const written = [...after.values()].filter(
    (state) => JSON.stringify(before.get(state.table), text) !== JSON.stringify(state, text),
  );
  const forgotten = [...before.values()].filter(({ table }) => !after.has(table));
  const renamed = written.flatMap((to) => {
    const from = byOid.get(to.oid);
    return from === undefined || from.oid === 0 || from.table === to.table ? [] : [{ from, to }];
  });
  if (written.length + forgotten.length > 0) await copy.tables.writeTables({ written, forgotten, renamed });
}

function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
