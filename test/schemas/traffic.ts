/**
 * Random valid traffic on a schema: transactions of several statements, with savepoints rolled back, and whole
 * transactions rolled back. One session is repeatable by its seed; several run side by side.
 */
import type pg from 'pg';
import { chance, pick, type Random, randomStreams, wholeBetween } from '../../src/generator/random.ts';
import { connectPostgres } from '../../src/source/connection.ts';
import type { Migration, RealSchema } from './real-schema.ts';

/**
 * SQLSTATEs that a valid statement may end with, by the rows it meets or by what others do: its transaction is over,
 * nothing else. Locks, deadlocks, serialization; keys, references, exclusions.
 */
const EXPECTED = new Set(['55P03', '40P01', '40001', '23503', '23505', '23P01']);
/** What statements written for the schema as it was end with. */
const OUTDATED = new Set([
  '42703',
  '42P01',
  '42804',
  '42883',
  '42704',
  '23502',
  '22P02',
  '428C9',
  '23514',
  '3F000',
  '42P10',
  '42601',
]);

/** The traffic of one schema; its statements change with migrations. */
export class Traffic {
  readonly schema: RealSchema;
  /** Rows that each statement has changed. */
  readonly changed = new Map<string, number>();
  transactions = 0;
  #statements: Map<string, string>;
  #isMigrating = false;

  constructor(schema: RealSchema) {
    this.schema = schema;
    this.#statements = new Map(Object.entries(schema.statements));
  }

  /** Makes tables and first rows. */
  async setup(client: pg.Client): Promise<void> {
    await client.query(this.schema.setup);
    for (const [name, times] of Object.entries(this.schema.first)) {
      for (let i = 0; i < times; i++) await client.query(this.#text(name, i, i * 7));
    }
  }

  /** Runs one migration; statements of the schema as it was may fail until it has ended. */
  async migrate(client: pg.Client, migration: Migration): Promise<void> {
    this.#isMigrating = true;
    try {
      await client.query(migration.sql);
      for (const [name, sql] of Object.entries(migration.statements ?? {})) {
        if (sql === null) this.#statements.delete(name);
        else this.#statements.set(name, sql);
      }
    } finally {
      this.#isMigrating = false;
    }
  }

  /** One random transaction. */
  async transaction(client: pg.Client, random: Random): Promise<void> {
    try {
      await client.query('BEGIN');
      const statements = wholeBetween(random, 1, 5);
      for (let i = 0; i < statements; i++) await this.#step(client, random);
      await client.query(chance(random, 0.1) ? 'ROLLBACK' : 'COMMIT');
    } catch (error) {
      if (!EXPECTED.has(stateOf(error)) && !(error instanceof OutdatedError)) throw error;
      await client.query('ROLLBACK');
    }
    this.transactions++;
  }

  async #step(client: pg.Client, random: Random): Promise<void> {
    const name = pick(random, [...this.#statements.keys()]) as string;
    const [a, b] = [wholeBetween(random, 0, 99_999), wholeBetween(random, 0, 99_999)];
    const isTakenBack = chance(random, 0.1);
    if (isTakenBack) await client.query('SAVEPOINT s');
    const rows = await this.#run(client, name, this.#text(name, a, b));
    if (isTakenBack) await client.query('ROLLBACK TO s');
    else this.changed.set(name, (this.changed.get(name) ?? 0) + rows);
  }

  async #run(client: pg.Client, name: string, text: string): Promise<number> {
    const written = this.#statements.get(name);
    try {
      return rowsOf(await client.query(text));
    } catch (error) {
      const isOutdated = this.#isMigrating || this.#statements.get(name) !== written;
      if (isOutdated && OUTDATED.has(stateOf(error))) throw new OutdatedError(name, { cause: error });
      if (EXPECTED.has(stateOf(error))) throw error;
      throw new Error(`${this.schema.name}.${name}: ${String(error)}`, { cause: error });
    }
  }

  #text(name: string, a: number, b: number): string {
    const statement = this.#statements.get(name);
    if (statement === undefined) throw new Error(`${this.schema.name} has no statement ${name}`);
    return statement.replaceAll('$1', String(a)).replaceAll('$2', String(b));
  }
}

/** A statement failed because a migration has overtaken it. */
class OutdatedError extends Error {}

function stateOf(error: unknown): string {
  return String((error as { code?: unknown }).code);
}

/** A text of several statements has several results. */
function rowsOf(result: unknown): number {
  const results = (Array.isArray(result) ? result : [result]) as { rowCount: number | null; command: string }[];
  return results.reduce((sum, { rowCount, command }) => sum + (command === 'TRUNCATE' ? 1 : (rowCount ?? 0)), 0);
}

/** Sessions that make traffic until told to stop. */
export class TrafficSessions implements AsyncDisposable {
  readonly #clients: pg.Client[];
  readonly #running: Promise<unknown>;
  #isStopped = false;
  #failure: unknown = null;

  private constructor(clients: pg.Client[], run: (client: pg.Client, index: number) => Promise<void>) {
    this.#clients = clients;
    const whole = clients.map(async (client, index) => {
      try {
        while (!this.#isStopped) await run(client, index);
      } catch (error) {
        this.#isStopped = true;
        this.#failure = error;
      }
    });
    this.#running = Promise.all(whole);
  }

  /** Starts them on a database. */
  static async start(
    url: string,
    traffic: Traffic,
    options: { sessions: number; seed: number },
  ): Promise<TrafficSessions> {
    const next = randomStreams(options.seed);
    const streams = Array.from({ length: options.sessions }, next);
    const clients: pg.Client[] = [];
    for (let i = 0; i < options.sessions; i++) clients.push(await openSession(url));
    return new TrafficSessions(clients, (client, i) => traffic.transaction(client, streams[i] as Random));
  }

  /** True when one of them has ended by an error: {@link stop} throws it. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** Stops them; throws what one failed with. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    if (this.#failure !== null) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}

/** A session that gives up on locks, as applications with a deadline do. */
export async function openSession(url: string): Promise<pg.Client> {
  const client = await connectPostgres(url, { applicationName: 'test' });
  await client.query("SET lock_timeout = '100ms'");
  return client;
}
