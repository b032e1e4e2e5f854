/** One session of the traffic: its transactions, and its pace. */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { postgresError } from '../source/connection.ts';
import { wholeBetween, type Random } from './random.ts';
import { makeChange, remember, type ChangeContext, type KnownIds } from './traffic-changes.ts';
import { drawKind, drawShape, type ChangeKind, type TrafficCounts } from './traffic-kinds.ts';

/**
 * SQLSTATEs by which another transaction, not the statement, is the reason: serialization failure, deadlock,
 * lock timeout, and a campaign or advertiser that somebody deleted (foreign key).
 */
const CONFLICT_STATES = new Set(['40001', '40P01', '55P03', '23503']);

/** The longest pause between the statements of a longer transaction, in ms: others commit meanwhile. */
const OPEN_PAUSE_MS = 15;

/** What a session starts with. */
export interface SessionOptions {
  readonly context: ChangeContext;
  /** Shared by all sessions. */
  readonly counts: TrafficCounts;
  /** This session's row changes per second. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/** Whether another transaction is the reason of the error. */
export function isConflict(error: unknown): boolean {
  return CONFLICT_STATES.has(String(postgresError(error, 'traffic failed').details['sqlState']));
}

/** Thrown between two statements when the signal came: the transaction is rolled back. */
class Stopped extends Error {}

/** Makes transactions on one connection, one after the other. */
export class TrafficSession {
  readonly #context: ChangeContext;
  readonly #counts: TrafficCounts;
  readonly #rate: number;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();
  /** Rows committed by this session. */
  #done = 0;
  /** Rows of the open transaction that count when it commits. */
  #pending = new Map<ChangeKind, number>();
  /** Ids of rows added in the open transaction. */
  #added: KnownIds = { campaigns: [], advertisers: [] };

  constructor(options: SessionOptions) {
    this.#context = options.context;
    this.#counts = options.counts;
    this.#rate = options.rate;
    this.#signal = options.signal;
  }

  /** The session's connection. */
  get client(): pg.Client {
    return this.#context.client;
  }

  /** The session's random numbers. */
  get random(): Random {
    return this.#context.random;
  }

  /** How long to wait so as not to go faster than the rate, in ms; 0 when a transaction is due. */
  pauseMs(): number {
    const dueAt = this.#startedAt + (this.#done / this.#rate) * 1000;
    return Math.max(0, dueAt - performance.now());
  }

  /**
   * Makes one transaction of a random shape.
   *
   * @throws {AppError} When PostgreSQL refuses for a reason that is not another transaction.
   */
  async transact(): Promise<'done' | 'conflict' | 'stopped'> {
    const { client } = this.#context;
    this.#forget();
    try {
      await client.query('BEGIN');
      await this.#fill();
      return 'done';
    } catch (error) {
      // On a broken connection this fails as well; the first error tells why.
      await client.query('ROLLBACK').catch(() => undefined);
      if (error instanceof Stopped) return 'stopped';
      if (!isConflict(error)) throw postgresError(error, 'traffic failed');
      this.#counts.conflicts++;
      return 'conflict';
    }
  }

  /** Makes the statements of the open transaction and ends it. */
  async #fill(): Promise<void> {
    const { client, random } = this.#context;
    const shape = drawShape(random);
    await this.#change();
    if (shape === 'several') await this.#changes(wholeBetween(random, 1, 5));
    if (shape === 'savepoint') await this.#takeBackSome();
    if (shape === 'rolledBack') {
      await this.#changes(wholeBetween(random, 0, 3));
      await client.query('ROLLBACK');
      this.#counts.rowsTakenBack += this.#pendingRows();
    } else {
      await client.query('COMMIT');
      this.#commit();
    }
    this.#counts.transactions[shape]++;
  }

  /** Changes behind a savepoint that are taken back, and one more that stays. */
  async #takeBackSome(): Promise<void> {
    const { client, random } = this.#context;
    const kept = { pending: new Map(this.#pending), rows: this.#pendingRows(), added: this.#added };
    this.#added = { campaigns: [...kept.added.campaigns], advertisers: [...kept.added.advertisers] };
    await client.query('SAVEPOINT before_second_thoughts');
    await this.#changes(wholeBetween(random, 1, 3));
    await client.query('ROLLBACK TO SAVEPOINT before_second_thoughts');
    this.#counts.rowsTakenBack += this.#pendingRows() - kept.rows;
    this.#pending = kept.pending;
    this.#added = kept.added;
    await this.#change();
  }

  async #changes(count: number): Promise<void> {
    for (let made = 0; made < count; made++) {
      // At most the time of one row at this rate, so that the pauses do not slow the traffic down.
      const longest = Math.min(OPEN_PAUSE_MS, Math.floor(1000 / this.#rate));
      if (longest > 0) await delay(wholeBetween(this.random, 1, longest));
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    if (this.#signal.aborted) throw new Stopped();
    const kind = drawKind(this.#context.random);
    const { rows, added } = await makeChange(kind, this.#context);
    this.#pending.set(kind, (this.#pending.get(kind) ?? 0) + rows);
    this.#added.campaigns.push(...(added?.campaigns ?? []));
    this.#added.advertisers.push(...(added?.advertisers ?? []));
  }

  #commit(): void {
    this.#done += this.#pendingRows();
    for (const [kind, rows] of this.#pending) this.#counts.rows[kind] += rows;
    remember(this.#context.known, this.#added);
  }

  #forget(): void {
    this.#pending = new Map();
    this.#added = { campaigns: [], advertisers: [] };
  }

  #pendingRows(): number {
    return [...this.#pending.values()].reduce((sum, rows) => sum + rows, 0);
  }
}
