/** The result of the scenario `query` as a page with plots. */
import { barChart, type BarGroup } from './bar-chart.ts';
import type { Result } from './result.ts';

/** File name in docs/ → text. */
export function queryPage(result: Result): Record<string, string> {
  const sizes = [...new Set(Object.keys(result.figures).map((name) => name.split(' ').slice(0, 2).join(' ')))];
  const plots = sizes.map((size) => [`query/${size.replace(' ', '').toLowerCase()}.svg`, plot(result, size)] as const);
  return { 'query.md': page(result, sizes), ...Object.fromEntries(plots) };
}

function plot(result: Result, size: string): string {
  const groups = figuresOf(result, size).flatMap(([name, figure]): BarGroup[] => {
    if (name === '16 readers') return [];
    const values = ['medianMs', 'mirrorMs', 'postgresMs'].map((field) => figure[field] || null);
    return [{ name, values }];
  });
  return barChart(
    `Key figures at ${size} impressions`,
    'median, ms',
    ['as asked', 'on the mirrors', 'PostgreSQL'],
    groups,
  );
}

function figuresOf(result: Result, size: string): [string, Readonly<Record<string, number>>][] {
  return Object.entries(result.figures)
    .filter(([name]) => name.startsWith(`${size} `))
    .map(([name, figure]) => [name.slice(size.length + 1), figure]);
}

function page({ machine, measuredAt, figures, bars, ...rest }: Result, sizes: readonly string[]): string {
  const result = { machine, measuredAt, figures, bars, ...rest };
  const [before, after] = machine.loadAverage;
  const number = (value: number | undefined): string =>
    value === undefined || value === 0 ? '' : value.toLocaleString('en-US');
  const sections = sizes.map((size) => {
    const rows = figuresOf(result, size);
    const lines = rows
      .filter(([name]) => name !== '16 readers')
      .map(([name, f]) =>
        [
          name,
          ...['medianMs', 'p99Ms', 'readRows', 'readMiB', 'mirrorMs', 'mirrorReadRows', 'postgresMs'].map((field) =>
            number(f[field]),
          ),
        ].join(' | '),
      );
    const readers = rows.find(([name]) => name === '16 readers')?.[1] ?? {};
    return `## ${size} impressions

![Median times](query/${size.replace(' ', '').toLowerCase()}.svg)

| figure | median, ms | p99, ms | rows read | MiB read | on the mirrors, ms | rows read there | PostgreSQL, ms |
|---|---:|---:|---:|---:|---:|---:|---:|
${lines.map((line) => `| ${line} |`).join('\n')}

Sixteen readers at once: median ${number(readers['medianMs'])} ms, p99 ${number(readers['p99Ms'])} ms (${number(readers['queries'])} queries); while ${number(readers['writtenPerSecond'])} rows a second
stream in: median ${number(readers['streamingMedianMs'])} ms, p99 ${number(readers['streamingP99Ms'])} ms (${number(readers['streamingQueries'])} queries).
`;
  });
  return `# How fast the key figures are

<!-- Written by \`npm run bench -- query --save\`. -->

Every key figure over 90 days (\`hourly\`: the last seven) and 2,000 campaigns, as the views give it: ten percent clicks, one percent of the events changed and one in a
thousand deleted after the load, the copy made and followed by Millrace itself. Beside it the same figure computed from the mirrors
(\`FINAL\`, each event at the price of its time) and, for some, from PostgreSQL with covering indexes on (created_at, campaign_id) and
(campaign_id, created_at). Times are of the whole answer over HTTP. An empty field was not measured: figures that read events anyway, or have no counterpart.

${machine.cpu} × ${machine.cores}, ${machine.memoryGiB} GiB, node ${machine.node}, PostgreSQL ${machine.postgres}, ClickHouse ${machine.clickhouse}; load average ${before} before, ${after} after; ${measuredAt.slice(0, 10)}.
${(before ?? 0) > 1 ? '\n**The machine was busy with other work: these figures are not final.**\n' : ''}
${sections.join('\n')}
## Bars

| bar | wanted | got | |
|---|---|---:|---|
${bars.map(({ what, wanted, got, reached }) => `| ${what} | ${wanted} | ${got} | ${reached ? 'reached' : '**not reached**'} |`).join('\n')}
`;
}
