/** Requests of `millrace pause`, `resume`, `resync`, `add` and `drop`, as they lie in ClickHouse (V15__table_requests.sql). */
import type { Lsn } from '../model/lsn.ts';
import { chIdent } from '../model/quote.ts';
import type { ClickHouse, Settings } from './client.ts';
import type { Names } from './ddl.ts';

/** What can be asked of a table. */
export type TableAction = 'pause' | 'resume' | 'resync' | 'add' | 'drop';

/** One request. */
export interface TableRequest {
  readonly id: string;
  readonly action: TableAction;
  /** `schema.table` in the source. */
  readonly tables: readonly string[];
  /** `drop`: with the rows in the copy. */
  readonly purge: boolean;
}

/** What became of it. */
export interface RequestAnswer {
  readonly status: 'asked' | 'done' | 'refused';
  /** In words. */
  readonly answer: string;
  /** Where the copy stood then. */
  readonly lsn: Lsn;
}

/** Requests of one pipeline. */
export class TableRequestStore {
  readonly #clickhouse: ClickHouse;
  readonly #internal: string;
  readonly #pipeline: string;

  constructor(clickhouse: ClickHouse, names: Names, pipeline: string) {
    this.#clickhouse = clickhouse;
    this.#internal = chIdent(names.internal);
    this.#pipeline = pipeline;
  }

  /** Asks. The request lies there until a pipeline answers it. */
  async ask(request: TableRequest): Promise<void> {
    await this.#write(request, { status: 'asked', answer: '', lsn: 0n }, {});
  }

  /** Requests that nobody has answered, oldest first. */
  async readOpen(): Promise<TableRequest[]> {
    const rows = await this.#clickhouse.rows<{ id: string; action: string; tables: string[]; purge: boolean }>(
      `SELECT id, action, tables, purge FROM ${this.#internal}.table_requests FINAL
       WHERE pipeline = {pipeline:String} AND status = 'asked' ORDER BY written_at, id`,
      { params: { pipeline: this.#pipeline } },
    );
    return rows.map((row) => ({ ...row, action: row.action as TableAction }));
  }

  /** Answers a request. */
  async answer(request: TableRequest, answer: RequestAnswer, settings: Settings): Promise<void> {
    await this.#write(request, answer, settings);
  }

  /** What became of a request; null when there is none of that id. */
  async readAnswer(id: string): Promise<RequestAnswer | null> {
    const [row] = await this.#clickhouse.rows<{ status: string; answer: string; lsn: string }>(
      `SELECT status, answer, lsn FROM ${this.#internal}.table_requests FINAL WHERE pipeline = {pipeline:String} AND id = {id:String}`,
      { params: { pipeline: this.#pipeline, id } },
    );
    if (row === undefined) return null;
    return { status: row.status as RequestAnswer['status'], answer: row.answer, lsn: BigInt(row.lsn) };
  }

  async #write(request: TableRequest, { status, answer, lsn }: RequestAnswer, settings: Settings): Promise<void> {
    const seq = status === 'asked' ? 1 : 2;
    const row = { pipeline: this.#pipeline, ...request, seq, status, answer, lsn: String(lsn) };
    await this.#clickhouse.insert(
      `INSERT INTO ${this.#internal}.table_requests (${Object.keys(row).join(', ')}) FORMAT JSONEachRow`,
      [Buffer.from(`${JSON.stringify(row)}\n`)],
      { settings: { input_format_skip_unknown_fields: 0, ...settings } },
    );
  }
}
