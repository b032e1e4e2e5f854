/** Reads the loss ledger: which values of the source the copy holds something else for. */
import type { ClickHouse } from '../destination/client.ts';
import type { Names } from '../destination/ddl.ts';
import { chIdent } from '../model/quote.ts';

/** Values of one column that did not fit for one reason. */
export interface LossEntry {
  /** `schema.table`. */
  readonly table: string;
  /** Empty for whole rows: what the source has deleted and the copy keeps. */
  readonly column: string;
  readonly reason: string;
  /** What was stored instead: `null`, `clamp`; `keep` for rows that are kept. */
  readonly action: string;
  /** How many; what was read again after a crash counts again. */
  readonly values: number;
  /** The newest sample, as PostgreSQL writes it, cut to 200 characters. */
  readonly sample: string;
  /** Key of its row; empty where it is not known. */
  readonly key: readonly string[];
  /** When the last of them was stored, UTC. */
  readonly lastAt: string;
}

/** The ledger of one pipeline, by table, column and reason; empty also before its first start. */
export async function readLosses(clickhouse: ClickHouse, names: Names, pipeline: string): Promise<LossEntry[]> {
  const known = await clickhouse.rows<{ n: string }>(
    "SELECT count() AS n FROM system.columns WHERE database = {internal:String} AND table = 'losses' AND name = 'key'",
    { params: { internal: names.internal } },
  );
  if (Number(known[0]?.n ?? 0) === 0) return [];
  const rows = await clickhouse.rows<Omit<LossEntry, 'values'> & { values: string | number }>(
    `SELECT table, column, reason, action, sum(l.values) AS values, argMax(l.sample, l.written_at) AS sample,
            argMax(l.key, l.written_at) AS key, toString(max(l.written_at)) AS lastAt
     FROM ${chIdent(names.internal)}.losses AS l WHERE pipeline = {pipeline:String}
     GROUP BY table, column, reason, action ORDER BY table, column, reason, action`,
    { params: { pipeline } },
  );
  return rows.map((row) => ({ ...row, values: Number(row.values) }));
}
