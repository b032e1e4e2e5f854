-- Alerts: what somebody should look at, one row per kind, campaign and day of the reporting time zone (the newest `seq`
-- counts). Stored before anything is sent, together with what has been sent: a crash between the two loses nothing.
CREATE TABLE IF NOT EXISTS ${internal}.alerts
(
    pipeline     String,
    id           String                             COMMENT 'pipeline, kind, campaign and day: the same alert has the same id for ever',
    seq          UInt64                             COMMENT 'rises with each write of the alert',
    kind         LowCardinality(String)             COMMENT 'see src/alerts/alert.ts',
    severity     LowCardinality(String)             COMMENT 'warning, critical',
    campaign_id  Nullable(Int32)                    COMMENT 'NULL: of the copy as a whole',
    campaign     Nullable(String)                   COMMENT 'its name when the alert was opened',
    day          Date32                             COMMENT 'in the reporting time zone',
    message      String,
    facts        String                             COMMENT 'JSON: the figures behind it, by name',
    opened_at    DateTime64(3, 'UTC'),
    resolved_at  Nullable(DateTime64(3, 'UTC'))     COMMENT 'NULL: open',
    resolution   LowCardinality(String)             COMMENT 'over: its cause is gone; next_day: it goes on, as an alert of the next day',
    deliveries   String                             COMMENT 'JSON: per receiver and event whether it was sent, how often it was tried, when it is tried again',
    written_at   DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (pipeline, id)
TTL toDateTime(opened_at) + INTERVAL 400 DAY;
