-- Up to where the copy stands: always one row. lsn and commit_time are NULL before the first checkpoint.
-- loading: some table is not consistent with the others yet, or the rollup is not built or recovered, so figures are too low.
CREATE VIEW IF NOT EXISTS ${database}.as_of AS
SELECT
    concat(
        replaceRegexpOne(hex(bitShiftRight(applied_lsn, 32)), '^0+(.)', '\\1'), '/',
        replaceRegexpOne(hex(bitAnd(applied_lsn, 4294967295)), '^0+(.)', '\\1')) AS lsn,
    commit_time,
    loading
FROM
(
    SELECT
        minOrNull(applied_lsn) AS applied_lsn,
        minOrNull(applied_commit_time) AS commit_time,
        ((SELECT countIf(phase NOT IN ('live', 'quarantined')) > 0 FROM ${internal}.tables FINAL)
            OR countIf(rollups_live AND NOT recovering) = 0)::Bool AS loading
    FROM ${internal}.checkpoint FINAL
);
