-- Every version of advertisers and campaigns that the change stream saw: the source keeps only the last one.
-- From here come the price of an event at its own time, the names of deleted campaigns, and as-of questions.
--
-- Key (id, _version, _committed_at): a change that is delivered again folds into itself, versions never
-- fold into each other. A copied row has _version 0 and no commit time (1970): what it says holds since before
-- the copy began, whenever it was read.

CREATE TABLE IF NOT EXISTS ${database}.advertiser_history
(
    id             Int32                           CODEC(T64, ZSTD(1)),
    name           String                          CODEC(ZSTD(1)),
    updated_at     Nullable(DateTime64(6, 'UTC'))  CODEC(T64, ZSTD(1)),
    created_at     Nullable(DateTime64(6, 'UTC'))  CODEC(T64, ZSTD(1)),
    _version       UInt64                          CODEC(T64, ZSTD(1)),
    _deleted       UInt8                           CODEC(ZSTD(1)),
    _committed_at  DateTime64(6, 'UTC')            CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (id, _version, _committed_at);

CREATE TABLE IF NOT EXISTS ${database}.campaign_history
(
    id             Int32                           CODEC(T64, ZSTD(1)),
    name           String                          CODEC(ZSTD(1)),
    bid            Decimal(10, 2)                  CODEC(T64, ZSTD(1)),
    budget         Decimal(10, 2)                  CODEC(T64, ZSTD(1)),
    start_date     Nullable(Date32)                CODEC(T64, ZSTD(1)),
    end_date       Nullable(Date32)                CODEC(T64, ZSTD(1)),
    advertiser_id  Nullable(Int32)                 CODEC(T64, ZSTD(1)),
    updated_at     Nullable(DateTime64(6, 'UTC'))  CODEC(T64, ZSTD(1)),
    created_at     Nullable(DateTime64(6, 'UTC'))  CODEC(T64, ZSTD(1)),
    _version       UInt64                          CODEC(T64, ZSTD(1)),
    _deleted       UInt8                           CODEC(ZSTD(1)),
    _committed_at  DateTime64(6, 'UTC')            CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (id, _version, _committed_at);

CREATE MATERIALIZED VIEW IF NOT EXISTS ${internal}.advertiser_history_mv TO ${database}.advertiser_history AS
SELECT id, name, updated_at, created_at, _version, _deleted, _committed_at
FROM ${internal}.advertiser_in WHERE _raw = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${internal}.campaign_history_mv TO ${database}.campaign_history AS
SELECT id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at, _version, _deleted, _committed_at
FROM ${internal}.campaign_in WHERE _raw = 1;

-- Versions with the time they were in force, [valid_from, valid_to): NULL means without a bound. Commit
-- times of the source may step back a little from one commit to the next (the order is that of the WAL);
-- the running maximum keeps intervals from overlapping. Of versions that begin at the same instant the
-- later one counts and the others are empty intervals. A deletion ends an interval and is no version.

CREATE VIEW IF NOT EXISTS ${database}.advertiser_versions AS
SELECT id, name, updated_at, created_at, version, committed_at, valid_from, valid_to, isNull(valid_to)::Bool AS is_current
FROM
(
    SELECT id, name, updated_at, created_at, _version AS version, _committed_at AS committed_at, _deleted,
        if(ordinal = 1 AND _version = 0, NULL, since) AS valid_from,
        leadInFrame(toNullable(since)) OVER (PARTITION BY id ORDER BY ordinal != 1, since, _version ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS valid_to
    FROM
    (
        SELECT *,
            row_number() OVER (PARTITION BY id ORDER BY _version, _committed_at) AS ordinal,
            max(_committed_at) OVER (PARTITION BY id, _version = 0 ORDER BY _version, _committed_at ROWS UNBOUNDED PRECEDING) AS since
        FROM ${database}.advertiser_history FINAL
    )
)
WHERE _deleted = 0;

CREATE VIEW IF NOT EXISTS ${database}.campaign_versions AS
SELECT id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at, version, committed_at, valid_from, valid_to,
    isNull(valid_to)::Bool AS is_current
FROM
(
    SELECT id, name, bid, budget, start_date, end_date, advertiser_id, updated_at, created_at, _version AS version,
        _committed_at AS committed_at, _deleted,
        if(ordinal = 1 AND _version = 0, NULL, since) AS valid_from,
        leadInFrame(toNullable(since)) OVER (PARTITION BY id ORDER BY ordinal != 1, since, _version ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS valid_to
    FROM
    (
        SELECT *,
            row_number() OVER (PARTITION BY id ORDER BY _version, _committed_at) AS ordinal,
            max(_committed_at) OVER (PARTITION BY id, _version = 0 ORDER BY _version, _committed_at ROWS UNBOUNDED PRECEDING) AS since
        FROM ${database}.campaign_history FINAL
    )
)
WHERE _deleted = 0;

-- The price of a campaign's events by their time: rows of the dictionary campaign_price (R__campaign_price).
-- Bounds are inclusive there, so a range ends one microsecond before the next begins. The first bid known
-- holds for everything before it (what was paid before the copy began is not known), and a deletion does
-- not end a price: events that are still in the source keep what they cost.

CREATE VIEW IF NOT EXISTS ${internal}.campaign_price_ranges AS
SELECT campaign_id, valid_from, if(isNull(next), NULL, subtractMicroseconds(assumeNotNull(next), 1)) AS valid_to, bid
FROM
(
    SELECT toUInt64(id) AS campaign_id, bid, if(ordinal = 1, NULL, since) AS valid_from,
        leadInFrame(toNullable(since)) OVER (PARTITION BY id ORDER BY ordinal != 1, since, _version ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next
    FROM
    (
        SELECT id, bid, _version,
            row_number() OVER (PARTITION BY id ORDER BY _version, _committed_at) AS ordinal,
            max(_committed_at) OVER (PARTITION BY id, _version = 0 ORDER BY _version, _committed_at ROWS UNBOUNDED PRECEDING) AS since
        FROM ${database}.campaign_history FINAL
        WHERE _deleted = 0
    )
)
WHERE isNull(next) OR isNull(valid_from) OR next > valid_from;
