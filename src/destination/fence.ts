/**
 * The fence: ClickHouse itself refuses what a process writes that another one has replaced.
 *
 *   raise: fence := my epoch → end all statements of earlier ones → nobody else writes any more
 *
 * The slot alone is no lock on the copy: a process that was suspended with an insert in hand may wake when its slot has
 * long been taken. Each start has an epoch, each write carries it in `log_comment`, and a constraint on each table
 * compares it with the fence when rows arrive (sql/clickhouse/V6__fence.sql). So an insert either began before the
 * fence was raised, then it is ended and waited for, or it is refused.
 */
import { AppError } from '../model/errors.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import { type ClickHouse, FENCE_CONSTRAINT, type Settings } from './client.ts';
import { fenceConstraint, type Names } from './ddl.ts';

/** Bits of an epoch that hold a ticket of the source; those above rise when the source's tickets have fallen back. */
const TICKET_BITS = 48n;
const TICKET_MASK = (1n << TICKET_BITS) - 1n;

/** Whose statement it is: what stands in `log_comment`. */
export function writeTag(names: Names, writer: { pipeline: string; epoch: bigint }, what: string): string {
  return `millrace ${what} ${writer.pipeline} ${writer.epoch} ${names.internal}`;
}

/**
 * The epoch of a new writer: above the last, and in the order of the tickets that the source gives out.
 *
 * @param ticket Rises from start to start; a source that was restored or replaced begins lower again.
 */
export function nextEpoch(last: bigint, ticket: bigint): bigint {
  const era = last >> TICKET_BITS;
  const own = ticket & TICKET_MASK;
  return ((own > ticketOf(last) ? era : era + 1n) << TICKET_BITS) | own;
}

/** The ticket that an epoch was made of. */
export function ticketOf(epoch: bigint): bigint {
  return epoch & TICKET_MASK;
}

/** The fence of one pipeline, as its writer sees it. */
export class Fence {
  readonly #clickhouse: ClickHouse;
  readonly #names: Names;
  readonly #pipeline: string;
  #epoch = 0n;

  constructor(clickhouse: ClickHouse, names: Names, pipeline: string) {
    this.#clickhouse = clickhouse;
    this.#names = names;
    this.#pipeline = pipeline;
  }

  /** The epoch of this writer; 0 before {@link raise}. */
  get epoch(): bigint {
    return this.#epoch;
  }

  /** What marks a statement as this writer's. `what` it does: one word, for people who look at the server. */
  tag(what: string): string {
    return writeTag(this.#names, { pipeline: this.#pipeline, epoch: this.#epoch }, what);
  }

  /** The settings of a statement of this writer. */
  settings(what: string): Settings {
    return { log_comment: this.tag(what) };
  }

  /** SQL that is true while this writer is the one in force: for statements that no constraint looks at. */
  get condition(): string {
    return `joinGet(${this.#table}, 'epoch', ${chLiteral(this.#pipeline)}) = ${this.#epoch}`;
  }

  /**
   * Makes this process the only one whose writes are taken. When it returns, nothing that an earlier writer has sent
   * runs on the server, and nothing of it will.
   *
   * @param ticket Taken while the start was locked against others (source/start-lock.ts).
   * @param known Highest epoch the checkpoint knows.
   * @throws {AppError} `FENCED` when a later writer was faster.
   */
  async raise(ticket: bigint, known: bigint): Promise<void> {
    const before = await this.read();
    this.#epoch = nextEpoch(before > known ? before : known, ticket);
    for (;;) {
      await this.#clickhouse.command(
        `INSERT INTO ${chIdent(this.#names.internal)}.fence (pipeline, epoch)
         SELECT ${chLiteral(this.#pipeline)}, ${this.#epoch} WHERE ${this.#epoch} > ${this.#current}`,
        { settings: this.settings('fence') },
      );
      await this.#endOthers();
      // A raise of an earlier writer that had begun before ours may have come after it: it is over now.
      const now = await this.read();
      if (now === this.#epoch) return;
      if (now > this.#epoch) throw this.#overtaken(now);
    }
  }

  /**
   * Makes sure that nobody has taken over since {@link raise}; before it there is nothing to lose.
   *
   * @throws {AppError} `FENCED`.
   */
  async assertHeld(): Promise<void> {
    if (this.#epoch === 0n) return;
    const now = await this.read();
    if (now !== this.#epoch) throw this.#overtaken(now);
  }

  /** The epoch in force; 0 when there was none yet. */
  async read(): Promise<bigint> {
    const [row] = await this.#clickhouse.rows<{ epoch: string }>(`SELECT ${this.#current} AS epoch`);
    return BigInt(row?.epoch ?? 0);
  }

  get #table(): string {
    return chLiteral(`${this.#names.internal}.fence`);
  }

  get #current(): string {
    return `joinGet(${this.#table}, 'epoch', ${chLiteral(this.#pipeline)})`;
  }

  /** Ends every statement of other epochs that still runs on the server, and waits until it is gone. */
  async #endOthers(): Promise<void> {
    const tag = "splitByChar(' ', Settings['log_comment'])";
    await this.#clickhouse.command(
      `KILL QUERY WHERE startsWith(Settings['log_comment'], 'millrace ') AND endsWith(Settings['log_comment'], {internal:String})
         AND ${tag}[3] = {pipeline:String} AND ${tag}[4] != {epoch:String} SYNC`,
      { params: { internal: ` ${this.#names.internal}`, pipeline: this.#pipeline, epoch: String(this.#epoch) } },
    );
    await this.#clickhouse.command(
      `KILL MUTATION WHERE database IN ({database:String}, {internal:String}) AND NOT is_done AND position(command, {current:String}) > 0
         AND position(command, {own:String}) = 0 SYNC`,
      { params: { ...this.#names, current: this.#current, own: this.condition } },
    );
  }

  #overtaken(now: bigint): AppError {
    return new AppError(
      'FENCED',
      `another process has taken over the pipeline “${this.#pipeline}” (epoch ${now}, ours ${this.#epoch})`,
    );
  }
}

/**
 * Puts the constraint on those of our tables that lack it.
 *
 * @param tables Names of tables in the users' database: mirrors, histories, rollup.
 */
export async function fenceTables(clickhouse: ClickHouse, names: Names, tables: readonly string[]): Promise<void> {
  const open = await clickhouse.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = {database:String} AND name IN {tables:Array(String)}
       AND engine LIKE '%MergeTree' AND position(create_table_query, {constraint:String}) = 0
     ORDER BY name`,
    { params: { database: names.database, tables, constraint: `CONSTRAINT ${FENCE_CONSTRAINT} ` } },
  );
  for (const { name } of open) {
    await clickhouse.command(
      `ALTER TABLE ${chIdent(names.database)}.${chIdent(name)} ADD ${fenceConstraint(names).replace('CONSTRAINT', 'CONSTRAINT IF NOT EXISTS')}`,
    );
  }
}
