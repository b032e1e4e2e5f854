/**
 * A connection to ClickHouse that changes nothing: what a start would make is noted instead, and what it asks is
 * answered as if that were done. So a plan comes from the very code that a start runs.
 */
import { AppError } from '../model/errors.ts';
import { ClickHouse, type StatementOptions } from './client.ts';
import type { Names } from './ddl.ts';
import { scriptOf } from './migrations.ts';
import { isDefinition, PlannedObjects, type PresentObject } from './planned-objects.ts';

/** A statement that would be executed. */
export interface PlannedStatement {
  readonly sql: string;
  /** The migration file that it comes from; null: it is made from a table. */
  readonly script: string | null;
}

/** ClickHouse's codes for databases and tables that are not there. */
const NOT_THERE = new Set(['60', '81']);
/** Names of what is planned make queries of the catalogue longer than usual. */
const MAX_QUERY_BYTES = 64 * 1024 * 1024;

/** See {@link openRehearsal}. */
export class RehearsedClickHouse extends ClickHouse {
  readonly #objects: PlannedObjects;
  readonly #statements: PlannedStatement[] = [];

  /** @param objects What is on the server. */
  constructor(url: string, options: { signal: AbortSignal; objects: PlannedObjects }) {
    super(url, { signal: options.signal, applicationName: 'millrace plan', settings: { readonly: 2 } });
    this.#objects = options.objects;
  }

  /** What would be executed, in order, without what would find everything done. */
  get statements(): readonly PlannedStatement[] {
    return this.#statements;
  }

  override async rows<Row = Record<string, unknown>>(sql: string, options: StatementOptions = {}): Promise<Row[]> {
    try {
      const settings = { ...options.settings, max_query_size: MAX_QUERY_BYTES };
      return await super.rows<Row>(this.#objects.rewrite(sql), { ...options, settings });
    } catch (error) {
      // What is not made yet holds nothing.
      if (error instanceof AppError && NOT_THERE.has(String(error.details['clickhouseCode']))) return [];
      throw error;
    }
  }

  override async command(sql: string, options: StatementOptions = {}): Promise<number> {
    // What else is written are states, checkpoints and what was applied: told to nobody.
    if (isDefinition(sql) && this.#objects.apply(sql))
      this.#statements.push({
        sql: withoutSecrets(sql),
        script: scriptOf(String(options.settings?.['log_comment'] ?? '')),
      });
    return Promise.resolve(0);
  }

  override async insert(): Promise<void> {
    return Promise.resolve();
  }
}

/** Opens such a connection on the objects that are there. */
export async function openRehearsal(
  clickhouse: ClickHouse,
  names: Names,
  at: { url: string; signal: AbortSignal },
): Promise<RehearsedClickHouse> {
  const params = { names: [names.database, names.internal] };
  const databases = await clickhouse.rows<{ name: string }>(
    'SELECT name FROM system.databases WHERE name IN {names:Array(String)}',
    { params },
  );
  const present = await clickhouse.rows<PresentObject>(
    `SELECT database, name, engine, comment, arrayStringConcat(extractAll(create_table_query, ' CONSTRAINT \\\\w+ ')) AS constraints
     FROM system.tables WHERE database IN {names:Array(String)}`,
    { params },
  );
  const objects = new PlannedObjects(
    databases.map(({ name }) => name),
    present,
  );
  return new RehearsedClickHouse(at.url, { signal: at.signal, objects });
}

function withoutSecrets(sql: string): string {
  return sql.replaceAll(/\bPASSWORD '(?:[^'\\]|\\.)*'/g, "PASSWORD '***'");
}
