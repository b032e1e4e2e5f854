/** Counts and checksums per bucket, as both engines give them; sums do not depend on the order of rows. */

/** What one bucket holds. */
export interface Sum {
  readonly rows: number;
  /** Sum of the rows' hashes, exact. */
  readonly sum: bigint;
}

/** Sums by bucket. */
export type Sums = Map<bigint, Sum>;

/** A row of a result: `bucket`, `rows` and `sum` as text. */
export type SumRow = Readonly<Record<string, unknown>>;

/** Adds rows of a result to the sums. */
export function addSums(sums: Sums, rows: readonly SumRow[]): void {
  for (const row of rows) {
    const bucket = BigInt(String(row['bucket']));
    const before = sums.get(bucket) ?? { rows: 0, sum: 0n };
    sums.set(bucket, { rows: before.rows + Number(row['rows']), sum: before.sum + BigInt(String(row['sum'])) });
  }
}

/** Buckets whose rows differ, ascending. */
export function differingBuckets(a: Sums, b: Sums): bigint[] {
  const differs = (bucket: bigint): boolean => {
    const [left, right] = [a.get(bucket), b.get(bucket)];
    return left?.rows !== right?.rows || left?.sum !== right?.sum;
  };
  const buckets = new Set([...a.keys(), ...b.keys()]);
  return [...buckets].filter(differs).toSorted((x, y) => (x < y ? -1 : 1));
}

/** All rows. */
export function totalRows(sums: Sums): number {
  return [...sums.values()].reduce((total, { rows }) => total + rows, 0);
}
