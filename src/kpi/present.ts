/** Up to where the copy stands, and what else is known of it before a figure is asked. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import type { AsOf, Known } from './sources.ts';

/** The query for it: lsn, commit_time, loading, has_rules; one row. */
export function presentStatement(names: Names): string {
  const database = chIdent(names.database);
  return `SELECT lsn, commit_time, loading,
    (SELECT count() > 0 FROM ${database}.pricing_rules FINAL WHERE pricing_model != '' OR budget_kind != '') AS has_rules
FROM ${database}.as_of`;
}

/** Reads it. A figure that is asked afterwards holds at least up to there. */
export async function readPresent(clickhouse: ClickHouse, names: Names): Promise<Pick<Known, 'at' | 'hasRules'>> {
  const [row] = await clickhouse.rows<AsOf & { readonly has_rules: boolean }>(presentStatement(names));
  if (row === undefined) throw new AppError('INTERNAL', 'the view as_of has no row');
  const { has_rules: hasRules, ...at } = row;
  return { at, hasRules };
}
