-- The rollup that reports read: events and estimated spend per campaign and hour of the event.
--
-- * Additive columns only, signed (Int64, Decimal): a correction is one more row, and nothing but sum() is
--   needed to read it. Always read with sum(): rows of one bucket fold in the background.
-- * SummingMergeTree, not AggregatingMergeTree: it also drops buckets that came to zero.
-- * ORDER BY (campaign_id, hour): the key is the grain. NULL campaign and NULL time are buckets of their
--   own (allow_nullable_key), never campaign 0 and never 1970. NULL keys fold as equal.
-- * hour is DateTime64: a 32-bit DateTime would wrap outside 1970–2106.
-- * spend_cpc: sum of the bid in force at each click; spend_cpm: sum of the bid in force at each
--   impression, divided by 1000. Both are kept, so that the pricing model is a choice of the reader. Exact:
--   a bid has two decimals, a thousandth of it five. Events without campaign, without time or of a
--   campaign that no history knows cost 0; the KPI “spend” counts them as unpriced.
-- * non_replicated_deduplication_window: a batch that is sent again under its token changes nothing. (The
--   mirrors need none: they fold by key and version.)

CREATE TABLE IF NOT EXISTS ${database}.campaign_hourly
(
    campaign_id  Nullable(Int32)                 COMMENT 'NULL: events without a campaign' CODEC(T64, ZSTD(1)),
    hour         Nullable(DateTime64(0, 'UTC'))  COMMENT 'start of the hour of the event, NULL: events without a time' CODEC(T64, ZSTD(1)),
    impressions  Int64                           CODEC(T64, ZSTD(1)),
    clicks       Int64                           CODEC(T64, ZSTD(1)),
    spend_cpc    Decimal(38, 6)                  COMMENT 'estimated, if each click costs the bid' CODEC(ZSTD(1)),
    spend_cpm    Decimal(38, 6)                  COMMENT 'estimated, if a thousand impressions cost the bid' CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
ORDER BY (campaign_id, hour)
SETTINGS allow_nullable_key = 1, non_replicated_deduplication_window = 10000;
