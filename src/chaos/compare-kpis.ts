/** The five key figures of the copy against the same figures by plain SQL on the source. */
import type pg from 'pg';
import type { KpiName } from '../kpi/definitions.ts';
import { queryKpi } from '../kpi/query.ts';
import type { CopySide, SourceSide, Tally } from './compare.ts';
import { type Days, oracleAdvertisers, oracleCtr, oracleDelivery, oracleSpend } from './kpi-oracle.ts';

/** A row of a key figure. */
export type Cells = Record<string, unknown>;

/** Days around now that hours and days are compared for; the others are compared for all time. */
const DAYS = { day: [-9, 2], hour: [-3, 2] } as const;
const ALL_TIME: Days = { from: '1900-01-01', to: '2299-12-31' };
const MS_PER_DAY = 86_400_000;
/** Differences shown per figure. */
const SHOWN = 6;

/**
 * Prices and deleted campaigns as the audit knows them, under the names that the oracle reads. Temporary, so that they
 * are nothing of the source.
 */
const ORACLE_TABLES = `
  SET LOCAL jit = off;
  CREATE TEMP TABLE price AS SELECT DISTINCT ON (id, valid_from) id AS campaign_id, valid_from, bid FROM (
    SELECT id, seq, (state ->> 'bid')::numeric(10, 2) AS bid,
      CASE WHEN row_number() OVER (PARTITION BY id ORDER BY seq) = 1 THEN timestamp '-infinity' ELSE at END AS valid_from
    FROM audit.version WHERE tbl = 'campaign' AND NOT gone) v ORDER BY id, valid_from, seq DESC;
  CREATE INDEX ON price (campaign_id, valid_from);
  CREATE TEMP TABLE gone AS SELECT c.* FROM (
      SELECT DISTINCT ON (id) id, state FROM audit.version WHERE tbl = 'campaign' AND NOT gone ORDER BY id, seq DESC) v,
    LATERAL jsonb_populate_record(NULL::public.campaign, v.state) c
    WHERE NOT EXISTS (SELECT FROM public.campaign WHERE campaign.id = v.id);
  ANALYZE price`;

/**
 * What differs in ctr, spend, advertisers, daily and hourly; empty when they are equal. The audit must be dated by
 * commit, and nothing else may use this session meanwhile.
 */
export async function kpiDifferences(
  pg: SourceSide,
  ch: CopySide,
  pricingModel: 'cpc' | 'cpm',
  tally: Tally,
): Promise<string[]> {
  const { client } = pg;
  await client.query('BEGIN');
  try {
    await client.query(ORACLE_TABLES);
    const found: string[] = [];
    for (const [name, days, oracle, order] of figures(client, pricingModel)) {
      const { rows } = await queryKpi(ch.client, ch, name, { ...days, pricingModel });
      const wanted = comparable(await oracle(days), order);
      tally.rows += wanted.length;
      found.push(
        ...rowDifferences(comparable(rows, order), wanted).map((text) => `${name} (${pricingModel}): ${text}`),
      );
    }
    return found;
  } finally {
    await client.query('ROLLBACK');
  }
}

type Figure = [name: KpiName, days: Days, oracle: (days: Days) => Promise<Cells[]>, order?: string];

function figures(client: pg.Client, model: 'cpc' | 'cpm'): Figure[] {
  return [
    ['ctr', ALL_TIME, async (days) => oracleCtr(client, days), 'campaign_id'],
    ['spend', ALL_TIME, async (days) => oracleSpend(client, days, model), 'campaign_id'],
    ['advertisers', ALL_TIME, async (days) => oracleAdvertisers(client, days, model), 'advertiser_id'],
    ['daily', around('day'), async (days) => oracleDelivery(client, days, 'day')],
    ['hourly', around('hour'), async (days) => oracleDelivery(client, days, 'hour')],
  ];
}

function around(step: keyof typeof DAYS): Days {
  const day = (offset: number): string => new Date(Date.now() + offset * MS_PER_DAY).toISOString().slice(0, 10);
  return { from: day(DAYS[step][0]), to: day(DAYS[step][1]) };
}

function rowDifferences(found: readonly Cells[], wanted: readonly Cells[]): string[] {
  const texts = (rows: readonly Cells[]): string[] => rows.map((row) => sortedText(row));
  const [inCopy, inSource] = [texts(found), texts(wanted)];
  const [copySet, sourceSet] = [new Set(inCopy), new Set(inSource)];
  return [
    ...inSource.filter((text) => !copySet.has(text)).map((text) => `source ${text}`),
    ...inCopy.filter((text) => !sourceSet.has(text)).map((text) => `copy ${text}`),
  ].slice(0, SHOWN);
}

function sortedText(row: Cells): string {
  return JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Rows with every value as text, times without fractions of seconds that are 0, floats rounded. */
export function comparable(rows: readonly Cells[], order?: string): Cells[] {
  const cells = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, text(name, value)])),
  );
  if (order === undefined) return cells;
  return cells.toSorted((a, b) => Number(a[order] ?? Infinity) - Number(b[order] ?? Infinity));
}

function text(name: string, value: unknown): unknown {
  if (value === null) return null;
  if (/^(ctr|ctr_low|ctr_high|budget_used)$/.test(name)) return Number(value).toPrecision(12);
  if (/^(deleted|clicks_exceed_impressions)$/.test(name)) return value === true || value === 't';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
