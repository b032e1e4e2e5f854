/** Exceptions for prices and budgets from the configuration: written when a pipeline starts, taken back when they are gone. */
import { expect, test } from 'vitest';
import { temporaryAdSource } from './support/ad-source.ts';
import { temporaryClickHouse, type TemporaryClickHouse } from './support/databases.ts';
import { startPipeline } from './support/pipeline.ts';

async function rulesOf(ch: TemporaryClickHouse): Promise<string[]> {
  const rows = await ch.client.rows<{ rule: string }>(
    `SELECT concat(scope, ' ', toString(id), ' ', pricing_model, ' ', budget_kind) AS rule FROM ${ch.database}.pricing_rules FINAL
     WHERE pricing_model != '' OR budget_kind != '' ORDER BY rule`,
  );
  return rows.map(({ rule }) => rule.trim());
}

test('GIVEN rules in the configuration WHEN it starts THEN figures read them; those of the operator stay, those taken from it go', async () => {
  await using pg = await temporaryAdSource();
  await using ch = await temporaryClickHouse();
  {
    await using first = startPipeline(pg, ch, { pricingRules: ['advertiser:7=cpm', 'campaign:12=cpc+daily'] });
    await first.caughtUp();
    expect(await rulesOf(ch)).toEqual(['advertiser 7 cpm', 'campaign 12 cpc daily']);
    await first.stop();
  }
  await ch.client.command(
    `INSERT INTO ${ch.database}.pricing_rules (scope, id, pricing_model) VALUES ('advertiser', 8, 'cpc')`,
  );
  await using second = startPipeline(pg, ch, { pricingRules: ['campaign:12=daily'] });
  await second.caughtUp();
  expect(await rulesOf(ch)).toEqual(['advertiser 8 cpc', 'campaign 12  daily']);
});
