-- What Millrace remembers about itself. It lives in ClickHouse, beside the data it describes: no other
-- store could be ahead of the copy or behind it after a crash. Written by one process (the holder of the
-- replication slot), read by `millrace status` and by the view as_of.

-- One row per pipeline (the newest `seq` counts): where the copy stands, and what is in doubt.
-- The row is written whole each time, so a reader sees one consistent state.
CREATE TABLE IF NOT EXISTS ${internal}.checkpoint
(
    pipeline            String,
    epoch               UInt64                   COMMENT 'rises with each process that takes the slot',
    seq                 UInt64                   COMMENT 'rises with each write',
    applied_lsn         UInt64                   COMMENT 'everything committed before this WAL position is in the copy',
    commit_lsn          UInt64                   COMMENT 'end of the last transaction applied: versions of later changes lie above',
    applied_commit_time DateTime64(6, 'UTC')     COMMENT 'commit time (clock of the source) of the last transaction applied',
    planned_lsn         UInt64                   COMMENT 'up to this commit position changes may be in the copy already, in whole or in part; 0: nothing is in doubt',
    dirty               String                   COMMENT 'JSON: rollup buckets to reconcile should the batch stay in doubt',
    recovering          Bool                     COMMENT 'what a crash left in doubt is being applied: the rollups lag behind the mirrors until it is reconciled',
    rollups_live        Bool                     COMMENT 'the rollups were built once and follow by signed deltas',
    source_id           String                   COMMENT 'system identifier and database of the source: a copy has one source',
    written_at          DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY pipeline;

-- One row per table (the newest `seq` counts): how far its load is.
CREATE TABLE IF NOT EXISTS ${internal}.tables
(
    pipeline        String,
    table           String                       COMMENT 'schema.table in the source',
    target          String                       COMMENT 'name of the mirror',
    seq             UInt64,
    phase           LowCardinality(String)       COMMENT 'waiting, loading, catching_up, live, quarantined',
    generation      UInt32                       COMMENT 'rises when the load starts over (TRUNCATE, rewritten table)',
    filenode        UInt64                       COMMENT 'pg_relation_filenode when the chunks were planned: block ranges hold for it alone',
    chunks_total    UInt32,
    rows_estimated  UInt64,
    load_end_lsn    UInt64                       COMMENT 'the table is consistent once the stream has passed this position; 0: still loading',
    reason          String                       COMMENT 'why it is quarantined',
    written_at      DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (pipeline, table);

-- The chunks of the present load: a crash costs the chunks without `done`, no more.
CREATE TABLE IF NOT EXISTS ${internal}.chunks
(
    pipeline    String,
    table       String,
    generation  UInt32,
    chunk       UInt32,
    from_block  UInt32,
    to_block    UInt32,
    rows        UInt64,
    done        UInt8,
    written_at  DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(done)
ORDER BY (pipeline, table, generation, chunk);

-- Rows whose update left out an unchanged TOAST value before the load had brought the row itself.
-- They are read again by key before the table is called consistent.
CREATE TABLE IF NOT EXISTS ${internal}.incomplete
(
    pipeline    String,
    table       String,
    generation  UInt32,
    key         String                           COMMENT 'JSON array of the key, in key order, as text',
    version     UInt64,
    settled     UInt8                            COMMENT '1: completed up to this version'
)
ENGINE = ReplacingMergeTree
ORDER BY (pipeline, table, generation, key, version, settled);

-- The loss ledger: every value that did not fit its column, with what was stored instead.
CREATE TABLE IF NOT EXISTS ${internal}.losses
(
    pipeline    String,
    table       String,
    column      String,
    reason      String,
    action      LowCardinality(String),
    sample      String,
    values      UInt64,
    written_at  DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (pipeline, table, column, written_at);
