/** SQL of a key figure: its view, and the report that reads it. */
import { type KpiDefinition, PARAMS } from './definition.ts';
import { PRESENT } from './sources.ts';
import { withSources } from './short-cuts.ts';

/** Narrows a report. */
export interface KpiFilter {
  readonly advertiser?: number | undefined;
  readonly campaign?: number | undefined;
}

/** `CREATE OR REPLACE VIEW`, with `${database}` to be replaced. */
export function viewStatement(kpi: KpiDefinition): string {
  return `CREATE OR REPLACE VIEW \${database}.${kpi.view} AS\n${withSources(kpi.sql, PRESENT)}`;
}

/** A call of the view with its parameters passed on. */
export function viewCall(kpi: KpiDefinition): string {
  const params = kpi.params.map((name) => `${name} = {${name}:${PARAMS[name].type}}`);
  return `\${database}.${kpi.view}${params.length === 0 ? '' : `(${params.join(', ')})`}`;
}

/** Whose figures a report has. */
export interface Whose extends KpiFilter {
  readonly by?: string | undefined;
  /** Some campaign or advertiser has a rule for its price. */
  readonly hasRules?: boolean | undefined;
}

/** The SQL that a report reads: the view's, or sums of everybody where that is the same. */
export function reportBody(kpi: KpiDefinition, { advertiser, campaign, by, hasRules = true }: Whose): string {
  if (advertiser !== undefined || campaign !== undefined) return kpi.sql;
  const platform = by === 'platform' && !hasRules ? kpi.report.platform : undefined;
  return platform ?? kpi.report.whole ?? kpi.sql;
}

/**
 * The report over a source.
 *
 * @param source The view's call, or its body in parentheses.
 */
export function reportStatement(kpi: KpiDefinition, source: string, filter: KpiFilter = {}): string {
  const conditions = [
    ...(filter.advertiser === undefined ? [] : ['advertiser_id = {advertiser:Int32}']),
    ...(filter.campaign === undefined ? [] : ['campaign_id = {campaign:Int32}']),
  ];
  const where = conditions.length === 0 ? '' : `\nWHERE ${conditions.join(' AND ')}`;
  const { select, groupBy, orderBy } = kpi.report;
  if (groupBy === undefined) return `SELECT ${select}\nFROM ${source}${where}\nORDER BY ${orderBy}`;
  return `SELECT ${select}
FROM (
SELECT ${groupBy}, sum(impressions) AS impressions, sum(clicks) AS clicks
FROM ${source}${where}
GROUP BY ${groupBy}
) AS f
ORDER BY ${orderBy}`;
}
