/** docs/kpi-examples.md: every key figure on a few rows, as ClickHouse computes it. Update with `vitest run kpi-examples -u`. */
import { expect, test } from 'vitest';
import { resultText } from '../src/cli/commands/kpi.ts';
import { renderTable } from '../src/cli/print.ts';
import { reloadPrices } from '../src/destination/rollups.ts';
import type { KpiDefinition } from '../src/kpi/definition.ts';
import { type KpiName, KPIS } from '../src/kpi/definitions.ts';
import { type KpiResult, queryKpi } from '../src/kpi/query.ts';
import { checkpoint, land, type LandingRow, temporaryAdCopy } from './support/ad-copy.ts';
import { BY_HAND } from './support/kpi-by-hand.ts';

const ADVERTISERS = [
  { id: 1, name: 'Acme' },
  { id: 2, name: 'Bolt' },
];
const CAMPAIGNS = [
  {
    id: 1,
    name: 'Shoes',
    advertiser_id: 1,
    bid: '1.00',
    budget: '10.00',
    start_date: '2026-03-01',
    end_date: '2026-03-10',
  },
  {
    id: 2,
    name: 'Hats',
    advertiser_id: 1,
    bid: '0.50',
    budget: '1.00',
    start_date: '2026-03-02',
    end_date: '2026-03-05',
  },
  {
    id: 3,
    name: 'Idle',
    advertiser_id: 2,
    bid: '3.00',
    budget: '30.00',
    start_date: '2026-03-01',
    end_date: '2026-03-31',
  },
];
const CHANGED = { ...CAMPAIGNS[0], bid: '2.00', _version: 100, _committed_at: '2026-03-03 00:00:00' };

const event = (id: number, campaign_id: number | null, at: string): LandingRow => ({
  id,
  campaign_id,
  created_at: `2026-03-${at}:00`,
});
const IMPRESSIONS = [
  event(1, 1, '02 09:10'),
  event(2, 1, '02 09:40'),
  event(3, 1, '03 09:05'),
  event(4, 1, '03 15:00'),
  event(5, 2, '02 10:00'),
  event(6, 2, '04 08:00'),
  event(7, null, '03 12:00'),
];
const CLICKS = [
  event(1, 1, '02 09:41'),
  event(2, 1, '03 09:06'),
  event(3, 2, '02 10:02'),
  event(4, 2, '04 08:01'),
  event(5, 2, '04 08:02'),
];

const NOW = '2026-03-04 12:00:00';
const DAYS = { from: '2026-03-02', to: '2026-03-04' };

/** Rows without events, of figures that have one for every hour. */
function withoutZeros(result: KpiResult): { result: KpiResult; left: number } {
  const isZero = (row: Record<string, unknown>): boolean => Number(row['impressions']) + Number(row['clicks']) === 0;
  if (result.rows.length <= 20) return { result, left: 0 };
  const rows = result.rows.filter((row) => !isZero(row));
  return { result: { ...result, rows }, left: result.rows.length - rows.length };
}

function tableOf(title: string, rows: readonly LandingRow[]): string {
  const columns = Object.keys(rows[0] ?? {}).map((name) => ({ name, kind: 'text' as const }));
  return `\`${title}\`\n\n\`\`\`\n${renderTable(columns, rows)}\`\`\``;
}

function section(kpi: KpiDefinition, answer: KpiResult): string {
  const { result, left } = withoutZeros(answer);
  const range = kpi.params.includes('from') ? ` --from ${DAYS.from} --to ${DAYS.to}` : '';
  const now = kpi.params.includes('now') ? ` --now '${NOW}'` : '';
  return `## ${kpi.name}

${kpi.formula}

\`\`\`
$ millrace kpi ${kpi.name}${range}${now}
${resultText(kpi.name as KpiName, result, 'table').trimEnd()}
\`\`\`
${left === 0 ? '' : `\n${left} rows without events are left out here.\n`}
By hand: ${BY_HAND[kpi.name as KpiName]}`;
}

test('the page is what ClickHouse computes from the rows that stand in it', async () => {
  await using ch = await temporaryAdCopy();
  await land(ch, 'advertiser', ADVERTISERS);
  await land(ch, 'campaign', CAMPAIGNS);
  await land(ch, 'campaign', [CHANGED]);
  await reloadPrices(ch.client, ch);
  await land(ch, 'impressions', IMPRESSIONS);
  await land(ch, 'clicks', CLICKS);
  await checkpoint(ch, 0x1_00_00_00_0an, NOW);
  const sections: string[] = [];
  for (const kpi of Object.values<KpiDefinition>(KPIS)) {
    const days = kpi.params.includes('from') ? DAYS : {};
    const request = { ...days, now: NOW, pricingModel: 'cpc' } as const;
    sections.push(section(kpi, await queryKpi(ch.client, ch, kpi.name as KpiName, request)));
  }
  await expect(`# Key figures, by example

<!-- Written by test/kpi-examples.ch.test.ts, which computes every figure with ClickHouse: do not edit. -->

Every figure of [kpis.md](kpis.md) on a few rows, to be computed again by hand: two advertisers, three campaigns, seven
impressions, five clicks, and one change of a bid: “Shoes” paid 1.00 until 3 March 00:00, and 2.00 from then on. It is
4 March, 12:00. A bid pays for a click, budgets are for the whole life of a campaign, all times are in UTC.

${tableOf('advertiser', ADVERTISERS)}

${tableOf(
  'campaign',
  [CHANGED, ...CAMPAIGNS.slice(1)].map(({ id, name, advertiser_id, bid, budget, start_date, end_date }) => ({
    id: id ?? null,
    name: name ?? null,
    advertiser_id: advertiser_id ?? null,
    bid,
    budget: budget ?? null,
    start_date: start_date ?? null,
    end_date: end_date ?? null,
  })),
)}

${tableOf('impressions', IMPRESSIONS)}

${tableOf('clicks', CLICKS)}

${sections.join('\n\n')}
`).toMatchFileSnapshot('../docs/kpi-examples.md');
});
