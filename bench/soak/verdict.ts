/** What a soak's samples say: whether everything stayed bounded. Pure. */
import { atMost, type Bar } from '../support/result.ts';
import { median } from '../support/statistics.ts';
import type { Sample } from './sampler.ts';

/** The limits; docs/soak.md says why these. */
const MAX_RSS_SLOPE = 1;
const MAX_RSS_MIB = 300;
const MAX_PARTS = 299;
const MAX_WAL_MIB = 512;
const MAX_REST_WAL_MIB = 64;
const MAX_FILES_GROWTH = 1.25;
const MAX_MORE_HANDLES = 4;
/** ClickHouse keeps what was merged away for 8 minutes: a shorter soak says nothing about files. */
const FILES_FROM_SECONDS = 1500;

/** Part of the time at the start that does not count: caches fill, code is compiled, old parts gather. */
const WARM_UP = 0.3;
/** Points that a slope is made of: all pairs of them are looked at. */
const SLOPE_POINTS = 400;

/** The slope that half of all pairs of points exceed (Theil–Sen): outliers do not move it. Units of y per unit of x. */
export function robustSlope(points: readonly (readonly [number, number])[]): number {
  const every = Math.max(1, Math.ceil(points.length / SLOPE_POINTS));
  const chosen = points.filter((_, i) => i % every === 0);
  const slopes: number[] = [];
  for (const [i, [x1, y1]] of chosen.entries())
    for (const [x2, y2] of chosen.slice(i + 1)) if (x2 > x1) slopes.push((y2 - y1) / (x2 - x1));
  return slopes.length === 0 ? 0 : median(slopes);
}

/** The bars of a soak. @param rest WAL kept after everything was read, MiB. @param differences Of source and copy. */
export function judge(samples: readonly Sample[], end: { restWalMiB: number; differences: number }): Bar[] {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const [middle, last] = [warm.slice(0, warm.length / 2), warm.slice(warm.length / 2)];
  const most = (field: 'rssMiB' | 'mostParts' | 'walMiB'): number =>
    Math.max(...samples.map((sample) => sample[field]));
  const middling = (part: readonly Sample[], field: 'storedFiles' | 'handles'): number =>
    median(part.map((sample) => sample[field]));
  const rssSlope = robustSlope(warm.map(({ atSeconds, rssMiB }) => [atSeconds / 60, rssMiB]));
  return [
    atMost('differences between source and copy', end.differences, 0),
    atMost('memory after warm-up, slope, MiB per minute', rssSlope, MAX_RSS_SLOPE),
    atMost('memory, most, MiB', most('rssMiB'), MAX_RSS_MIB),
    atMost('active parts of a partition, most', most('mostParts'), MAX_PARTS),
    ...((samples.at(-1)?.atSeconds ?? 0) < FILES_FROM_SECONDS
      ? []
      : [
          atMost(
            'files on disk, second half after warm-up over the first',
            middling(last, 'storedFiles') / Math.max(1, middling(middle, 'storedFiles')),
            MAX_FILES_GROWTH,
          ),
        ]),
    atMost('WAL kept by the source, most, MiB', most('walMiB'), MAX_WAL_MIB),
    atMost('WAL kept once all was read, MiB', end.restWalMiB, MAX_REST_WAL_MIB),
    atMost(
      'handles, second half after warm-up less the first',
      middling(last, 'handles') - middling(middle, 'handles'),
      MAX_MORE_HANDLES,
    ),
  ];
}
