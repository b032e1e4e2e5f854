-- Freshness
-- How old the copy is, as a whole and by table: by time, and by bytes of the source’s log.
--
-- Formula:  equal at = the later of the last commit applied and the last look with a lag of 0 bytes; age = now − equal at
-- Unit:     seconds; bytes
-- Grain:    one row per table, and one for all
-- NULL:     equal at and age are NULL before the first commit; lag and silence while no pipeline has run since ClickHouse started
-- Caveat:   The one figure whose “now” is the clock: it is about this moment. It has no past.
-- Caveat:   Two clocks: commits are timed by the source, looks by ClickHouse. What they differ by is in the age.
-- Caveat:   While the source is idle and the pipeline runs, the age stays below a few seconds: each look finds nothing missing. When the pipeline does not run it rises, whether or not the source has changed.
-- Caveat:   The time from commit to being queryable, median and 99th percentile, is measured in benchmarks.md, not here.
--
-- The report, where the copy is the database “ads”:
--   SELECT table_name, phase, commit_time, equal_at, age_seconds, lag_bytes, silent_seconds
--   FROM ads.kpi_freshness(now = '2026-03-07 10:00:00')
--   ORDER BY table_name != '(all)', table_name
--
-- The view, which a start makes anew when this file has changed. Written by scripts/docs.mjs from src/kpi.

CREATE OR REPLACE VIEW ${database}.kpi_freshness AS
WITH (SELECT (lsn, commit_time, loading) FROM ${database}.as_of) AS at
SELECT
    f.table_name AS table_name,
    f.phase AS phase,
    f.commit_time AS commit_time,
    if(f.current_at > f.commit_time, toDateTime64(f.current_at, 6, 'UTC'), f.commit_time) AS equal_at,
    greatest(0., dateDiff('millisecond', equal_at, {now:DateTime64(6, 'UTC')}) / 1000) AS age_seconds,
    f.lag_bytes AS lag_bytes,
    greatest(0., dateDiff('millisecond', f.heard_at, {now:DateTime64(6, 'UTC')}) / 1000) AS silent_seconds,
    at.1 AS as_of_lsn, at.2 AS as_of_commit_time, at.3 AS loading
FROM ${database}.table_freshness AS f;
