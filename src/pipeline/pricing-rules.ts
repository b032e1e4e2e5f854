/** Rules of the configuration for prices and budgets of single campaigns and advertisers: written where key figures read them. */
import { chIdent } from '../model/quote.ts';
import type { Copy } from './copy.ts';

/** A rule as the configuration writes it: `advertiser:7=cpm`, `campaign:12=daily`, `campaign:3=cpc+lifetime`. */
const RULE = /^(campaign|advertiser):(-?\d+)=(?:(cpc|cpm)\+?)?(lifetime|daily)?$/;

/** Writes the rules, and takes back those that an earlier configuration had. Rules of the operator stay. */
export async function bringPricingRules({ clickhouse, names }: Copy, rules: readonly string[]): Promise<void> {
  const table = `${chIdent(names.database)}.pricing_rules`;
  const present = await clickhouse.rows<{ rule: string; origin: string }>(
    `SELECT concat(scope, ':', toString(id), '=', arrayStringConcat(arrayFilter(x -> x != '', [pricing_model, budget_kind]), '+')) AS rule, origin
     FROM ${table} FINAL WHERE origin = 'configuration' AND (pricing_model != '' OR budget_kind != '')`,
  );
  const kept = new Set(present.map(({ rule }) => rule));
  const wanted = new Map(rules.map((rule) => [rule.slice(0, rule.indexOf('=')), rule]));
  const gone = [...kept].map((rule) => rule.slice(0, rule.indexOf('='))).filter((subject) => !wanted.has(subject));
  const written = [...[...wanted.values()].filter((rule) => !kept.has(rule)), ...gone.map((subject) => `${subject}=`)];
  if (written.length === 0) return;
  const rows = written.map((rule) => {
    const [, scope, id, pricing_model = '', budget_kind = ''] = RULE.exec(rule) ?? [];
    return JSON.stringify({ scope, id, pricing_model, budget_kind, origin: 'configuration' });
  });
  await clickhouse.insert(`INSERT INTO ${table} (scope, id, pricing_model, budget_kind, origin) FORMAT JSONEachRow`, [
    Buffer.from(`${rows.join('\n')}\n`),
  ]);
}
