/** Verifications as they are kept in ClickHouse (sql/clickhouse/V7__verify.sql). */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { formatMicros } from '../model/instant.ts';
import { chIdent } from '../model/quote.ts';
import type { Difference } from './difference.ts';
import type { RollupVerification, TableVerification, Verdict, Verification } from './verification.ts';

/** Writes and reads the verifications of one pipeline. */
export class VerificationStore {
  readonly #clickhouse: ClickHouse;
  readonly #internal: string;
  readonly #pipeline: string;

  constructor(clickhouse: ClickHouse, names: Names, pipeline: string) {
    this.#clickhouse = clickhouse;
    this.#internal = chIdent(names.internal);
    this.#pipeline = pipeline;
  }

  /** Stores a run with the differences that it shows. */
  async write(found: Verification): Promise<void> {
    const { id } = found;
    await this.#insert('verify_differences', found.differences.map((difference) => ({ id, ...difference }))); // prettier-ignore
    await this.#insert('verifications', [
      {
        id,
        mode: found.mode,
        verdict: found.verdict,
        lsn: String(found.lsn),
        commit_time: formatMicros(found.commitTimeUs),
        started_at: clock(found.startedAt),
        finished_at: clock(found.finishedAt),
        held_ms: found.heldMs,
        source_ms: found.sourceMs,
        copy_ms: found.copyMs,
        attempts: found.attempts,
        differences: found.differing,
        repaired: found.repaired,
        tables: JSON.stringify(found.tables),
        rollup: JSON.stringify(found.rollup),
      },
    ]);
  }

  /** The newest run with its differences; null before the first one. */
  async readLast(): Promise<Verification | null> {
    const params = { pipeline: this.#pipeline };
    const [row] = await this.#clickhouse.rows<VerificationRow>(
      `SELECT * REPLACE (toUnixTimestamp64Micro(commit_time) AS commit_time, toUnixTimestamp64Milli(started_at) AS started_at,
         toUnixTimestamp64Milli(finished_at) AS finished_at)
       FROM ${this.#internal}.verifications FINAL WHERE pipeline = {pipeline:String} ORDER BY started_at DESC LIMIT 1`,
      { params },
    );
    if (row === undefined) return null;
    const differences = await this.#clickhouse.rows<Difference>(
      `SELECT table, kind, key, version, values, note FROM ${this.#internal}.verify_differences FINAL
       WHERE pipeline = {pipeline:String} AND id = {id:String} ORDER BY table, kind, key`,
      { params: { ...params, id: row.id } },
    );
    return {
      id: row.id,
      mode: row.mode,
      verdict: row.verdict,
      lsn: BigInt(row.lsn),
      commitTimeUs: BigInt(row.commit_time),
      startedAt: new Date(Number(row.started_at)),
      finishedAt: new Date(Number(row.finished_at)),
      attempts: row.attempts,
      heldMs: row.held_ms,
      sourceMs: row.source_ms,
      copyMs: row.copy_ms,
      tables: JSON.parse(row.tables) as TableVerification[],
      rollup: JSON.parse(row.rollup) as RollupVerification | null,
      differing: Number(row.differences),
      repaired: Number(row.repaired),
      differences,
    };
  }

  async #insert(table: string, rows: readonly Record<string, unknown>[]): Promise<void> {
    if (rows.length === 0) return;
    const lines = rows.map((row) => JSON.stringify({ pipeline: this.#pipeline, ...row }));
    await this.#clickhouse.insert(
      `INSERT INTO ${this.#internal}.${table} FORMAT JSONEachRow`,
      [Buffer.from(`${lines.join('\n')}\n`)],
      { settings: { input_format_skip_unknown_fields: 0 } },
    );
  }
}

interface VerificationRow {
  id: string;
  mode: Verification['mode'];
  verdict: Verdict;
  lsn: string;
  commit_time: string;
  started_at: string;
  finished_at: string;
  attempts: number;
  held_ms: number;
  source_ms: number;
  copy_ms: number;
  differences: string;
  repaired: string;
  tables: string;
  rollup: string;
}

/** `2026-11-23 12:56:01.123` (UTC). */
function clock(date: Date): string {
  return date.toISOString().slice(0, 23).replace('T', ' ');
}
