/** Files that come from the definitions: what they read as views, one SQL file per key figure, the dictionary for readers. */
import { KPIS } from './definitions.ts';
import { campaignDirectory } from './directory.ts';
import { type KpiDefinition, PARAMS } from './definition.ts';
import { reportStatement, viewStatement } from './statement.ts';
import { TABLE_FRESHNESS } from './freshness.ts';

/** Who a campaign or advertiser is, also after it was deleted; its events with their prices; how fresh tables are. */
const SOURCES = `-- Campaigns and advertisers by id: those that exist as they stand, deleted ones as they were last.
-- Every column is Nullable, so that a join finds NULL where there is no row, whatever the session's settings.
CREATE OR REPLACE VIEW \${database}.campaign_names AS
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

-- The same, with the rules for their price and budget.
CREATE OR REPLACE VIEW \${database}.campaign_directory AS
${campaignDirectory(`SELECT assumeNotNull(campaign_id) AS id, assumeNotNull(campaign) AS name, assumeNotNull(bid) AS bid, assumeNotNull(budget) AS budget,
        start_date, end_date, advertiser_id, assumeNotNull(deleted) AS deleted
    FROM \${database}.campaign_names`)};

-- The same of those that exist, without a look at the history.
CREATE OR REPLACE VIEW \${database}.live_campaign_directory AS
${campaignDirectory('SELECT id, name, bid, budget, start_date, end_date, advertiser_id, false AS deleted FROM ${database}.campaign FINAL WHERE _deleted = 0')};

CREATE OR REPLACE VIEW \${database}.advertiser_directory AS
SELECT toNullable(id) AS advertiser_id, toNullable(name) AS advertiser, toNullable(false) AS deleted
FROM \${database}.advertiser FINAL
WHERE _deleted = 0
UNION ALL
SELECT toNullable(id), toNullable(name), toNullable(true)
FROM \${database}.advertiser_history FINAL
WHERE _deleted = 0 AND id NOT IN (SELECT id FROM \${database}.advertiser FINAL WHERE _deleted = 0)
ORDER BY id, _version DESC, _committed_at DESC
LIMIT 1 BY id;

-- The events one by one, with their price under both pricing models. For figures that the rollup cannot give.
CREATE OR REPLACE VIEW \${database}.campaign_events AS
SELECT fact, id, campaign_id, created_at, if(fact = 'clicks', price, toDecimal128(0, 6)) AS cpc, if(fact = 'impressions', price / 1000, toDecimal128(0, 6)) AS cpm
FROM
(
    SELECT fact, id, campaign_id, created_at,
        if(isNull(campaign_id) OR isNull(created_at), toDecimal128(0, 6), toDecimal128(dictGet('\${database}.campaign_price', 'bid', toUInt64(assumeNotNull(campaign_id)), assumeNotNull(created_at)), 6)) AS price
    FROM
    (
        SELECT 'impressions' AS fact, id, campaign_id, created_at FROM \${database}.impressions FINAL WHERE _deleted = 0
        UNION ALL
        SELECT 'clicks', id, campaign_id, created_at FROM \${database}.clicks FINAL WHERE _deleted = 0
    )
);

-- How far each table is, and when the copy was last known to lack nothing.
${TABLE_FRESHNESS};`;

const NOT_COMPUTABLE: readonly (readonly [string, string])[] = [
  ['reach, frequency, unique CTR', 'there is no user or device'],
  ['conversions, conversion rate, CPA, ROAS, attribution', 'nothing is recorded after the click'],
  ['the true time from impression to click', 'a click does not name its impression: `time_to_click` is a lower bound'],
  ['viewability, invalid-traffic rate', 'nothing is measured about an impression but its time'],
  ['win rate, impression share, true cost', 'there are no auctions and no prices paid, only bids'],
  ['breakdowns by device, place, creative, page', 'events carry their campaign and their time, nothing else'],
];

/** sql/clickhouse/R__kpi_sources.sql: views that those of the key figures read. */
export function kpiSourcesFile(): string {
  return `-- What key figures read besides the rollup. Written by scripts/docs.mjs from src/kpi.\n\n${SOURCES}\n`;
}

/** sql/kpi/<name>.sql: what the figure is, its view, and the report that `millrace kpi` makes of it. */
export function kpiSqlFile(kpi: KpiDefinition): string {
  const call = kpi.params.map((name) => `${name} = '${PARAMS[name].example}'`).join(', ');
  const report = reportStatement(kpi, `ads.${kpi.view}${call === '' ? '' : `(${call})`}`);
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
    'The report, where the copy is the database “ads”:',
    ...report.split('\n').map((line) => `  ${line}`),
    '',
    'The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.',
  ];
  const head = lines.map((line) => (line === '' ? '--' : `-- ${line}`)).join('\n');
  return `${head}\n\n${viewStatement(kpi)};\n`;
}

