-- What each running pipeline does, told about once a second: by this `millrace status` knows what it waits for.
-- The newest row of a process counts. Written when it can be, never waited for; `at` is the clock of this server, and
-- everything else is a duration, so that no other clock matters. In memory: it makes no parts that would have to be
-- merged, and what a process did before the server's start is of no interest.
CREATE TABLE IF NOT EXISTS ${internal}.heartbeat
(
    pipeline             String,
    host                 String,
    pid                  UInt32,
    at                   DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    holds_slot           Bool                     COMMENT 'it streams: of several processes this is the one that writes',
    phase                LowCardinality(String)   COMMENT 'starting, loading, recovering, streaming, reconnecting',
    phase_seconds        Float64                  COMMENT 'how long it has been in this phase',
    waiting_for          String                   COMMENT 'what it waits for, in words; empty: nothing',
    retrying             String                   COMMENT 'JSON: what is tried again, why, how often so far, when next; empty: nothing',
    rows_per_second      Float64                  COMMENT 'row changes applied, since the row before',
    batches_per_second   Float64,
    inserts_per_second   Float64                  COMMENT 'all inserts, those into tables of state too',
    active_parts         UInt32                   COMMENT 'most active parts of a partition, of all tables of the copy',
    spool_bytes          UInt64                   COMMENT 'transactions that are not committed yet, on disk',
    rss_bytes            UInt64,
    heap_bytes           UInt64,
    lag_bytes            UInt64                   COMMENT 'WAL between the copy and what the source has told to have',
    wal_retained_bytes   UInt64                   COMMENT 'WAL that the source keeps for the slot',
    wal_growth_bytes     Float64                  COMMENT 'its growth per second, smoothed'
)
ENGINE = Memory
SETTINGS min_rows_to_keep = 100, max_rows_to_keep = 1000;
