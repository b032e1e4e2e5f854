/**
 * What key figures read as it was at a moment of the past: the last version of each row up to then, priced with the bids
 * known then. From the histories alone, without rollup: it costs a pass over all versions of all events.
 */
import { campaignDirectory } from './directory.ts';
import { utcHour } from './fragments.ts';
import type { Past } from './past.ts';
import { asOfRow, isCut, PRESENT, second, type Sources } from './sources.ts';

/**
 * The sources at a moment.
 *
 * @param cuts For time zones whose hours begin inside those of UTC: see cutSources.
 */
export function pastSources(past: Past, cuts: 'none' | 'day' | 'hour'): Sources {
  const of = (table: string): string => `(SELECT * FROM \${database}.${table} FINAL WHERE _version < ${past.below})`;
  const events = eventsOf(of);
  const hour = utcHour('created_at');
  const step = cuts === 'none' ? hour : `if(${isCut(hour, cuts)}, ${second('created_at')}, ${hour})`;
  const campaigns = `(${campaignDirectory(
    lastKnown(of('campaign_history'), 'id, name, bid, budget, start_date, end_date, advertiser_id', 'deleted'),
  )})`;
  return {
    facts: `(SELECT campaign_id, ${step} AS hour, toInt64(countIf(fact = 'impressions')) AS impressions, toInt64(countIf(fact = 'clicks')) AS clicks,
        sum(cpc) AS spend_cpc, sum(cpm) AS spend_cpm
    FROM ${events} GROUP BY campaign_id, hour)`,
    campaigns,
    live_priced_campaigns: `(SELECT * FROM ${campaigns} WHERE NOT deleted)`,
    pricing: PRESENT.pricing,
    budget_kind: PRESENT.budget_kind,
    advertisers: `(SELECT toNullable(id) AS advertiser_id, toNullable(name) AS advertiser, toNullable(deleted)::Nullable(Bool) AS deleted
    FROM (${lastKnown(of('advertiser_history'), 'id, name', 'deleted')}))`,
    versions: versionsOf(of('campaign_history')),
    events,
    freshness: PRESENT.freshness,
    as_of: asOfRow(past),
    whole_hours: 'true',
    isUtc: false,
    isPlain: false,
  };
}

const NEWEST = 'ORDER BY id, _version DESC, _committed_at DESC LIMIT 1 BY id';

/** The last state of each row, also of rows that were deleted by then. */
function lastKnown(history: string, columns: string, deleted: string): string {
  return `SELECT ${columns}, id NOT IN (SELECT id FROM (SELECT id, _deleted FROM ${history} ${NEWEST}) WHERE _deleted = 0) AS ${deleted}
    FROM ${history}
    WHERE _deleted = 0
    ${NEWEST}`;
}

/** The rows of a table of events. */
function rowsOf(history: string): string {
  return `(SELECT * FROM (SELECT id, campaign_id, created_at, _deleted FROM ${history} ${NEWEST}) WHERE _deleted = 0)`;
}

/** As the view campaign_events, with the ranges of prices joined instead of looked up. */
function eventsOf(of: (table: string) => string): string {
  return `(SELECT fact, id, campaign_id, created_at, if(fact = 'clicks', price, toDecimal128(0, 6)) AS cpc,
        if(fact = 'impressions', price / 1000, toDecimal128(0, 6)) AS cpm
    FROM
    (
        SELECT e.fact AS fact, e.id AS id, e.campaign_id AS campaign_id, e.created_at AS created_at,
            if(isNull(e.campaign_id) OR isNull(e.created_at), toDecimal128(0, 6), ifNull(toDecimal128(p.bid, 6), toDecimal128(0, 6))) AS price
        FROM
        (
            SELECT *, ifNull(campaign_id, 0) AS of_campaign, ifNull(created_at, toDateTime64('1900-01-01', 6, 'UTC')) AS at
            FROM
            (
                SELECT 'impressions' AS fact, id, campaign_id, created_at FROM ${rowsOf(of('impressions_history'))}
                UNION ALL
                SELECT 'clicks', id, campaign_id, created_at FROM ${rowsOf(of('clicks_history'))}
            )
        ) AS e
        ASOF LEFT JOIN ${pricesOf(of('campaign_history'))} AS p ON e.of_campaign = p.campaign_id AND e.at >= p.since
    ))`;
}

/** As the view campaign_price_ranges: the first bid known holds for everything before it. */
function pricesOf(history: string): string {
  return `(SELECT campaign_id, if(ordinal = 1, toDateTime64('1900-01-01', 6, 'UTC'), since) AS since, bid
    FROM
    (
        SELECT id AS campaign_id, bid, ordinal, since,
            leadInFrame(toNullable(since)) OVER (PARTITION BY id ORDER BY ordinal != 1, since, _version ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next
        FROM (SELECT id, bid, _version, ${ORDINAL} FROM ${history} WHERE _deleted = 0)
    )
    WHERE isNull(next) OR ordinal = 1 OR next > since)`;
}

const ORDINAL = `row_number() OVER (PARTITION BY id ORDER BY _version, _committed_at) AS ordinal,
            max(_committed_at) OVER (PARTITION BY id, _version = 0 ORDER BY _version, _committed_at ROWS UNBOUNDED PRECEDING) AS since`;

/** As the view campaign_versions. */
function versionsOf(history: string): string {
  return `(SELECT * EXCEPT (_deleted, _version, _committed_at, ordinal, since), _version AS version, _committed_at AS committed_at, isNull(valid_to)::Bool AS is_current
    FROM
    (
        SELECT *, if(ordinal = 1 AND _version = 0, NULL, since) AS valid_from,
            leadInFrame(toNullable(since)) OVER (PARTITION BY id ORDER BY ordinal != 1, since, _version ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS valid_to
        FROM (SELECT *, ${ORDINAL} FROM ${history})
    )
    WHERE _deleted = 0)`;
}
