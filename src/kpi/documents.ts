/** Files that come from the definitions: the views' SQL, one SQL file per key figure, the dictionary for readers. */
import { KPIS } from './definitions.ts';
import type { KpiDefinition } from './definition.ts';
import { reportStatement, viewStatement } from './statement.ts';

/** Who a campaign or advertiser is, also after it was deleted: one row per id. */
const DIRECTORIES = `-- Campaigns and advertisers by id: those that exist as they stand, deleted ones as they were last.
-- Every column is Nullable, so that a join finds NULL where there is no row, whatever the session's settings.
CREATE OR REPLACE VIEW \${database}.campaign_directory AS
SELECT toNullable(id) AS campaign_id, toNullable(name) AS campaign, toNullable(bid) AS bid, toNullable(budget) AS budget,
    start_date, end_date, advertiser_id, toNullable(false) AS deleted
FROM \${database}.campaign FINAL
WHERE _deleted = 0
UNION ALL
SELECT toNullable(id), toNullable(name), toNullable(bid), toNullable(budget), start_date, end_date, advertiser_id, toNullable(true)
FROM \${database}.campaign_history FINAL
WHERE _deleted = 0 AND id NOT IN (SELECT id FROM \${database}.campaign FINAL WHERE _deleted = 0)
ORDER BY id, _version DESC, _committed_at DESC
LIMIT 1 BY id;

CREATE OR REPLACE VIEW \${database}.advertiser_directory AS
SELECT toNullable(id) AS advertiser_id, toNullable(name) AS advertiser, toNullable(false) AS deleted
FROM \${database}.advertiser FINAL
WHERE _deleted = 0
UNION ALL
SELECT toNullable(id), toNullable(name), toNullable(true)
FROM \${database}.advertiser_history FINAL
WHERE _deleted = 0 AND id NOT IN (SELECT id FROM \${database}.advertiser FINAL WHERE _deleted = 0)
ORDER BY id, _version DESC, _committed_at DESC
LIMIT 1 BY id;`;

const NOT_COMPUTABLE: readonly (readonly [string, string])[] = [
  ['reach, frequency, unique CTR', 'there is no user or device'],
  ['conversions, conversion rate, CPA, ROAS, attribution', 'nothing is recorded after the click'],
  ['time from impression to click', 'a click does not name its impression'],
  ['viewability, invalid-traffic rate', 'nothing is measured about an impression but its time'],
  ['win rate, impression share, true cost', 'there are no auctions and no prices paid, only bids'],
  ['breakdowns by device, place, creative, page', 'events carry their campaign and their time, nothing else'],
];

/** Parameters of the examples. */
const EXAMPLE: Readonly<Record<string, string>> = { from: '2026-03-01', to: '2026-03-07', pricing_model: 'cpc' };

/** sql/clickhouse/R__kpi_views.sql. */
export function kpiViewsFile(): string {
  const head = `-- The key figures as views, with the days from and to (both included, UTC) as parameters:
--   SELECT * FROM \${database}.kpi_ctr(from = '2026-03-01', to = '2026-03-07') WHERE advertiser_id = 7
-- They read the rollup campaign_hourly, never the events. Written by scripts/docs.mjs from src/kpi.`;
  const views = Object.values<KpiDefinition>(KPIS).map(
    (kpi) => `-- ${kpi.title}: ${kpi.description}\n${viewStatement(kpi)};`,
  );
  return `${[head, DIRECTORIES, ...views].join('\n\n')}\n`;
}

/** sql/kpi/<name>.sql: the report with nothing but tables below it, in the default database. */
export function kpiSqlFile(kpi: KpiDefinition): string {
  const params = ['from', 'to', ...(kpi.hasPricingModel ? ['pricing_model'] : [])];
  const call = params.map((name) => `${name} = '${EXAMPLE[name]}'`).join(', ');
  const lines = [
    kpi.title,
    kpi.description,
    '',
    `Formula:  ${kpi.formula}`,
    `Unit:     ${kpi.unit}`,
    `Grain:    ${kpi.grain}`,
    `NULL:     ${kpi.nullRule}`,
    ...kpi.caveats.map((caveat) => `Caveat:   ${caveat}`),
    '',
    `As a view:  SELECT * FROM ads.${kpi.view}(${call})`,
    `This file:  clickhouse-client ${params.map((name) => `--param_${name}=…`).join(' ')} --queries-file sql/kpi/${kpi.name}.sql`,
    'Written by scripts/docs.mjs from src/kpi.',
  ];
  const head = lines.map((line) => (line === '' ? '--' : `-- ${line}`)).join('\n');
  const sql = reportStatement(kpi, `(\n${kpi.sql}\n)`).replaceAll('${database}', 'ads');
  return `${head}\n\n${sql};\n`;
}

/** docs/kpis.md. */
export function kpiDocument(): string {
  const kpis = Object.values<KpiDefinition>(KPIS);
  return `# Key figures

<!-- Written by scripts/docs.mjs from src/kpi: do not edit. -->

Each figure has one definition, from which come its view in ClickHouse, \`millrace kpi NAME\`, the file in \`sql/kpi\` and this page. Tests compare each with plain SQL over the same rows in PostgreSQL.

## Rules for all

- A ratio is a ratio of sums. 0/0 is NULL: no data.
- Money is decimal from end to end, and estimated.
- Days and hours are those of the event (\`created_at\`), in UTC. \`from\` and \`to\` are days, both included. Without them \`millrace kpi\` takes the days that have events, from the first to the last; where the length of a range is limited, days after tomorrow are left out unless there are no others, and of a range that is too long the end is kept.
- Days and hours without events are shown. Campaigns and advertisers without events are shown, with zeros.
- NULL has a place of its own, “(none)”: never campaign 0, never 1970.
- More clicks than impressions are shown and flagged, never clipped.
- Facts are summed before anything is joined: budgets are never multiplied.
- Every row says up to where it holds: \`as_of_lsn\` (position in the source’s log), \`as_of_commit_time\`, and \`loading\` while a table is not complete yet.
- All are read from the rollup \`campaign_hourly\`, which is kept equal to the events.

${kpis.map(kpiSection).join('\n\n')}

## Not computable from these tables

${NOT_COMPUTABLE.map(([what, why]) => `- ${what}: ${why}`).join('\n')}
`;
}

function kpiSection(kpi: KpiDefinition): string {
  const rows = kpi.columns.map(
    ({ name, label, unit, meaning }) => `| \`${name}\` | ${label} | ${unit} | ${meaning ?? ''} |`,
  );
  return `## \`${kpi.name}\`: ${kpi.title}

${kpi.description}

- Formula: ${kpi.formula}
- Unit: ${kpi.unit}
- Grain: ${kpi.grain}
- NULL: ${kpi.nullRule}
${kpi.caveats.map((caveat) => `- ${caveat}`).join('\n')}
- View: \`${kpi.view}\`; SQL: [sql/kpi/${kpi.name}.sql](../sql/kpi/${kpi.name}.sql)${kpi.maxDays === null ? '' : `; at most ${kpi.maxDays} days at once`}

| Column | Label | Unit | Meaning |
|---|---|---|---|
${rows.join('\n')}`;
}
