/** The plots of a soak, one file each. */
import { type Chart, lineChart, type Series } from '../support/line-chart.ts';
import type { Sample } from './sampler.ts';

type NumberField = { [Field in keyof Sample]: Sample[Field] extends number ? Field : never }[keyof Sample];

/** File name → text. */
export function soakPlots(samples: readonly Sample[]): Record<string, string> {
  const line = (name: string, field: NumberField): Series => ({
    name,
    points: samples.map((sample) => [sample.atSeconds, sample[field]] as const),
  });
  const spans = { name: 'bursts', at: burstsOf(samples) };
  const charts: Record<string, Chart> = {
    memory: {
      title: 'Memory of the pipeline’s process',
      unit: 'MiB',
      series: [line('resident', 'rssMiB'), line('heap', 'heapMiB')],
    },
    parts: { title: 'Active parts, by table (the six fullest)', unit: 'parts', series: partsByTable(samples) },
    files: {
      title: 'What lies on ClickHouse’s disk, parts merged away included',
      unit: 'count',
      series: [line('files', 'storedFiles'), line('parts', 'storedParts')],
    },
    rates: {
      title: 'Work',
      unit: 'per second',
      series: [line('row changes', 'rowsPerSecond'), line('inserts', 'insertsPerSecond')],
    },
    wal: {
      title: 'Log of the source: kept for the slot, and not yet in the copy',
      unit: 'MiB',
      series: [line('kept', 'walMiB'), line('lag', 'lagMiB'), line('spool', 'spoolMiB')],
    },
    handles: {
      title: 'Open handles and connections to PostgreSQL',
      unit: 'count',
      series: [line('handles', 'handles'), line('connections', 'connections')],
    },
  };
  return Object.fromEntries(
    Object.entries(charts).map(([name, chart]) => [`${name}.svg`, lineChart({ ...chart, spans })]),
  );
}

function partsByTable(samples: readonly Sample[]): Series[] {
  const names = [...new Set(samples.flatMap(({ partsByTable: parts }) => Object.keys(parts)))];
  const series = names.map((name) => ({
    name,
    points: samples.map(({ atSeconds, partsByTable: parts }) => [atSeconds, parts[name] ?? 0] as const),
  }));
  const most = ({ points }: Series): number => points.reduce((max, [, parts]) => Math.max(max, parts), 0);
  return series.toSorted((a, b) => most(b) - most(a)).slice(0, 6);
}

function burstsOf(samples: readonly Sample[]): [number, number][] {
  const bursts: [number, number][] = [];
  for (const [i, { phase, atSeconds }] of samples.entries()) {
    if (phase !== 'burst') continue;
    const last = bursts.at(-1);
    if (samples[i - 1]?.phase === 'burst' && last !== undefined) last[1] = atSeconds;
    else bursts.push([atSeconds, atSeconds]);
  }
  return bursts;
}
