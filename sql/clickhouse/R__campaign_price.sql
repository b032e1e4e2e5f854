-- The bid in force at an event's time, as a dictionary in memory: the views that feed the rollup price each
-- event with it. Created anew when the credentials change with which it reads its source.
--
-- LIFETIME(0): it is reloaded by the writer after each change of a bid, before the clicks that follow in the
-- stream, and never in between. NULL bounds are open. Loaded on first use.
CREATE OR REPLACE DICTIONARY ${database}.campaign_price
(
    campaign_id  UInt64,
    valid_from   Nullable(DateTime64(6, 'UTC')),
    valid_to     Nullable(DateTime64(6, 'UTC')),
    bid          Decimal(18, 6) DEFAULT 0
)
PRIMARY KEY campaign_id
SOURCE(CLICKHOUSE(USER ${dictionary_user} PASSWORD ${dictionary_password}
    QUERY 'SELECT campaign_id, valid_from, valid_to, bid FROM ${internal}.campaign_price_ranges'))
LIFETIME(0)
LAYOUT(RANGE_HASHED(RANGE_LOOKUP_STRATEGY 'max'))
RANGE(MIN valid_from MAX valid_to);
