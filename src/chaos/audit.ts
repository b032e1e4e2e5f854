/** What a source with triggers would have recorded: the truth that history and spend are compared with. */
import { pgRows } from '../source/connection.ts';
import type { CopySide, SourceSide } from './compare.ts';

/**
 * Where the audit is kept: `audit.version` every state of advertiser and campaign in commit order, `audit.rule` the pricing
 * rules that the copy has. The constraints go, so that campaigns can be deleted, truncated and made again while their events stay.
 */
export const AUDIT_TABLES = `
  CREATE SCHEMA audit;
  CREATE TABLE audit.version (seq bigserial, tbl text, id int, gone boolean, state jsonb, at timestamp DEFAULT (clock_timestamp() at time zone 'utc'),
    xid xid DEFAULT pg_current_xact_id()::xid);
  CREATE INDEX ON audit.version (tbl, id, seq);
  CREATE TABLE audit.rule (scope text, id int, pricing_model text, budget_kind text);
  ALTER TABLE impressions DROP CONSTRAINT impressions_campaign_id_fkey; ALTER TABLE clicks DROP CONSTRAINT clicks_campaign_id_fkey`;

/** The present states are the first ones: they have been so for ever, as far as anybody can know. */
export const AUDIT_PRESENT = `
  INSERT INTO audit.version (tbl, id, gone, state, at, xid) SELECT 'advertiser', id, false, to_jsonb(a), NULL, NULL FROM advertiser a;
  INSERT INTO audit.version (tbl, id, gone, state, at, xid) SELECT 'campaign', id, false, to_jsonb(c), NULL, NULL FROM campaign c`;

/** From here on triggers write each state, in the order of commits where those come one after the other. */
const AUDIT_TRIGGERS = `
  CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF tg_op = 'TRUNCATE' THEN
      EXECUTE format('INSERT INTO audit.version (tbl, id, gone) SELECT %L, id, true FROM %I', tg_table_name, tg_table_name);
      RETURN NULL;
    END IF;
    IF tg_op = 'DELETE' OR (tg_op = 'UPDATE' AND old.id <> new.id) THEN INSERT INTO audit.version (tbl, id, gone) VALUES (tg_table_name, old.id, true); END IF;
    IF tg_op <> 'DELETE' THEN INSERT INTO audit.version (tbl, id, gone, state) VALUES (tg_table_name, new.id, false, to_jsonb(new)); END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON advertiser FOR EACH ROW EXECUTE FUNCTION audit.note();
  CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON campaign FOR EACH ROW EXECUTE FUNCTION audit.note();
  CREATE TRIGGER truncated BEFORE TRUNCATE ON advertiser FOR EACH STATEMENT EXECUTE FUNCTION audit.note();
  CREATE TRIGGER truncated BEFORE TRUNCATE ON campaign FOR EACH STATEMENT EXECUTE FUNCTION audit.note()`;

/** Begins to record. Call it before the pipeline starts. */
export async function startAudit(pg: SourceSide): Promise<void> {
  await pg.client.query(AUDIT_TABLES);
  await auditFromNow(pg);
}

/** Forgets what an audit has, and records from the present rows on. */
export async function auditFromNow(pg: SourceSide): Promise<void> {
  await pg.client.query(['TRUNCATE audit.version', AUDIT_PRESENT, AUDIT_TRIGGERS].join(';'));
}

/**
 * From the clock of the statement to that of its commit, to the microsecond what the stream says: with transactions
 * side by side the two differ. Needs `track_commit_timestamp`.
 */
export async function dateByCommit(pg: SourceSide): Promise<void> {
  await pg.client.query(
    `UPDATE audit.version SET at = pg_xact_commit_timestamp(xid) AT TIME ZONE 'utc', xid = NULL WHERE xid IS NOT NULL`,
  );
}

/** An instant of the source's clock, after everything that was committed before the call. */
export async function instant(pg: SourceSide): Promise<string> {
  const [row] = await pgRows(
    pg.client,
    `SELECT to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US') AS t`,
  );
  return String(row?.['t']);
}

/** One state of a row: `gone`, or its values as text. */
export interface AuditedVersion {
  readonly id: number;
  readonly values: string;
  /** When it was written, null for states from before. Its commit came a little later. */
  readonly at: string | null;
}

