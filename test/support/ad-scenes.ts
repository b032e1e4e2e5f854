/** Difficult data for key figures: in the source with an audit, and put into a copy without a pipeline. */
import { AUDIT_PRESENT, AUDIT_TABLES } from '../../src/chaos/audit.ts';
import { reloadPrices } from '../../src/destination/rollups.ts';
import { pgRows, type TextRow } from '../../src/source/connection.ts';
import { checkpoint, land, type LandingRow } from './ad-copy.ts';
import type { TemporaryClickHouse, TemporaryPostgres } from './databases.ts';

/** What a campaign was from an instant on, where its bid changes; and the end of one. */
const CHANGED = (rows: string): string => `
INSERT INTO audit.version (tbl, id, gone, state, at, xid) SELECT 'campaign', c.id, false, to_jsonb(c) || jsonb_build_object('bid', v.bid), v.at, NULL
  FROM (${rows}) AS v (id, at, bid) JOIN campaign c USING (id) ORDER BY v.at;
UPDATE campaign SET bid = v.bid FROM (SELECT DISTINCT ON (id) id, (state ->> 'bid')::numeric AS bid FROM audit.version WHERE tbl = 'campaign' ORDER BY id, seq DESC) v WHERE v.id = campaign.id`;
const GONE = (table: 'advertiser' | 'campaign', id: number, at: string): string => `
INSERT INTO audit.version (tbl, id, gone, at, xid) VALUES ('${table}', ${id}, true, '${at}', NULL); DELETE FROM ${table} WHERE id = ${id}`;

/**
 * Idle campaign and advertiser, campaigns without advertiser, a deleted one, budgets and bids of 0, more clicks than impressions,
 * days with clicks alone, events outside the flight, without campaign, without time, at midnight, in 1905 and 2150, and bids that
 * change meanwhile.
 */
export const DIFFICULT_WEEK = `${AUDIT_TABLES};
INSERT INTO advertiser (id, name) VALUES (1, 'A'), (2, 'B'), (3, 'idle'), (4, 'O''Hara "x"');
INSERT INTO campaign (id, name, bid, budget, start_date, end_date, advertiser_id) VALUES
  (1, 'c1', 1.23, 100, '2026-03-01', '2026-03-31', 1), (2, 'c2', 0.55, 33.33, NULL, NULL, 1), (3, 'idle', 9, 500, '2026-03-02', '2026-03-02', 2),
  (4, 'c4', 4.99, 0, '2026-03-05', NULL, 2), (5, 'c5', 0, 12, '2026-04-01', '2026-04-30', NULL), (6, 'c6', 99999999.99, 99999999.99, NULL, NULL, 4), (7, 'gone', 2, 70, NULL, NULL, 2);
${AUDIT_PRESENT};
${CHANGED(`VALUES (1, timestamp '2026-03-03 12:30:00.5', 2.5), (1, '2026-03-04 00:00:00', 0.01), (4, '2026-03-06 23:59:59.999999', 7)`)};
INSERT INTO impressions (campaign_id, created_at) SELECT
  CASE WHEN i % 19 = 0 THEN NULL WHEN i % 7 = 3 THEN 1 ELSE i % 7 + 1 END,
  CASE WHEN i % 53 = 0 THEN NULL ELSE timestamp '2026-02-27' + make_interval(mins => i * 7919 % 12960, secs => i % 60 * 0.987654) END
FROM generate_series(1, 3000) i;
UPDATE impressions SET campaign_id = 1 WHERE campaign_id = 3;
DELETE FROM impressions WHERE created_at::date = '2026-03-04';
INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + make_interval(secs => id % 120) FROM impressions WHERE id % 11 = 0;
INSERT INTO clicks (campaign_id, created_at) SELECT 2, timestamp '2026-03-04 23:59:59.999999' + make_interval(mins => i) FROM generate_series(0, 500) i;
INSERT INTO clicks (campaign_id, created_at) VALUES (1, '1905-01-01 00:00:00'), (1, '2150-12-31 23:59:59.999999'), (NULL, NULL), (1, '2026-03-03 12:30:00.499999'),
  (1, '2026-03-03 12:30:00.5'), (1, '2026-03-03 23:59:59.999999'), (1, '2026-03-04 00:00:00'), (6, '2026-03-03 00:00:00'), (7, NULL);
INSERT INTO impressions (campaign_id, created_at) VALUES (6, '2026-03-03 00:00:00'), (4, '2026-03-06 23:59:59.999999'), (4, '2026-03-06 23:59:59.999998');
${GONE('campaign', 7, '2026-03-07 00:00:00')}`;

/**
 * A month of random ads around changes of clocks. Bids change at whole and odd times, budgets are small, campaigns start, end, have no
 * dates, belong to nobody, are gone, as is an advertiser; events come without campaign and time, outside flights, in the future; rules differ.
 */
