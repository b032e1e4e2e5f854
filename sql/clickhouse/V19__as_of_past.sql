-- What questions about the past need, kept where the option eventHistory is on.

-- Every commit with changes of ours: where it ends in the source's log, and when it was. Versions of rows go on from there:
-- those of later commits are not below the end of an earlier one. Written before the changes themselves.
CREATE TABLE IF NOT EXISTS ${internal}.commits
(
    pipeline     LowCardinality(String),
    end_lsn      UInt64                  COMMENT 'end of the commit record' CODEC(Delta, ZSTD(1)),
    commit_time  DateTime64(6, 'UTC')    COMMENT 'by the clock of the source; may step back' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (pipeline, end_lsn);

-- From which position on every version of the events is kept; no row: it is not.
CREATE TABLE IF NOT EXISTS ${internal}.event_history
(
    pipeline    String,
    from_lsn    UInt64,
    written_at  DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY pipeline;