const VALUES = {
  advertiser: { pg: "state ->> 'name'", ch: 'name' },
  campaign: {
    pg: "concat_ws('/', state ->> 'name', (state ->> 'bid')::numeric(10, 2), (state ->> 'budget')::numeric(10, 2), coalesce(state ->> 'advertiser_id', '-'))",
    ch: "concatWithSeparator('/', name, toString(toDecimalString(bid, 2)), toDecimalString(budget, 2), ifNull(toString(advertiser_id), '-'))",
  },
};

/** All states in order, per id. */
export async function auditedVersions(pg: SourceSide, table: keyof typeof VALUES): Promise<AuditedVersion[]> {
  const rows = await pgRows(
    pg.client,
    `SELECT id, CASE WHEN gone THEN 'gone' ELSE ${VALUES[table].pg} END AS values, to_char(at, 'YYYY-MM-DD HH24:MI:SS.US') AS at
     FROM audit.version WHERE tbl = $1 ORDER BY id, seq`,
    [table],
  );
  return rows.map((row) => ({ id: Number(row['id']), values: String(row['values']), at: row['at'] ?? null }));
}

/** The same from the history of the copy, with the time of the commit; 1970 for what was loaded. */
export async function keptVersions(
  ch: CopySide,
  table: keyof typeof VALUES,
): Promise<{ id: number; values: string; at: string }[]> {
  return await ch.client.rows(
    `SELECT id, if(_deleted = 1, 'gone', ${VALUES[table].ch}) AS values, toString(_committed_at) AS at FROM ${ch.database}.${table}_history FINAL ORDER BY id, _version`,
  );
}

/** Versions with the times they were in force. */
export async function datedVersions(
  ch: CopySide,
  table: keyof typeof VALUES,
): Promise<{ id: number; values: string; valid_from: string | null; valid_to: string | null }[]> {
  return await ch.client.rows(
    `SELECT id, ${VALUES[table].ch} AS values, toString(valid_from) AS valid_from, toString(valid_to) AS valid_to
     FROM ${ch.database}.${table}_versions ORDER BY id, version`,
  );
}

const PRICE = `CASE WHEN e.campaign_id IS NULL OR e.created_at IS NULL THEN 0 ELSE coalesce(
    (SELECT (v.state ->> 'bid')::numeric FROM audit.version v WHERE v.tbl = 'campaign' AND NOT v.gone AND v.id = e.campaign_id
       AND (v.at IS NULL OR v.at <= e.created_at) ORDER BY v.seq DESC LIMIT 1),
    (SELECT (v.state ->> 'bid')::numeric FROM audit.version v WHERE v.tbl = 'campaign' AND NOT v.gone AND v.id = e.campaign_id ORDER BY v.seq LIMIT 1), 0) END`;

/** Spend per campaign by plain SQL on the source: “campaign cpc cpm”, six decimals. */
export async function auditedSpend(pg: SourceSide): Promise<string[]> {
  const rows = await pgRows(
    pg.client,
    `SELECT campaign_id, sum(cpc)::numeric(38, 6) AS cpc, sum(cpm)::numeric(38, 6) AS cpm FROM (
       SELECT campaign_id, ${PRICE} AS cpc, 0 AS cpm FROM clicks e UNION ALL SELECT campaign_id, 0, ${PRICE} / 1000 FROM impressions e) priced
     GROUP BY 1`,
  );
  return rows.map((row) => `${row['campaign_id']} ${row['cpc']} ${row['cpm']}`).toSorted();
}

/** The same from the rollup. */
export async function copiedSpend(ch: CopySide): Promise<string[]> {
  const rows = await ch.client.rows<Record<'campaign' | 'cpc' | 'cpm', string>>(
    `SELECT toString(campaign_id) AS campaign, toDecimalString(sum(spend_cpc), 6) AS cpc, toDecimalString(sum(spend_cpm), 6) AS cpm
     FROM ${ch.database}.campaign_hourly GROUP BY campaign_id HAVING sum(impressions) != 0 OR sum(clicks) != 0`,
  );
  return rows.map((row) => `${row.campaign} ${row.cpc} ${row.cpm}`).toSorted();
}
