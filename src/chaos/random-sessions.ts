/**
 * Random transactions on the source: interleaved on several connections, with rollbacks, savepoints, key
 * changes and TRUNCATE. What they meet depends on the rows there; a statement that waits for a lock gives up
 * and takes its transaction with it, as an application's would.
 */
import type pg from 'pg';
import { connectPostgres } from '../source/connection.ts';

/** Connections that work side by side. */
export const CONNECTIONS = 3;

/** One step: a statement on one connection. `a` and `b` choose rows and values. */
export interface Step {
  readonly connection: number;
  readonly kind: Kind;
  readonly a: number;
  readonly b: number;
}

/** Statements by kind; `$1` and `$2` are whole numbers from 0 to 999. */
export const STATEMENTS = {
  begin: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  savepoint: 'SAVEPOINT s',
  rollbackTo: 'ROLLBACK TO s',
  addEvents: `INSERT INTO impressions (campaign_id, created_at) SELECT (SELECT id FROM campaign ORDER BY md5(id::text || $1) LIMIT 1),
    now() at time zone 'utc' + make_interval(mins => i * $2::int % 3000 - 2900) FROM generate_series(1, 1 + $1::int % 60) i`,
  addClicks: `INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at + make_interval(secs => $1::int % 120)
    FROM impressions WHERE id % 29 = $2::int % 29 LIMIT 40`,
  addOdd: `INSERT INTO clicks (campaign_id, created_at) VALUES (NULL, NULL), (NULL, '1969-12-31 23:59:59.999999'), ((SELECT max(id) FROM campaign), NULL)`,
  moveEvents: `UPDATE impressions SET campaign_id = (SELECT id FROM campaign ORDER BY md5(id::text || $1) LIMIT 1) WHERE id % 37 = $2::int % 37`,
  shiftClicks: `UPDATE clicks SET created_at = created_at - make_interval(hours => $1::int % 50) WHERE id % 11 = $2::int % 11`,
  emptyEvents: `UPDATE impressions SET created_at = NULL, campaign_id = NULL WHERE id % 101 = $1::int % 101`,
  changeKeys: `UPDATE clicks SET id = id + 100000 + $1::int WHERE id % 17 = $2::int % 17 AND id < 100000`,
  swapKeys: `UPDATE clicks SET id = -id WHERE id % 23 = $1::int % 23`,
  deleteEvents: `DELETE FROM impressions WHERE id % 41 = $1::int % 41`,
  deleteClicks: `DELETE FROM clicks WHERE id % 13 = $1::int % 13`,
  truncateClicks: 'TRUNCATE clicks',
  addCampaign: `INSERT INTO campaign (name, bid, budget, advertiser_id) VALUES ('new', 0.5 + $1::int % 400 / 100.0, 50 + $2::int, (SELECT min(id) FROM advertiser))`,
  changeBid: `UPDATE campaign SET bid = 0.5 + $1::int % 450 / 100.0 WHERE id % 5 = $2::int % 5`,
  renameAdvertiser: `UPDATE advertiser SET name = 'name ' || $1 WHERE id % 2 = $2::int % 2`,
  moveCampaign: `UPDATE campaign SET advertiser_id = (SELECT id FROM advertiser ORDER BY md5(id::text || $1) LIMIT 1) WHERE id % 4 = $2::int % 4`,
  dropCampaign: `DELETE FROM campaign c WHERE NOT EXISTS (SELECT FROM impressions i WHERE i.campaign_id = c.id) AND NOT EXISTS (SELECT FROM clicks k WHERE k.campaign_id = c.id) AND id % 3 = $1::int % 3`,
} as const;

/**
 * What chaos makes besides: whole tables emptied, transactions larger than a batch, and a table that no rollup counts,
 * whose long texts PostgreSQL leaves out of the WAL when an update does not touch them.
 */
