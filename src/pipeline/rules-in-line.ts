/**
 * Rules of the configuration that have changed since a table's rows were copied: the rows are copied anew, beside the
 * mirror that is read. Otherwise a new mask or filter would hold for new rows only.
 *
 * Why it is exact: the publication is altered first; changes that it still decodes by the old filter belong to
 * transactions that run by then, and are left out once these have ended, as the load sees their results.
 */
import type pg from 'pg';
import type { TableState } from '../destination/table-state.ts';
import { hasOtherRule, mayKeepDeleted, ruleDigest } from '../model/rule-digest.ts';
import { hasHistory, roleOf } from '../model/roles.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import { ensurePublication } from '../source/publication.ts';
import { currentLsn, describeOlder, waitForOlderTransactions } from '../source/slot.ts';
import type { Copy } from './copy.ts';
import { isInPlace } from './layout.ts';
import { NOTHING_YET, type PipelineOptions } from './options.ts';
import { rebuiltState, stateToRebuild } from './rebuild.ts';

const WHY = 'the rules for it in the configuration have changed';

/**
 * Notes what has changed, and asks for what must be copied anew.
 *
 * @returns The states as they are then.
 */
export async function bringRulesIntoLine(
  client: pg.Client,
  copy: Copy,
  found: {
    followed: readonly SourceTable[];
    adSchema: boolean;
    states: ReadonlyMap<string, TableState>;
    options: PipelineOptions;
  },
): Promise<ReadonlyMap<string, TableState>> {
  const states = new Map(found.states);
  const write = async (state: TableState): Promise<void> => {
    states.set(state.table, state);
    await copy.tables.writeTable(state);
  };
  const changed: { table: SourceTable; state: TableState; rule: string }[] = [];
  for (const table of found.followed) {
    const state = states.get(tableLabel(table));
    const rule = ruleDigest(table);
    if (state === undefined || state.rule === rule) continue;
    if (hasOtherRule(state.rule, rule)) changed.push({ table, state, rule });
    else await write({ ...state, rule });
  }
  if (changed.length === 0) return states;
  const lsn = await publishFirst(client, found.followed, found.options);
  for (const { table, state, rule } of changed) {
    const request = { lsn, why: WHY };
    const role = { table, role: roleOf(table, found.adSchema), history: hasHistory(table, found.adSchema) };
    if (mayKeepDeleted(state.rule) && mayKeepDeleted(rule))
      await write({ ...state, phase: 'quarantined', reason: KEPT });
    else if (isInPlace(role)) await write({ ...(await stateToRebuild(copy, { ...role, state }, request)), rule });
    else await write({ ...rebuiltState(state, request), rule });
    found.options.log.warn({ table: state.table }, `${WHY}: it is copied anew`);
  }
  return states;
}

const KEPT = `${WHY}, and its copy holds rows that the source has deleted, which cannot be copied anew: take the change back, or remove the table from the copy and add it again`;

/** Alters the publication, and waits for what ran meanwhile. @returns The end of the log behind all that. */
export async function publishFirst(
  client: pg.Client,
  tables: readonly SourceTable[],
  { publication, signal, onProgress }: PipelineOptions,
): Promise<bigint> {
  await ensurePublication(client, publication, tables);
  await waitForOlderTransactions(client, {
    signal,
    onWait: (older) =>
      onProgress?.({ ...NOTHING_YET, waitingFor: `older transactions of PostgreSQL: ${describeOlder(older)}` }),
  });
  return await currentLsn(client);
}
