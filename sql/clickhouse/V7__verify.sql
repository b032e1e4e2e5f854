-- What `millrace verify` has found: proof that the copy equalled its source at a position, or where it did not.

-- One row per run.
CREATE TABLE IF NOT EXISTS ${internal}.verifications
(
    pipeline     String,
    id           String                   COMMENT 'of the run',
    mode         LowCardinality(String)   COMMENT 'full: every row of every table; quick: counts, and sampled ranges',
    verdict      LowCardinality(String)   COMMENT 'equal, partial (what was compared is equal, some tables were left out), different, repaired, unproved (nothing could be compared)',
    lsn          UInt64                   COMMENT 'position at which source and copy were compared',
    commit_time  DateTime64(6, 'UTC')     COMMENT 'commit time of the last transaction before it',
    started_at   DateTime64(3, 'UTC'),
    finished_at  DateTime64(3, 'UTC'),
    attempts     UInt32                   COMMENT 'requests until the pipeline gave the position',
    held_ms      Float64                  COMMENT 'how long the copy stood still',
    source_ms    Float64                  COMMENT 'time of queries on the source, all connections together',
    copy_ms      Float64                  COMMENT 'time of queries on the clones',
    differences  UInt64                   COMMENT 'rows and buckets that differed, seen at two positions',
    repaired     UInt64                   COMMENT 'of these, equal after the repair',
    tables       String                   COMMENT 'JSON: per table rows, ranges, bytes, differences, or why it was left out',
    rollup       String                   COMMENT 'JSON: buckets and differences of campaign_hourly, or why it was left out'
)
ENGINE = ReplacingMergeTree
ORDER BY (pipeline, started_at, id);

-- The differences that were shown.
CREATE TABLE IF NOT EXISTS ${internal}.verify_differences
(
    pipeline  String,
    id        String                   COMMENT 'of the run',
    table     String                   COMMENT 'schema.table in the source, or campaign_hourly',
    kind      LowCardinality(String)   COMMENT 'missing, extra, different, ahead, history, rollup',
    key       Array(Nullable(String))  COMMENT 'parts of the key; of a bucket: campaign and hour',
    version   Nullable(String)         COMMENT 'WAL position of the row in the copy',
    values    Array(Tuple(column String, expected Nullable(String), found Nullable(String))),
    note      String
)
ENGINE = ReplacingMergeTree
ORDER BY (pipeline, id, table, kind, key)
SETTINGS allow_nullable_key = 1;
