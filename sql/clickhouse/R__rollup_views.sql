-- From the landing tables to the rollup: each row adds its sign to the bucket of its campaign and hour.
--
-- In a file of their own, after R__campaign_price in the order of application: a view cannot be created
-- before the dictionary it asks. Dropped and created under the same name, never altered: deduplication of
-- repeated batches identifies a view by its name, and ALTER TABLE … MODIFY QUERY breaks it.
--
-- The hour is counted in microseconds since 1970 and rounded down, also before 1970: independent of session
-- settings, right from 1900 to 2299.

DROP VIEW IF EXISTS ${internal}.impressions_hourly_mv;

CREATE MATERIALIZED VIEW ${internal}.impressions_hourly_mv TO ${database}.campaign_hourly AS
SELECT campaign_id, hour, sum(_sign) AS impressions, sum(_sign * price / 1000) AS spend_cpm
FROM
(
    SELECT campaign_id, _sign,
        fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(created_at) - positiveModulo(toUnixTimestamp64Micro(created_at), 3600000000), 1000000), 'UTC') AS hour,
        if(isNull(campaign_id) OR isNull(created_at), toDecimal64(0, 6), dictGet('${database}.campaign_price', 'bid', toUInt64(assumeNotNull(campaign_id)), assumeNotNull(created_at))) AS price
    FROM ${internal}.impressions_in
    WHERE _sign != 0
)
GROUP BY campaign_id, hour;

DROP VIEW IF EXISTS ${internal}.clicks_hourly_mv;

CREATE MATERIALIZED VIEW ${internal}.clicks_hourly_mv TO ${database}.campaign_hourly AS
SELECT campaign_id, hour, sum(_sign) AS clicks, sum(_sign * price) AS spend_cpc
FROM
(
    SELECT campaign_id, _sign,
        fromUnixTimestamp64Second(intDiv(toUnixTimestamp64Micro(created_at) - positiveModulo(toUnixTimestamp64Micro(created_at), 3600000000), 1000000), 'UTC') AS hour,
        if(isNull(campaign_id) OR isNull(created_at), toDecimal64(0, 6), dictGet('${database}.campaign_price', 'bid', toUInt64(assumeNotNull(campaign_id)), assumeNotNull(created_at))) AS price
    FROM ${internal}.clicks_in
    WHERE _sign != 0
)
GROUP BY campaign_id, hour;
