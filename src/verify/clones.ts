/**
 * The clones of the copy at one position: a database of their own, made by the pipeline, read at leisure, dropped.
 * Tables in it are named as in the copy, so that the SQL of the copy works on it.
 */
import type { ClickHouse, Settings } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { fillPlaceholders, readMigrations } from '../model/migration-files.ts';
import { sqlDirectory } from '../model/package-root.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import { splitStatements } from '../destination/split-statements.ts';

/** The database of clones, as a copy of its own. */
export class Clones {
  readonly clickhouse: ClickHouse;
  /** Both of its databases are the one of the clones. */
  readonly names: Names;
  readonly settings: Settings;
  /** Time spent in queries, all together, ms. */
  busyMs = 0;

  readonly #url: string;

  /** @param maxLoad Threads of a query. */
  constructor(clickhouse: ClickHouse, database: string, options: { url: string; maxLoad: number }) {
    const { url, maxLoad } = options;
    this.clickhouse = clickhouse;
    this.#url = url;
    this.names = { database, internal: database };
    this.settings = {
      max_threads: maxLoad,
      cancel_http_readonly_queries_on_client_close: 1,
      max_bytes_before_external_group_by: 1_000_000_000,
      max_query_size: 16_777_216,
    };
  }

  /** Qualified name of a table, quoted. */
  table(name: string): string {
    return `${chIdent(this.names.database)}.${chIdent(name)}`;
  }

  /** Runs a query on the clones. */
  async rows<Row = Record<string, unknown>>(
    sql: string,
    signal: AbortSignal,
    params: Record<string, unknown> = {},
  ): Promise<Row[]> {
    const startedAt = performance.now();
    try {
      return await this.clickhouse.rows<Row>(sql, { params, settings: this.settings, signal });
    } finally {
      this.busyMs += performance.now() - startedAt;
    }
  }

  /** True when the table was cloned. */
  async has(name: string, signal: AbortSignal): Promise<boolean> {
    const sql = 'SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {name:String}';
    return (await this.rows(sql, signal, { database: this.names.database, name })).length > 0;
  }

  /** An empty database: what an earlier run left behind goes. */
  async prepare(): Promise<void> {
    await this.drop();
    await this.clickhouse.command(`CREATE DATABASE ${chIdent(this.names.database)}`);
  }

  /** Removes the clones. */
  async drop(): Promise<void> {
    await this.clickhouse.command(`DROP DATABASE IF EXISTS ${chIdent(this.names.database)} SYNC`);
  }

  /**
   * The price dictionary over the cloned history: the same statements that made the copy's own.
   * It reads its source with the credentials of ClickHouse's URL.
   */
  async createPrices(): Promise<void> {
    const { username, password } = new URL(this.#url);
    const placeholders = {
      ...this.names,
      dictionary_user: chLiteral(decodeURIComponent(username) || 'default'),
      dictionary_password: chLiteral(decodeURIComponent(password)),
    };
    for (const { script, text } of await readMigrations(sqlDirectory('clickhouse'))) {
      if (!/campaign_price/.test(text)) continue;
      const statements = splitStatements(fillPlaceholders(text, placeholders, script));
      const wanted = statements.filter((statement) =>
        /^\s*(?:--[^\n]*\n\s*)*CREATE[^(]*\.campaign_price(?:_ranges)?\b/.test(statement),
      );
      for (const statement of wanted) await this.clickhouse.command(statement);
    }
  }
}
