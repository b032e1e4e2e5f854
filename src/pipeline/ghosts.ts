/**
 * The end of a table's resync: rows that the copy still has from before and that were neither loaded again nor changed
 * since are gone in the source. They get a tombstone under the version of the loaded rows. May be repeated.
 */
import { type Patience, untilDone } from '../destination/landing.ts';
import type { TableState } from '../destination/table-state.ts';
import { chIdent } from '../model/quote.ts';
import { isKeyless, onDeleteOf } from '../model/table.ts';
import type { Copy } from './copy.ts';
import { historyColumns, type TableLayout, layoutNames } from './layout.ts';

/**
 * Ends the ghosts of a table that is consistent now; nothing to do after a first load.
 *
 * @param of.patience null: before a session, which begins anew whatever fails.
 */
export async function endGhosts(
  copy: Copy,
  layout: TableLayout,
  { state, patience }: { state: TableState; patience: Patience | null },
): Promise<void> {
  const signal = patience?.signal;
  const done = async (action: () => Promise<unknown>): Promise<void> => {
    if (patience === null) await action();
    else await untilDone(action, { ...patience, what: `the end of the load of ${state.table}` });
  };
  if (isKeyless(layout.table)) return await done(() => dropOlder(copy, layout, state, signal));
  const policy = onDeleteOf(layout.table);
  if (state.baseVersion === 0n || policy === 'keep') return;
  const { mirror } = layoutNames(copy.names, layout);
  const ghosts = `(SELECT * FROM ${mirror} FINAL WHERE _deleted = 0 AND _version < {base:UInt64})`;
  const ended =
    policy === 'soft'
      ? "SELECT * REPLACE({base:UInt64} AS _version, ifNull(_deleted_at, fromUnixTimestamp64Micro({us:Int64}, 'UTC')) AS _deleted_at)"
      : 'SELECT * REPLACE({base:UInt64} AS _version, 1 AS _deleted)';
  const insert = async (sql: string): Promise<void> => {
    const params = { base: String(state.baseVersion), us: String(state.baseTimeUs) };
    const options = { params, settings: copy.fence.settings('resync'), ...(signal === undefined ? {} : { signal }) };
    await done(() => copy.clickhouse.command(sql, options));
  };
  // The history first: once the mirror has the tombstones, nothing tells any more which rows they were for.
  if (layout.history) {
    const history = `${chIdent(copy.names.database)}.${chIdent(`${layout.table.target}_history`)}`;
    const columns = historyColumns(layout).map(chIdent).join(', ');
    await insert(
      `INSERT INTO ${history} (${columns}, _version, _deleted, _committed_at)
       SELECT ${columns}, {base:UInt64}, 1, fromUnixTimestamp64Micro({us:Int64}, 'UTC') FROM ${ghosts}`,
    );
  }
  await insert(`INSERT INTO ${mirror} ${ended} FROM ${ghosts}`);
}

/**
 * Of a table without a key: takes out what was streamed before the snapshot it was loaded from, and what earlier
 * attempts loaded. For a table that is consistent, whose rows of both lie in the mirror that it was loaded into.
 */
async function dropOlder(
  { clickhouse, names, fence }: Copy,
  layout: TableLayout,
  { baseVersion }: Pick<TableState, 'baseVersion'>,
  signal?: AbortSignal,
): Promise<void> {
  const { mirror } = layoutNames(names, layout);
  const settings = { ...fence.settings('load'), mutations_sync: 1 };
  const sql = `ALTER TABLE ${mirror} DELETE WHERE _version < ${baseVersion} AND ${fence.condition}`;
  await clickhouse.command(sql, { settings, ...(signal === undefined ? {} : { signal }) });
}