/** docs/kpis.md. */
export function kpiDocument(): string {
  const kpis = Object.values<KpiDefinition>(KPIS);
  return `# Key figures

<!-- Written by scripts/docs.mjs from src/kpi: do not edit. -->

Each figure has one definition, from which come its view in ClickHouse (\`sql/kpi\`), \`millrace kpi NAME\` and this page. Tests compare each with plain SQL over the same rows in PostgreSQL.

## Rules for all

- A ratio is a ratio of sums. 0/0 is NULL: no data.
- Money is decimal from end to end, and estimated.
- Days and hours are those of the event (\`created_at\`), in the time zone asked for (UTC when none is). The rollup has hours of UTC. In a time zone that is off by half or a quarter of an hour a local day begins inside one of them: \`millrace kpi\` then reads the events of these hours (by hours: of all of them), exact but slower, and the views refuse. \`from\` and \`to\` are days, both included. Without them \`millrace kpi\` takes the days that have events, from the first to the last; where the length of a range is limited, days after tomorrow are left out unless there are no others, and of a range that is too long the end is kept.
- Days and hours without events are shown. Campaigns and advertisers without events are shown, with zeros.
- NULL has a place of its own, “(none)”: never campaign 0, never 1970.
- More clicks than impressions are shown and flagged, never clipped.
- Facts are summed before anything is joined: budgets are never multiplied.
- What is “now” is a parameter, by default the commit time of the applied position, never the clock of a server (but for \`freshness\`, which is about the clock): the same question at the same position has the same answer. “Today so far” is its hours that are over.
- Every row says up to where it holds: \`as_of_lsn\` (position in the source’s log), \`as_of_commit_time\`, and \`loading\` while a table is not complete yet.
- All are read from the rollup \`campaign_hourly\` or its projections (by campaign and UTC day, by UTC day and campaign, by campaign, by hour), which are kept equal to the events; only \`cap_out\` and \`time_to_click\` read the events themselves.
- A campaign or advertiser may have rules of its own for what a bid pays for and what a budget is for: table \`pricing_rules\`.

## In JSON

\`millrace kpi NAME --json\` gives rows, columns with their units, range, time zone, and up to where they hold; [kpis.schema.json](kpis.schema.json) has a JSON Schema of each figure's answer, made from
the same definition. Counts and exact money are text, so that no reader loses digits; ratios and estimates are numbers. \`millrace kpi list --json\` gives the definitions themselves.

## As of the past

With \`eventHistory: on\` ([config.md](config.md)) the copy keeps every version of impressions and clicks, as it always does of campaigns and advertisers, and every commit. Then \`millrace kpi NAME --as-of POSITION|TIME\` answers any figure as it was:

- A position (\`16/B374D848\`) means everything committed up to it, to the single commit. A time means everything before the first commit that is later by the clock of the source, as \`recovery_target_time\` does in PostgreSQL; without an offset it is in UTC.
- The answer names the commit it is of. “Now” is that commit’s time, and prices are those of the bids known then.
- The past begins when all tables were loaded, at the first start or at the last \`millrace resync\`, or when \`eventHistory\` was switched on. Where \`millrace verify --repair\` finds that a version itself was lost or wrong, it begins there, too: since when it was so nobody knows. Before that, beyond what is applied, and while tables load the question is refused. Switched off, what was kept is dropped.
- The rules of \`pricing_rules\` have no past: the present ones hold.
- The views know the present only. A question about the past reads all versions of all events instead of the rollup, so its cost grows with the events, where that of the present does not. Keeping them costs about the bytes of the events once more, and each insert one more table.

## Exactness

One oracle, plain SQL over the source rows and an audit by triggers (\`src/chaos/oracle\`), computes every figure and all its columns but words made from them; it shares no code with the figures. Money and counts are compared to the last digit, floating point to eleven digits, in any time zone, grain, level and filter:

- on a difficult week and on random months (\`query.ch.test.ts\`, \`oracle.ch.test.ts\`);
- after random histories of all tables, with kills of the process at random steps (\`kpi-histories.e2e.test.ts\`): bids that change mid-hour, events that come before them late, or change and go afterwards, campaigns that are moved, deleted and made again, tables that are emptied; now, and later as of then. CI runs a few; 336 were run at a stretch, of which four showed two mistakes of the figures (cells and refusals by buckets that had come to zero and were not merged yet), mended since; 1,688 more, after the figures were asked with what is known, showed none, the last 480 of them on the SQL as it is now. Most of those were compared in a quarter of the figures each, in turns. A mistake in other time zones that none of them met, as small parts are soon merged, was shown by chaos: hours that an index left out (\`short-cuts.ch.test.ts\`);
- after every round of \`millrace chaos\` ([chaos.md](chaos.md)), where servers and connections break, too.

## Parameters of the views

| Parameter | Type | Meaning |
|---|---|---|
${Object.entries(PARAMS)
  .map(([name, { type, meaning }]) => `| \`${name}\` | ${type} | ${meaning} |`)
  .join('\n')}

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
- Parameters: ${kpi.params.map((name) => `\`${name}\``).join(', ')}
- NULL: ${kpi.nullRule}
${kpi.caveats.map((caveat) => `- ${caveat}`).join('\n')}
- Example: [on sixteen rows](kpi-examples.md#${kpi.name})
- View: \`${kpi.view}\`, [sql/kpi/${kpi.name}.sql](../sql/kpi/${kpi.name}.sql)${kpi.maxDays === null ? '' : `; at most ${kpi.maxDays} days at once`}

| Column | Label | Unit | Meaning |
|---|---|---|---|
${rows.join('\n')}`;
}
