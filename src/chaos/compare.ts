/** The exact comparison of a source and its copy: every row, every bucket, every version, no sampling. */
import type pg from 'pg';
import type { ClickHouse } from '../destination/client.ts';
import { differences } from '../destination/rollups.ts';
import { pgRows } from '../source/connection.ts';

/** A session on the source. */
export interface SourceSide {
  readonly client: pg.Client;
}

/** A connection to the copy, and its databases. */
export interface CopySide {
  readonly client: ClickHouse;
  /** The users' database. */
  readonly database: string;
  /** Millrace's own database. */
  readonly internal: string;
}

/** Counts what was compared. */
export interface Tally {
  /** Rows, buckets, versions of the source that were looked for in the copy. */
  rows: number;
}

/** How each type is written the same way on both sides. */
function sourceText(column: { name: string; type: string }): string {
  const name = `"${column.name}"`;
  if (column.type.startsWith('timestamp')) return `to_char(${name}, 'YYYY-MM-DD HH24:MI:SS.US')`;
  if (column.type.startsWith('numeric')) return `trim_scale(${name})::text`;
  return `${name}::text`;
}

/** All rows of a source table as text, in key order of their text. */
async function sourceRows(client: pg.Client, table: string): Promise<{ columns: string[]; rows: string[] }> {
  const columns = await pgRows<{ name: string; type: string }>(
    client,
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table],
  );
  const rows = await pgRows(
    client,
    `SELECT ${columns.map((c) => `${sourceText(c)} AS "${c.name}"`).join(', ')} FROM ${table}`,
  );
  const names = columns.map((column) => column.name);
  return { columns: names, rows: rows.map((row) => JSON.stringify(names.map((name) => row[name]))).toSorted() };
}

async function copyRows(client: ClickHouse, table: string, columns: readonly string[]): Promise<string[]> {
  const list = columns.map((name) => `toString(\`${name}\`) AS \`${name}\``).join(', ');
  const rows = await client.rows(`SELECT ${list} FROM ${table}`);
  return rows.map((row) => JSON.stringify(columns.map((name) => row[name] ?? null))).toSorted();
}

/** Rows that differ between a source table and its mirror, with the side they are on; empty when equal. */
export async function tableDifferences(
  pg: SourceSide,
  ch: CopySide,
  table: string,
  tally: Tally = { rows: 0 },
): Promise<string[]> {
  const source = await sourceRows(pg.client, table);
  tally.rows += source.rows.length;
  const copy = await copyRows(ch.client, `${ch.database}.${table}_current`, source.columns);
  const inCopy = count(copy);
  const inSource = count(source.rows);
  const missing = [...inSource].filter(([row, n]) => inCopy.get(row) !== n).map(([row, n]) => `source ×${n} ${row}`);
  const extra = [...inCopy].filter(([row, n]) => inSource.get(row) !== n).map(([row, n]) => `copy ×${n} ${row}`);
  return [...missing, ...extra].slice(0, 12).map((text) => `${table}: ${text}`);
}

function count(rows: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row, (counts.get(row) ?? 0) + 1);
  return counts;
}

/** Impressions and clicks per campaign and hour, by plain SQL on the source. */
async function sourceBuckets(client: pg.Client): Promise<string[]> {
  const rows = await pgRows(
    client,
    `SELECT campaign_id, to_char(date_trunc('hour', created_at), 'YYYY-MM-DD HH24:MI:SS') AS hour,
            count(*) FILTER (WHERE fact = 'i') AS impressions, count(*) FILTER (WHERE fact = 'c') AS clicks
     FROM (SELECT 'i' AS fact, campaign_id, created_at FROM impressions UNION ALL SELECT 'c', campaign_id, created_at FROM clicks) events
     GROUP BY 1, 2`,
  );
  return rows.map((row) => `${row['campaign_id']} ${row['hour']} ${row['impressions']} ${row['clicks']}`).toSorted();
}