export const MORE_STATEMENTS = {
  truncateImpressions: 'TRUNCATE impressions',
  truncateCampaigns: 'TRUNCATE campaign',
  addMany: `INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i % 7, now() at time zone 'utc' - make_interval(mins => i % (1 + $1::int)) FROM generate_series(1, 3000) i`,
  addDocuments: `INSERT INTO document (title, body) SELECT 'title ' || i, repeat(md5($1::text || '/' || i), 80) FROM generate_series(1, 1 + $2::int % 8) i`,
  retitle: `UPDATE document SET title = 'title ' || $1::text WHERE id % 3 = $2::int % 3`,
  rewrite: `UPDATE document SET body = CASE WHEN $1::int % 7 = 0 THEN NULL ELSE repeat(md5($1::text), 90) END WHERE id % 7 = $2::int % 7`,
  rekeyDocuments: `UPDATE document SET id = id + 100000 WHERE id % 19 = $1::int % 19 AND id < 100000`,
  dropDocuments: `DELETE FROM document WHERE id % 5 = $1::int % 5`,
  truncateDocuments: 'TRUNCATE document',
} as const;

/** The table that no rollup counts. */
export const DOCUMENT_TABLE = `CREATE TABLE document (id serial PRIMARY KEY, title text NOT NULL, body text);
  ALTER TABLE document ALTER COLUMN body SET STORAGE EXTERNAL`;

/** A kind of step. */
export type Kind = keyof typeof STATEMENTS | keyof typeof MORE_STATEMENTS;

const ALL_STATEMENTS: Readonly<Record<Kind, string>> = { ...STATEMENTS, ...MORE_STATEMENTS };

/** How often each kind is made, relative to the others; those not named here: 2. */
export const WEIGHTS: Partial<Record<Kind, number>> = {
  begin: 6,
  commit: 8,
  addEvents: 6,
  addClicks: 4,
  changeBid: 3,
  truncateClicks: 1,
  rollback: 2,
  truncateImpressions: 0.15,
  truncateCampaigns: 0.15,
  truncateDocuments: 0.3,
  addMany: 0.3,
};

/** Rows to begin with. */
export const FIRST_ROWS = `INSERT INTO advertiser (name) VALUES ('A'), ('B'), ('C');
  INSERT INTO campaign (name, bid, budget, advertiser_id) SELECT 'c' || i, i, 100, 1 + i % 3 FROM generate_series(1, 6) i;
  INSERT INTO impressions (campaign_id, created_at) SELECT 1 + i % 6, now() at time zone 'utc' - make_interval(mins => i % 4000) FROM generate_series(1, 3000) i;
  INSERT INTO clicks (campaign_id, created_at) SELECT campaign_id, created_at FROM impressions WHERE id % 9 = 0`;

/** SQLSTATEs that a random statement may end with: its transaction is over, nothing else. */
const EXPECTED = new Set(['55P03', '40P01', '25P02', '23503', '23505', '3B001', '25P01', '22003', '40001']);

/** Sessions that run steps. */
export class RandomSessions implements AsyncDisposable {
  readonly #clients: pg.Client[];
  /** Rows changed, those that were taken back included. */
  changes = 0;
  /** Transactions, those rolled back included. */
  transactions = 0;

  private constructor(clients: pg.Client[]) {
    this.#clients = clients;
  }

  static async open(url: string): Promise<RandomSessions> {
    const clients: pg.Client[] = [];
    for (let i = 0; i < CONNECTIONS; i++) {
      const client = await connectPostgres(url, { applicationName: 'test' });
      await client.query("SET lock_timeout = '20ms'");
      clients.push(client);
    }
    return new RandomSessions(clients);
  }

  async run(step: Step): Promise<void> {
    const client = this.#clients[step.connection] as pg.Client;
    const statement = ALL_STATEMENTS[step.kind];
    const used = [step.a, step.b].slice(0, statement.includes('$2') ? 2 : statement.includes('$1') ? 1 : 0);
    try {
      const { rowCount } = await client.query(statement, used);
      this.changes += rowCount ?? 0;
      if (step.kind === 'commit' || step.kind === 'rollback') this.transactions++;
    } catch (error) {
      const state = String((error as { code?: unknown }).code);
      if (!EXPECTED.has(state)) throw error;
      if (!['25P01', '3B001'].includes(state)) await client.query('ROLLBACK');
    }
  }

  /** Ends what is open. */
  async settle(): Promise<void> {
    for (const client of this.#clients) await client.query('COMMIT');
  }

  /** Leaves a transaction open on the last connection. It only adds: nobody waits for what it has locked. */
  async leaveOpen(a: number): Promise<void> {
    const connection = CONNECTIONS - 1;
    for (const kind of ['begin', 'addEvents', 'addDocuments'] as const) await this.run({ connection, kind, a, b: a });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}