export function randomMonth(seed: number): string {
  return `${AUDIT_TABLES};
SELECT setseed(${(seed % 1000) / 1000});
ALTER TABLE campaign DROP CONSTRAINT campaign_advertiser_id_fkey;
INSERT INTO advertiser (id, name) SELECT i, 'a' || i FROM generate_series(1, 5) i;
INSERT INTO campaign (id, name, bid, budget, start_date, end_date, advertiser_id) SELECT i, 'c' || i, round((random() * 3)::numeric, 2),
  CASE WHEN random() < 0.1 THEN 0 ELSE round((random() * 150)::numeric, 2) END,
  CASE WHEN random() < 0.1 THEN NULL ELSE date '2026-03-10' + (random() * 30)::int END, NULL,
  CASE WHEN random() < 0.2 THEN NULL ELSE 1 + (random() * 2)::int END FROM generate_series(1, 14) i;
UPDATE campaign SET end_date = coalesce(start_date, '2026-03-20') + (random() * 20 - 1)::int WHERE random() < 0.8;
UPDATE campaign SET advertiser_id = 5 WHERE id = 9;
${AUDIT_PRESENT};
${CHANGED(`SELECT 1 + (random() * 12)::int, timestamp '2026-03-15' + make_interval(secs => (random() * 1800000)::int), round((random() * 4)::numeric, 2) FROM generate_series(1, 15)`)};
INSERT INTO audit.rule VALUES ('advertiser', 1, 'cpm', NULL), ('campaign', 2, 'cpc', 'daily'), ('campaign', 3, NULL, 'lifetime'), ('advertiser', 2, NULL, 'daily');
INSERT INTO impressions (campaign_id, created_at) SELECT CASE WHEN random() < 0.03 THEN NULL WHEN random() < 0.02 THEN 99 ELSE 1 + (random() * random() * 12)::int END,
  CASE WHEN random() < 0.01 THEN NULL ELSE timestamp '2026-03-03' + make_interval(secs => random() * 33 * 86400) END FROM generate_series(1, 4000);
INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + make_interval(secs => random() * 120) FROM impressions WHERE random() < 0.12;
INSERT INTO clicks (campaign_id, created_at) SELECT 1 + (random() * 11)::int, timestamp '2026-03-05' + make_interval(secs => random() * 30 * 86400) FROM generate_series(1, 60);
${GONE('campaign', 10, '2026-04-06 01:02:03')}; ${GONE('campaign', 14, '2026-04-06 02:00:00')}; ${GONE('advertiser', 5, '2026-04-06 03:00:00')}`;
}

/** Puts a source with its audit into a copy without a pipeline, as the stream would bring it; the copy is at `commitTime`. */
export async function landWithAudit(
  source: TemporaryPostgres,
  ch: TemporaryClickHouse,
  commitTime: string,
): Promise<void> {
  for (const table of ['advertiser', 'campaign'] as const) await land(ch, table, await versionsOf(source, table));
  await reloadPrices(ch.client, ch);
  for (const table of ['impressions', 'clicks'])
    await land(ch, table, await pgRows(source.client, `SELECT * FROM ${table} ORDER BY id`));
  await writeRules(source, ch);
  await checkpoint(ch, 0x1_00_00_00_0an, commitTime);
}

/** The pricing rules of the audit, in the copy. */
export async function writeRules(source: TemporaryPostgres, ch: TemporaryClickHouse): Promise<void> {
  for (const { scope, id, pricing_model, budget_kind } of await pgRows(source.client, 'SELECT * FROM audit.rule')) {
    await ch.client.command(
      `INSERT INTO ${ch.database}.pricing_rules (scope, id, pricing_model, budget_kind) VALUES ('${scope}', ${id}, '${pricing_model ?? ''}', '${budget_kind ?? ''}')`,
    );
  }
}

/** The states of a table in order; one that is gone has the values of the last. */
async function versionsOf(source: TemporaryPostgres, table: 'advertiser' | 'campaign'): Promise<LandingRow[]> {
  const rows = await pgRows(
    source.client,
    `SELECT v.seq AS _seq, v.gone AS _gone, v.at AS _at, s.* FROM audit.version v,
       LATERAL jsonb_populate_record(NULL::${table}, coalesce(v.state,
         (SELECT state FROM audit.version b WHERE b.tbl = v.tbl AND b.id = v.id AND b.seq < v.seq AND b.state IS NOT NULL ORDER BY seq DESC LIMIT 1))) s
     WHERE v.tbl = $1 ORDER BY v.seq`,
    [table],
  );
  return rows.map(({ _seq, _gone, _at, ...state }: TextRow): LandingRow => {
    const version = _at === null ? {} : { _version: 100 + Number(_seq), _committed_at: _at ?? null };
    return { ...state, ...version, ...(_gone === 't' ? { _deleted: 1, _sign: -1 } : {}) };
  });
}
