-- What `millrace verify` asks of the running pipeline, and what it answers. Requests travel through the source's log
-- (each has a place in the order of commits); what is too long for it, and the answers, lie here.

-- A request is open while its asker lives: one that is found in the log later, after a restart, is not served.
CREATE TABLE IF NOT EXISTS ${internal}.requests
(
    pipeline    String,
    id          String,
    open        Bool,
    seq         UInt64                   COMMENT 'rises with each write of the request',
    written_at  DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (pipeline, id)
TTL toDateTime(written_at) + INTERVAL 7 DAY;

-- Rows to read again from the source, and buckets to compute again.
CREATE TABLE IF NOT EXISTS ${internal}.repairs
(
    pipeline    String,
    id          String                   COMMENT 'the request it belongs to',
    table       String                   COMMENT 'schema.table in the source; empty: a bucket of campaign_hourly',
    key         Array(Nullable(String))  COMMENT 'parts of the key as text of PostgreSQL; of a bucket: campaign, hours since 1970',
    written_at  DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (pipeline, id, table)
TTL toDateTime(written_at) + INTERVAL 7 DAY;

CREATE TABLE IF NOT EXISTS ${internal}.answers
(
    pipeline     String,
    id           String,
    kind         LowCardinality(String)  COMMENT 'cloned, repaired, refused',
    reason       String                  COMMENT 'why it was refused',
    lsn          UInt64                  COMMENT 'everything committed before this WAL position is in the clones, nothing else',
    commit_time  DateTime64(6, 'UTC')    COMMENT 'commit time of the last transaction in them',
    held_ms      Float64                 COMMENT 'how long nothing was applied',
    tables       Array(String)           COMMENT 'tables cloned: schema.table in the source',
    rows         UInt64                  COMMENT 'rows that were corrected',
    written_at   DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (pipeline, id, kind)
TTL toDateTime(written_at) + INTERVAL 7 DAY;
