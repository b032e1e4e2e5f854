/** Up to where the copy stands, and what else is known of it before a figure is asked. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { AppError } from '../model/errors.ts';
import { chIdent } from '../model/quote.ts';
import type { AsOf, Known } from './sources.ts';

/** Up to so many campaigns a list of all their flights is faster than the days of each (flight.ts): measured, it is even at 10,000 to 20,000. */
const FEW_CAMPAIGNS = 10_000;

/** The query for it: lsn, commit_time, loading, has_rules, has_few_campaigns; one row. */
export function presentStatement(names: Names): string {
  const database = chIdent(names.database);
  return `SELECT lsn, commit_time, loading,
    (SELECT count() > 0 FROM ${database}.pricing_rules FINAL WHERE pricing_model != '' OR budget_kind != '') AS has_rules,
    (SELECT count() <= ${FEW_CAMPAIGNS} FROM ${database}.campaign) AS has_few_campaigns
FROM ${database}.as_of`;
}

/** Reads it. A figure that is asked afterwards holds at least up to there. */
export async function readPresent(clickhouse: ClickHouse, names: Names): Promise<Omit<Known, 'isUtc' | 'budgetKind'>> {
  const [row] = await clickhouse.rows<AsOf & { readonly has_rules: boolean; readonly has_few_campaigns: boolean }>(
    presentStatement(names),
  );
  if (row === undefined) throw new AppError('INTERNAL', 'the view as_of has no row');
  const { has_rules: hasRules, has_few_campaigns: hasFewCampaigns, ...at } = row;
  return { at, hasRules, hasFewCampaigns };
}
