/** Reads rows of the source and of a clone by their keys, given as text. */
import { copyLiteral } from '../codec/canonical.ts';
import { AppError } from '../model/errors.ts';
import { chIdent, pgRowsOf } from '../model/quote.ts';
import type { SourceColumn } from '../model/table.ts';
import type { TextRow } from '../source/connection.ts';
import { castType, comparable } from '../source/select-list.ts';
import { andFilter } from '../source/row-filter.ts';
import type { Clones } from './clones.ts';
import type { SourceReader } from './source-reader.ts';
import type { SourceTableState } from './source-table.ts';
import type { TablePlan } from './table-plan.ts';

/** Parts of a key in key order, as PostgreSQL reads them. */
export type KeyText = readonly string[];

const KEYS_PER_QUERY = 1000;

/** Rows of the source with these keys. */
export async function sourceByKey(
  reader: SourceReader,
  state: SourceTableState,
  keys: readonly KeyText[],
  select: string,
): Promise<TextRow[]> {
  const { plan } = state;
  const isMasked = ({ choice }: SourceColumn): boolean => choice?.mask !== undefined;
  const names = plan.key
    .map(({ column, source }) => (isMasked(column) ? source.compared : comparable(column)))
    .join(', ');
  const lists = plan.key.map((_, i) => `$${i + 1}::text[]`).join(', ');
  const casts = plan.key.map(({ column }, i) => `w.k${i}::${isMasked(column) ? 'text' : castType(column)}`).join(', ');
  const aliases = plan.key.map((_, i) => `k${i}`).join(', ');
  const sql =
    `SELECT ${select} FROM ${pgRowsOf(plan.table)} ` +
    `WHERE (${names}) IN (SELECT ${casts} FROM unnest(${lists}) AS w(${aliases}))${andFilter(plan.table)}`;
  const found: TextRow[] = [];
  for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
    const some = keys.slice(from, from + KEYS_PER_QUERY);
    const rows = await reader.rows(
      state.file,
      sql,
      plan.key.map((_, i) => some.map((key) => key[i])),
    );
    if (rows === null)
      throw new AppError('POSTGRES_FAILED', `${plan.label}: rows cannot be read by key within the statement timeout`);
    for (const row of rows) found.push(row);
  }
  return found;
}

/** Which rows of the clones: the live ones of a mirror, what is stored last of a key (a tombstone perhaps), or its last version. */
export type CopySide = 'live' | 'newest' | 'history';

/** Rows of the clones with these keys. */
export async function copyByKey(
  source: { readonly clones: Clones; readonly plan: TablePlan; readonly signal: AbortSignal },
  keys: readonly KeyText[],
  select: string,
  side: CopySide,
): Promise<Record<string, string | null>[]> {
  const { clones, plan, signal } = source;
  const names = plan.key.map(({ column }) => chIdent(column.name)).join(', ');
  const mirror = clones.table(plan.table.target);
  const sql = {
    live: (where: string) => `SELECT ${select} FROM ${mirror} FINAL WHERE ${plan.live} AND ${where}`,
    newest: (where: string) =>
      `SELECT ${select} FROM ${mirror} WHERE ${where} ORDER BY _version DESC LIMIT 1 BY ${names}`,
    history: (where: string) =>
      `SELECT ${select} FROM ${clones.table(historyName(plan))} FINAL WHERE ${where} ORDER BY ${HISTORY_ORDER} LIMIT 1 BY ${names}`,
  }[side];
  const found: Record<string, string | null>[] = [];
  for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
    const where = `(${names}) IN (${keys
      .slice(from, from + KEYS_PER_QUERY)
      .map((key) => keyLiteral(plan, key))
      .join(', ')})`;
    for (const row of await clones.rows<Record<string, string | null>>(sql(where), signal)) found.push(row);
  }
  return found;
}

/** The last version of a key first. */
export const HISTORY_ORDER = '_version DESC, _committed_at DESC';

/** The table of a mirror's versions. */
export function historyName(plan: TablePlan): string {
  return `${plan.table.target}_history`;
}

function keyLiteral(plan: TablePlan, key: KeyText): string {
  const parts = plan.key.map(({ column }, i) => copyLiteral(column, key[i] ?? ''));
  return `(${parts.join(', ')})`;
}
