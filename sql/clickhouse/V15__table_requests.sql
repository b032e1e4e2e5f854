-- What is asked of single tables while the others are followed, and what is remembered of it.

ALTER TABLE ${internal}.tables ADD COLUMN IF NOT EXISTS
    build      UInt64                  COMMENT 'names the mirror that is built beside the one that is read: the source''s WAL position when it was asked for; 0: the first mirror' AFTER building,
ADD COLUMN IF NOT EXISTS
    chosen     LowCardinality(String)  COMMENT 'added, removed: by `millrace add` or `drop`, whatever the configuration says; empty: the configuration decides' AFTER shape,
ADD COLUMN IF NOT EXISTS
    published  String                  COMMENT 'identity of the publication and of the table in it when it was last brought into line: another one may have left changes out' AFTER chosen;

-- One row per request of `millrace pause`, `resume`, `resync`, `add`, `drop` (the newest `seq` counts).
CREATE TABLE IF NOT EXISTS ${internal}.table_requests
(
    pipeline    String,
    id          String,
    seq         UInt64                   COMMENT '1: as asked, 2: as answered',
    action      LowCardinality(String)   COMMENT 'pause, resume, resync, add, drop',
    tables      Array(String)            COMMENT 'schema.table in the source',
    purge       Bool                     COMMENT 'drop: with the rows in the copy',
    status      LowCardinality(String)   COMMENT 'asked, done, refused',
    answer      String                   COMMENT 'what was done, or why not',
    lsn         UInt64                   COMMENT 'where the copy stood then: everything committed before it was followed as before',
    written_at  DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (pipeline, id)
TTL toDateTime(written_at) + INTERVAL 30 DAY;
