/** Which tables are compared, and why others are not. */
import type { Client } from 'pg';
import { isFollowed, type TableState } from '../destination/table-state.ts';
import { AppError } from '../model/errors.ts';
import { readCatalog } from '../source/catalog.ts';
import { pgRows } from '../source/connection.ts';
import type { VerifyOptions } from './options.ts';
import { planTable, type TablePlan } from './table-plan.ts';

/** Tables of the copy that were asked for. */
export interface ChosenTables {
  readonly plans: readonly TablePlan[];
  /** `schema.table` of others, with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/**
 * Chooses tables: those of the copy that are live and match `only`.
 *
 * @param states What the copy says of its tables.
 * @throws {AppError} `CONFIG_INVALID` for a pattern that matches nothing.
 */
export async function chooseTables(
  client: Client,
  states: ReadonlyMap<string, TableState>,
  options: Pick<VerifyOptions, 'patterns' | 'only' | 'unfitPolicy'>,
): Promise<ChosenTables> {
  const [setting] = await pgRows(client, "SELECT current_setting('server_encoding') AS encoding");
  // SQL_ASCII converts nothing: its bytes are in the copy as they are.
  const encoding = { isUtf8: ['UTF8', 'SQL_ASCII'].includes(setting?.['encoding'] ?? '') };
  const { tables } = await readCatalog(client, options.patterns);
  const wanted = options.only.length === 0 ? null : await readCatalog(client, { include: options.only, exclude: [] });
  const isWanted = (oid: number): boolean => wanted === null || wanted.tables.some((table) => table.oid === oid);
  const plans: TablePlan[] = [];
  const leftOut = new Map<string, string>();
  for (const table of tables.filter(({ oid }) => isWanted(oid))) {
    const state = states.get(`${table.schema}.${table.name}`);
    const reason = reasonOf(state);
    if (reason === null) plans.push(planTable(table, options.unfitPolicy, encoding));
    else leftOut.set(`${table.schema}.${table.name}`, reason);
  }
  if (plans.length + leftOut.size === 0)
    throw new AppError(
      'CONFIG_INVALID',
      `no table of the copy matches ${options.only.join(', ') || options.patterns.include.join(', ')}`,
    );
  return { plans, leftOut };
}

function reasonOf(state: TableState | undefined): string | null {
  if (state === undefined) return 'is not in the copy yet';
  if (state.phase === 'live') return null;
  if (state.building && isFollowed(state.phase)) return `is rebuilt: ${state.reason}`;
  return state.phase === 'quarantined' ? `quarantined: ${state.reason}` : `is ${state.phase.replace('_', ' ')}`;
}
