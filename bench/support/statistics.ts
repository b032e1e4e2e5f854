/** What is made of repeated measurements. */

/** The value below which `fraction` of the values lie (nearest rank). NaN when there are none. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

/** The middle value; of an even count the upper one of the two. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Three significant digits, whole numbers from 1000 on: no figure here is more exact. */
export function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** The median of each field over the repetitions, rounded. */
export function medians<Field extends string>(runs: readonly Record<Field, number>[]): Record<Field, number> {
  const fields = Object.keys(runs[0] ?? {}) as Field[];
  const entries = fields.map((field) => [field, rounded(median(runs.map((run) => run[field])))]);
  return Object.fromEntries(entries) as Record<Field, number>;
}

/** The items in another order each time, so that none is always first. */
export function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
