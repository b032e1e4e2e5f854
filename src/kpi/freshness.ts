/** How old the copy is. */
import { column, type KpiDefinition, plainReport } from './definition.ts';
import { AS_OF, AS_OF_COLUMNS } from './fragments.ts';

const NOW = "{now:DateTime64(6, 'UTC')}";

const COLUMNS = [
  column('table_name', 'Table', 'text', '“(all)”: the copy as a whole'),
  column(
    'phase',
    'Phase',
    'text',
    'live: it equals the source at the applied position; see `millrace status` for the others',
  ),
  column(
    'commit_time',
    'Last commit',
    'time',
    'commit time of the last transaction applied, by the clock of the source',
  ),
  column(
    'equal_at',
    'Equal at',
    'time',
    'the last moment at which nothing was known to be missing: the last commit applied, or a later look at which the source had told of nothing more',
  ),
  column('age_seconds', 'Age, s', 'number', 'from then until now'),
  column('lag_bytes', 'Lag, bytes', 'count', 'of the source’s log that were not applied at the last look'),
  column(
    'silent_seconds',
    'Silent, s',
    'number',
    'since the pipeline last told of itself: it does about once a second',
  ),
];

/** Tables and what is known of the pipeline that follows them. */
export const TABLE_FRESHNESS = `CREATE OR REPLACE VIEW \${database}.table_freshness AS
SELECT t.table_name AS table_name, t.phase AS phase, c.commit_time AS commit_time, h.current_at AS current_at, h.heard_at AS heard_at, h.newest_lag AS lag_bytes
FROM
(
    SELECT pipeline, table AS table_name, toString(phase) AS phase FROM \${internal}.tables FINAL
    UNION ALL
    SELECT pipeline, '(all)', if((SELECT countIf(phase NOT IN ('live', 'paused', 'excluded', 'dropped')) FROM \${internal}.tables FINAL) = 0, 'live', 'not complete')
    FROM \${internal}.checkpoint FINAL
) AS t
LEFT JOIN (SELECT pipeline, nullIf(applied_commit_time, toDateTime64(0, 6, 'UTC')) AS commit_time FROM \${internal}.checkpoint FINAL) AS c ON t.pipeline = c.pipeline
LEFT JOIN
(
    SELECT pipeline, maxOrNullIf(at, lag_bytes = 0 AND phase = 'streaming') AS current_at, toNullable(max(at)) AS heard_at, toNullable(argMax(lag_bytes, at)) AS newest_lag
    FROM \${internal}.heartbeat WHERE holds_slot GROUP BY pipeline
) AS h ON t.pipeline = h.pipeline`;

/** Age of the copy. */
export const FRESHNESS_KPI: KpiDefinition = {
  name: 'freshness',
  title: 'Freshness',
  description: 'How old the copy is, as a whole and by table: by time, and by bytes of the source’s log.',
  formula:
    'equal at = the later of the last commit applied and the last look with a lag of 0 bytes; age = now − equal at',
  unit: 'seconds; bytes',
  grain: 'one row per table, and one for all',
  nullRule:
    'equal at and age are NULL before the first commit; lag and silence while no pipeline has run since ClickHouse started',
  caveats: [
    'The one figure whose “now” is the clock: it is about this moment. It has no past.',
    'Two clocks: commits are timed by the source, looks by ClickHouse. What they differ by is in the age.',
    'While the source is idle and the pipeline runs, the age stays below a few seconds: each look finds nothing missing. When the pipeline does not run it rises, whether or not the source has changed.',
    'The time from commit to being queryable, median and 99th percentile, is measured in benchmarks.md, not here.',
  ],
  view: 'kpi_freshness',
  params: ['now'],
  filters: [],
  maxDays: null,
  cuts: 'none',
  source: 'copy',
  columns: COLUMNS,
  sql: `WITH ${AS_OF}
SELECT
    f.table_name AS table_name,
    f.phase AS phase,
    f.commit_time AS commit_time,
    if(f.current_at > f.commit_time, toDateTime64(f.current_at, 6, 'UTC'), f.commit_time) AS equal_at,
    greatest(0., dateDiff('millisecond', equal_at, ${NOW}) / 1000) AS age_seconds,
    f.lag_bytes AS lag_bytes,
    greatest(0., dateDiff('millisecond', f.heard_at, ${NOW}) / 1000) AS silent_seconds,
    ${AS_OF_COLUMNS}
FROM \${freshness} AS f`,
  report: plainReport(COLUMNS, "table_name != '(all)', table_name"),
};