/** The same from the rollup. */
async function copyBuckets(ch: CopySide): Promise<string[]> {
  const rows = await ch.client.rows<{ campaign: string | null; at: string | null; i: string; c: string }>(
    `SELECT toString(campaign_id) AS campaign, toString(hour) AS at, sum(impressions) AS i, sum(clicks) AS c
     FROM ${ch.database}.campaign_hourly GROUP BY campaign_id, hour HAVING i != 0 OR c != 0`,
  );
  return rows.map((row) => `${row.campaign} ${row.at} ${row.i} ${row.c}`).toSorted();
}

/** Versions called current that are not the mirror's rows, and the other way round. */
async function historyDifferences(ch: CopySide, table: 'advertiser' | 'campaign'): Promise<string[]> {
  const { database } = ch;
  const columns = table === 'campaign' ? 'id, name, bid, budget, start_date, end_date, advertiser_id' : 'id, name';
  const current = `SELECT ${columns} FROM ${database}.${table}_versions WHERE is_current`;
  const mirror = `SELECT ${columns} FROM ${database}.${table}_current`;
  const rows = await ch.client.rows<{ id: number }>(
    `SELECT id FROM (SELECT *, count() AS n FROM (${current} UNION ALL ${mirror}) GROUP BY ALL) WHERE n != 2`,
  );
  return rows.map(({ id }) => `history of ${table} ${id} does not end with its row`);
}

/** Campaigns of which the KPI view counts other events than the source has. */
async function kpiDifferences(pg: SourceSide, ch: CopySide): Promise<string[]> {
  const source = await pgRows<{ id: string | null; impressions: string; clicks: string }>(
    pg.client,
    `SELECT campaign_id AS id, count(*) FILTER (WHERE fact = 'i') AS impressions, count(*) FILTER (WHERE fact = 'c') AS clicks
     FROM (SELECT 'i' AS fact, campaign_id FROM impressions UNION ALL SELECT 'c', campaign_id FROM clicks) events GROUP BY 1`,
  );
  const copy = await ch.client.rows<{ id: number | null; impressions: string; clicks: string }>(
    `SELECT campaign_id AS id, impressions + undated_impressions AS impressions, clicks + undated_clicks AS clicks
     FROM ${ch.database}.kpi_ctr(from = '1900-01-01', to = '2299-12-31', timezone = 'UTC') WHERE impressions != 0 OR clicks != 0`,
  );
  const lines = (rows: readonly Record<'id' | 'impressions' | 'clicks', string | number | null>[]): string[] =>
    rows.map((row) => `${row.id} ${row.impressions} ${row.clicks}`);
  const [wanted, found] = [new Set(lines(source)), new Set(lines(copy))];
  return [...wanted]
    .filter((line) => !found.has(line))
    .concat([...found].filter((line) => !wanted.has(line)))
    .map((line) => `kpi_ctr: ${line}`);
}

/** Everything that differs between the ad source and its copy: mirrors, rollups against both, history, KPIs. Empty when equal. */
export async function adDifferences(pg: SourceSide, ch: CopySide, tally: Tally = { rows: 0 }): Promise<string[]> {
  const found: string[] = [];
  for (const table of ['advertiser', 'campaign', 'impressions', 'clicks'])
    found.push(...(await tableDifferences(pg, ch, table, tally)));
  const [source, copy] = [await sourceBuckets(pg.client), await copyBuckets(ch)];
  tally.rows += source.length;
  const [inSource, inCopy] = [new Set(source), new Set(copy)];
  found.push(...source.filter((bucket) => !inCopy.has(bucket)).map((bucket) => `rollup lacks ${bucket}`));
  found.push(...copy.filter((bucket) => !inSource.has(bucket)).map((bucket) => `rollup has ${bucket}`));
  const wrong = await differences(ch.client, { database: ch.database, internal: ch.internal });
  if (wrong > 0) found.push(`${wrong} rollup buckets differ from the mirrors`);
  for (const table of ['advertiser', 'campaign'] as const) found.push(...(await historyDifferences(ch, table)));
  found.push(...(await kpiDifferences(pg, ch)));
  return found;
}
