/** Few ranges of hours in place of many hours: what an index can use. */

/**
 * Covers hours with at most `limit` ranges, joining across the smallest gaps.
 *
 * @returns `[first, last]` pairs, both inclusive, in order.
 */
export function hourRanges(hours: readonly number[], limit: number): [number, number][] {
  const sorted = [...new Set(hours)].toSorted((a, b) => a - b);
  const gapBefore = (i: number): number => (sorted[i] ?? 0) - (sorted[i - 1] ?? 0);
  const gaps = [...sorted.keys()].filter((i) => i > 0 && gapBefore(i) > 1);
  const cuts = new Set(gaps.toSorted((a, b) => gapBefore(b) - gapBefore(a)).slice(0, limit - 1));
  const ranges: [number, number][] = [];
  for (const [i, hour] of sorted.entries()) {
    const last = ranges.at(-1);
    if (last === undefined || cuts.has(i)) ranges.push([hour, hour]);
    else last[1] = hour;
  }
  return ranges;
}
