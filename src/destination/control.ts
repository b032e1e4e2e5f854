/**
 * Requests to the running pipeline and its answers, as they lie in ClickHouse (sql/clickhouse/V9__control.sql).
 * The requests' turn comes through the stream: see model/control.ts.
 */
import { AppError } from '../model/errors.ts';
import { formatMicros } from '../model/instant.ts';
import type { Lsn } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import type { ClickHouse } from './client.ts';
import type { Names } from './ddl.ts';

/** What the pipeline answers. */
export type AnswerKind = 'cloned' | 'repaired' | 'rebuilt' | 'refused';

/** An answer of the pipeline. */
export interface Answer {
  readonly kind: AnswerKind;
  /** Why it was refused; empty otherwise. */
  readonly reason: string;
  /** `cloned`: everything committed before it is in the clones, and nothing else. */
  readonly lsn: Lsn;
  /** µs since 1970: commit time of the last transaction in them; 0 when none was streamed yet. */
  readonly commitTimeUs: bigint;
  /** How long nothing was applied. */
  readonly heldMs: number;
  /** Tables in the clones: `schema.table` of the source. */
  readonly tables: readonly string[];
  /** `repaired`: rows corrected; `rebuilt`: buckets corrected. */
  readonly rows: number;
}

/** A row to read again from the source: the parts of its key as PostgreSQL writes them. */
export interface RowRepair {
  /** `schema.table` in the source. */
  readonly table: string;
  readonly key: readonly string[];
}

/** A bucket of `campaign_hourly` to compute again. */
export interface BucketRepair {
  readonly campaignId: number | null;
  /** Hours since 1970. */
  readonly hour: number | null;
}

/** Both kinds of repairs of one request. */
export interface Repairs {
  readonly rows: readonly RowRepair[];
  readonly buckets: readonly BucketRepair[];
}

/** An open request counts for so long, s: its asker writes it anew before. */
export const REQUEST_TTL_S = 60;

/** Database of the clones that a `snapshot` makes: tables are named as in the copy. */
export function cloneDatabase(names: Names): string {
  return `${names.internal}_verify`;
}

/** Requests and answers of one pipeline. */
export class ControlStore {
  readonly #clickhouse: ClickHouse;
  readonly #internal: string;
  readonly #pipeline: string;
  #seq = 0;

  constructor(clickhouse: ClickHouse, names: Names, pipeline: string) {
    this.#clickhouse = clickhouse;
    this.#internal = chIdent(names.internal);
    this.#pipeline = pipeline;
  }

  /** Says that the request's asker waits (or, `open` false, waits no more). To be repeated within {@link REQUEST_TTL_S}. */
  async writeRequest(id: string, open: boolean): Promise<void> {
    this.#seq += 1;
    await this.#insert('requests', [{ id, open, seq: this.#seq }]);
  }

  /** Whether somebody still waits for the request. */
  async isOpen(id: string): Promise<boolean> {
    const [row] = await this.#clickhouse.rows<{ is_open: boolean }>(
      `SELECT open AND written_at > now64(6) - INTERVAL ${REQUEST_TTL_S} SECOND AS is_open
       FROM ${this.#internal}.requests FINAL WHERE pipeline = {pipeline:String} AND id = {id:String}`,
      { params: { pipeline: this.#pipeline, id } },
    );
    return row?.is_open === true;
  }

  /** Notes what a `repair` is to correct; before its message is sent. */
  async writeRepairs(id: string, { rows, buckets }: Repairs): Promise<void> {
    const text = (value: number | null): string | null => (value === null ? null : String(value));
    await this.#insert('repairs', [
      ...rows.map(({ table, key }) => ({ id, table, key })),
      ...buckets.map(({ campaignId, hour }) => ({ id, table: '', key: [text(campaignId), text(hour)] })),
    ]);
  }

  /** What a `repair` is to correct. */
  async readRepairs(id: string): Promise<Repairs> {
    const found = await this.#clickhouse.rows<{ table: string; key: (string | null)[] }>(
      `SELECT DISTINCT table, key FROM ${this.#internal}.repairs WHERE pipeline = {pipeline:String} AND id = {id:String}`,
      { params: { pipeline: this.#pipeline, id } },
    );
    const number = (text: string | null | undefined): number | null => (typeof text === 'string' ? Number(text) : null);
    const rows = found.filter(({ table }) => table !== '').map(({ table, key }) => ({ table, key: key.map(keyPart) }));
    const buckets = found.filter(({ table }) => table === '');
    return { rows, buckets: buckets.map(({ key }) => ({ campaignId: number(key[0]), hour: number(key[1]) })) };
  }

  /** Answers a request. */
  async writeAnswer(id: string, answer: Answer): Promise<void> {
    const { kind, reason, lsn, commitTimeUs, heldMs, tables, rows } = answer;
    const commitTime = formatMicros(commitTimeUs);
    await this.#insert('answers', [
      { id, kind, reason, lsn: String(lsn), commit_time: commitTime, held_ms: heldMs, tables, rows },
    ]);
  }

  /** The answer; null while there is none. */
  async readAnswer(id: string): Promise<Answer | null> {
    const [row] = await this.#clickhouse.rows<AnswerRow>(
      `SELECT kind, reason, lsn, toUnixTimestamp64Micro(commit_time) AS commit_time_us, held_ms, tables, rows
       FROM ${this.#internal}.answers WHERE pipeline = {pipeline:String} AND id = {id:String}
       ORDER BY written_at LIMIT 1`,
      { params: { pipeline: this.#pipeline, id } },
    );
    if (row === undefined) return null;
    const { kind, reason, tables } = row;
    const commitTimeUs = BigInt(row.commit_time_us);
    return { kind, reason, lsn: BigInt(row.lsn), commitTimeUs, heldMs: row.held_ms, tables, rows: Number(row.rows) };
  }

  async #insert(table: string, rows: readonly Record<string, unknown>[]): Promise<void> {
    if (rows.length === 0) return;
    const columns = ['pipeline', ...Object.keys(rows[0] ?? {})].join(', ');
    const lines = rows.map((row) => JSON.stringify({ pipeline: this.#pipeline, ...row }));
    await this.#clickhouse.insert(`INSERT INTO ${this.#internal}.${table} (${columns}) FORMAT JSONEachRow`, [
      Buffer.from(`${lines.join('\n')}\n`),
    ]);
  }
}

interface AnswerRow {
  kind: AnswerKind;
  reason: string;
  lsn: string;
  commit_time_us: string;
  held_ms: number;
  tables: string[];
  rows: string;
}

function keyPart(part: string | null): string {
  if (part === null) throw new AppError('INTERNAL', 'a key to repair has a part that is NULL');
  return part;
}
