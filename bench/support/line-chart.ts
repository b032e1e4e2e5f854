/** Line charts as SVG files: axes with units, a legend, shaded spans of time; readable on light and on dark paper. */

/** One line. */
export interface Series {
  readonly name: string;
  /** x (seconds) and y of each point, in order of x. */
  readonly points: readonly (readonly [number, number])[];
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  /** Unit of y, as the axis says it. */
  readonly unit: string;
  readonly series: readonly Series[];
  /** Spans of x that are shaded, and what they are. */
  readonly spans?: { readonly name: string; readonly at: readonly (readonly [number, number])[] };
  /** A dashed line at a limit. */
  readonly limit?: { readonly name: string; readonly y: number };
}

const WIDTH = 860;
const HEIGHT = 300;
const PLOT = { left: 70, right: 16, top: 72, bottom: 40 } as const;
const PLOT_WIDTH = WIDTH - PLOT.left - PLOT.right;
const PLOT_HEIGHT = HEIGHT - PLOT.top - PLOT.bottom;
/** More points than that are not told apart at this width: of each group the lowest and the highest are drawn. */
const MAX_POINTS = PLOT_WIDTH;
const TICKS = 5;

/** Colours that differ in lightness too (after Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const;

const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #333 }
    .title { font-size: 15px; font-weight: 600 }
    .paper { fill: #fff } .grid { stroke: #ddd } .axis { stroke: #888 }
    .span { fill: #888; opacity: .14 } .limit { stroke: #c00; stroke-dasharray: 6 4 }
    .line { fill: none; stroke-width: 1.4; stroke-linejoin: round }
    @media (prefers-color-scheme: dark) {
      text { fill: #ddd } .paper { fill: #161b22 } .grid { stroke: #333 } .axis { stroke: #777 } .limit { stroke: #f66 }
    }`;

/** The chart as the text of an SVG file. */
export function lineChart(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const xMax = points.reduce((most, [x]) => Math.max(most, x), 1);
  const top = points.reduce((most, [, y]) => Math.max(most, y), chart.limit?.y ?? 0);
  const step = niceStep(top / TICKS);
  const yMax = Math.max(step, Math.ceil(top / step) * step);
  const x = (value: number): number => round(PLOT.left + (value / xMax) * PLOT_WIDTH);
  const y = (value: number): number => round(PLOT.top + PLOT_HEIGHT - (value / yMax) * PLOT_HEIGHT);
  const parts = [
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    `<text class="title" x="${PLOT.left}" y="22">${escaped(chart.title)}</text>`,
    ...(chart.spans?.at ?? []).map(
      ([from, to]) =>
        `<rect class="span" x="${x(from)}" y="${PLOT.top}" width="${round(x(to) - x(from))}" height="${PLOT_HEIGHT}"/>`,
    ),
    ...yAxis(yMax, step, y),
    ...xAxis(xMax, x),
    ...chart.series.map(({ points: line }, i) => {
      const path = thinned(line).map(([px, py]) => `${x(px)},${y(py)}`);
      return `<polyline class="line" stroke="${colour(i)}" points="${path.join(' ')}"/>`;
    }),
    ...(chart.limit === undefined ? [] : [`<path class="limit" d="M${PLOT.left} ${y(chart.limit.y)}h${PLOT_WIDTH}"/>`]),
    ...legend(chart),
    `<text x="${WIDTH - PLOT.right}" y="22" text-anchor="end">${escaped(chart.unit)}</text>`,
  ];
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(chart.title)}">`;
  return `${head}\n  <style>${STYLE}\n  </style>\n  ${parts.join('\n  ')}\n</svg>\n`;
}

function yAxis(yMax: number, step: number, y: (value: number) => number): string[] {
  const ticks = Array.from({ length: Math.round(yMax / step) + 1 }, (_, i) => i * step);
  return ticks.flatMap((value) => [
    `<path class="${value === 0 ? 'axis' : 'grid'}" d="M${PLOT.left} ${y(value)}h${PLOT_WIDTH}"/>`,
    `<text x="${PLOT.left - 8}" y="${y(value) + 4}" text-anchor="end">${label(value)}</text>`,
  ]);
}

function xAxis(xMax: number, x: (value: number) => number): string[] {
  const inMinutes = xMax >= 300;
  const unit = inMinutes ? 60 : 1;
  const step = niceStep(xMax / unit / 10);
  const ticks = Array.from({ length: Math.floor(xMax / unit / step) + 1 }, (_, i) => i * step);
  const bottom = PLOT.top + PLOT_HEIGHT;
  return [
    ...ticks.map(
      (value) => `<text x="${x(value * unit)}" y="${bottom + 16}" text-anchor="middle">${label(value)}</text>`,
    ),
    `<text x="${WIDTH - PLOT.right}" y="${HEIGHT - 8}" text-anchor="end">${inMinutes ? 'minutes' : 'seconds'}</text>`,
  ];
}

/** Names beside their colours, in up to two rows below the title. */
function legend({ series, limit, spans }: Chart): string[] {
  const entries = [
    ...series.map(({ name }, i) => ({ name, mark: `<rect width="14" height="4" y="-6" fill="${colour(i)}"/>` })),
    ...(limit === undefined ? [] : [{ name: limit.name, mark: '<path class="limit" d="M0 -4h14"/>' }]),
    ...(spans === undefined ? [] : [{ name: spans.name, mark: '<rect class="span" width="14" height="11" y="-10"/>' }]),
  ];
  let [x, y] = [PLOT.left as number, 42];
  return entries.map(({ name, mark }) => {
    const width = 36 + name.length * 7;
    if (x + width > WIDTH) [x, y] = [PLOT.left, y + 18];
    const item = `<g transform="translate(${x} ${y})">${mark}<text x="20">${escaped(name)}</text></g>`;
    x += width;
    return item;
  });
}

function thinned(points: Series['points']): Series['points'] {
  const group = Math.ceil((2 * points.length) / MAX_POINTS);
  if (group <= 2) return points;
  const groups = Array.from({ length: Math.ceil(points.length / group) }, (_, i) =>
    points.slice(i * group, (i + 1) * group).toSorted((a, b) => a[1] - b[1]),
  );
  return groups.flatMap((own) => [own[0]!, own.at(-1)!].toSorted((a, b) => a[0] - b[0]));
}

/** 1, 2 or 5 times a power of ten, at least as large. */
function niceStep(size: number): number {
  if (size <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(size));
  return power * ([1, 2, 5, 10].find((factor) => power * factor >= size) ?? 10);
}

function label(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en-US', { maximumFractionDigits: 4 });
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? COLOURS[0];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
