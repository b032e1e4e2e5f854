/** The result of the scenario `query` as a page with plots. */
import { barChart, type BarGroup } from './bar-chart.ts';
import { LIMIT_SECONDS } from './measured-query.ts';
import type { Result } from './result.ts';

type Figure = Readonly<Record<string, number>>;

/** File name in docs/ → text. */
export function queryPage(result: Result): Record<string, string> {
  const sizes = [...new Set(Object.keys(result.figures).map((name) => name.split(' ').slice(0, 2).join(' ')))];
  const plots = sizes.map((size) => [`query/${fileOf(size)}`, plot(result, size)] as const);
  return { 'query.md': page(result, sizes), ...Object.fromEntries(plots) };
}

/** Name of a size's plot. */
function fileOf(size: string): string {
  return `${size.replace(' ', '').toLowerCase()}.svg`;
}

/** The one line that is no key figure. */
function isReaders(name: string): boolean {
  return name.endsWith(' readers');
}

function plot(result: Result, size: string): string {
  const groups = figuresOf(result, size).flatMap(([name, figure]): BarGroup[] => {
    if (isReaders(name)) return [];
    const values = ['medianMs', 'mirrorMs', 'postgresMs'].map((field) => figure[field] ?? null);
    return [{ name, values }];
  });
  return barChart(
    `Key figures at ${size} impressions`,
    'median, ms',
    ['as asked', 'on the mirrors', 'PostgreSQL'],
    groups,
  );
}

function figuresOf(result: Result, size: string): [string, Figure][] {
  return Object.entries(result.figures)
    .filter(([name]) => name.startsWith(`${size} `))
    .map(([name, figure]) => [name.slice(size.length + 1), figure]);
}

/** A time of a figure; one that was given up is known to be longer, or to want too much memory. */
function time(figure: Figure, place: string): string {
  const gaveUp = figure[`${place}GaveUp`];
  const value = number(figure[place === 'own' ? 'medianMs' : `${place}Ms`]);
  return gaveUp === undefined ? value : gaveUp === 1 ? `> ${LIMIT_SECONDS * 1000}` : 'out of memory';
}

function number(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en-US');
}

/** How many times longer it takes in the other place; at least, where that was given up. */
function times(figure: Figure, place: string): string {
  const other = figure[`${place}Ms`];
  if (other === undefined || figure[`${place}GaveUp`] === 2) return '';
  const ratio = other / (figure['medianMs'] ?? Number.NaN);
  return `${figure[`${place}GaveUp`] === undefined ? '' : '> '}${number(Number(ratio.toPrecision(ratio < 10 ? 2 : 3)))}×`;
}

function section(result: Result, size: string): string {
  const rows = figuresOf(result, size);
  const lines = rows
    .filter(([name]) => !isReaders(name))
    .map(([name, f]) => {
      const own = [time(f, 'own'), ...['p99Ms', 'readRows', 'readMiB'].map((field) => number(f[field]))];
      const zone = time(f, 'zone');
      const mirror = [time(f, 'mirror'), times(f, 'mirror'), number(f['mirrorReadRows'])];
      return ['', name, ...own, zone, ...mirror, time(f, 'postgres'), times(f, 'postgres'), ''].join(' | ').trim();
    });
  const readers = rows.find(([name]) => isReaders(name))?.[1] ?? {};
  return `## ${size} impressions

![Median times](query/${fileOf(size)})

| figure | median, ms | p99, ms | rows read | MiB read | in Europe/Berlin, ms | on the mirrors, ms | | rows read there | PostgreSQL, ms | |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
${lines.join('\n')}

Sixteen readers at once: median ${number(readers['medianMs'])} ms, p99 ${number(readers['p99Ms'])} ms (${number(readers['queries'])} queries); while ${number(readers['writtenPerSecond'])} rows a second
stream in: median ${number(readers['streamingMedianMs'])} ms, p99 ${number(readers['streamingP99Ms'])} ms (${number(readers['streamingQueries'])} queries).
`;
}

function page(result: Result, sizes: readonly string[]): string {
  const { machine, measuredAt, bars } = result;
  const [before, after] = machine.loadAverage;
  return `# How fast the key figures are

<!-- Written by \`npm run bench -- query --save\`. -->

Every key figure over 90 days (\`hourly\`: the last seven) and 2,000 campaigns, as it is asked: ten percent clicks, one percent of the events changed and one in a
thousand deleted after the load, the copy made and followed by Millrace itself. Beside it the same figure computed from the mirrors
(\`FINAL\`, each event at the price of its time), in a time zone whose days are not those of the rollup, and from PostgreSQL with covering indexes on (created_at, campaign_id) and
(campaign_id, created_at), there at today's bids. Times are of the whole answer, what is asked of the copy before the figure included, on a warm cache; × says how many times longer it takes elsewhere. After
${LIMIT_SECONDS} s a query is given up. An empty field: the figure reads events anyway, or has no counterpart.

${machine.cpu} × ${machine.cores}, ${machine.memoryGiB} GiB, node ${machine.node}, PostgreSQL ${machine.postgres}, ClickHouse ${machine.clickhouse}; load average ${before} before, ${after} after; ${measuredAt.slice(0, 10)}.
${(before ?? 0) > 1 ? '\n**The machine was busy with other work: these figures are not final.**\n' : ''}
${sizes.map((size) => section(result, size)).join('\n')}
## Bars

| bar | wanted | got | |
|---|---|---:|---|
${bars.map(({ what, wanted, got, reached }) => `| ${what} | ${wanted} | ${got} | ${reached ? 'reached' : '**not reached**'} |`).join('\n')}

## Reading the bars

- **A thousand times PostgreSQL** would be 10 to 50 ms at 100 M, where PostgreSQL answers from covering indexes in 10 to 50 s. What is known of the copy is asked first, and each of both queries is analysed
  and planned: together about 40 ms here, whatever is read. Figures of the whole platform (\`daily\`, \`delivery\`, \`heatmap\`) are little more than that; those by campaign add up some 200,000 sums of days, which takes as long again. What was tried:
  [decision 13](decisions/0013-daily-sums-as-projections.md) and [14](decisions/0014-figures-know-what-is-asked.md).
- **Fifty times the mirrors** is a question of size: at 1 M and 10 M the mirrors themselves answer in 0.2 to 2 s. At 100 M \`campaign_days\` (180,000 rows of answer) and \`anomalies\` stay below.
- **Readers while rows stream in**: sixteen readers, both servers and the pipeline share two cores, so the writer gets what is left of them: how many rows that were is told. The readers of the
  published figures were measured in a run of their own, 20 s each, after the writer had touched the index pages that it needs.
- \`cap_out\` and \`time_to_click\` read events: they are not for a page that is read often.
`;
}
