/** Bars on a logarithmic axis as SVG files: what lies between a millisecond and a minute fits one picture. */

/** Bars of one thing; a value that was not measured is left out. */
export interface BarGroup {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

const WIDTH = 860;
const LEFT = 130;
const RIGHT = 70;
const TOP = 64;
const BAR = 11;
const GAP = 9;
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'] as const;

const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #333 }
    .title { font-size: 15px; font-weight: 600 } .value { font-size: 10px }
    .paper { fill: #fff } .grid { stroke: #ddd }
    @media (prefers-color-scheme: dark) { text { fill: #ddd } .paper { fill: #161b22 } .grid { stroke: #333 } }`;

/** The chart as the text of an SVG file. `series` names the values of each group. */
export function barChart(title: string, unit: string, series: readonly string[], groups: readonly BarGroup[]): string {
  const values = groups.flatMap((group) => group.values).filter((value) => value !== null && value > 0);
  const low = Math.floor(Math.log10(Math.min(...values.map(Number), 1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values.map(Number), 1))));
  const rowHeight = series.length * BAR + GAP;
  const height = TOP + groups.length * rowHeight + 34;
  const x = (value: number): number => {
    const share = (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low);
    return Math.round((LEFT + share * (WIDTH - LEFT - RIGHT)) * 10) / 10;
  };
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const parts = [
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="6"/>`,
    `<text class="title" x="16" y="22">${title}</text>`,
    `<text x="${WIDTH - 16}" y="22" text-anchor="end">${unit}, logarithmic</text>`,
    ...series.map((name, i) => {
      const mark = `<rect width="12" height="10" y="-9" fill="${COLOURS[i % COLOURS.length]}"/>`;
      return `<g transform="translate(${16 + i * 200} 44)">${mark}<text x="18">${name}</text></g>`;
    }),
    ...ticks.map((tick) => {
      const line = `<path class="grid" d="M${x(tick)} ${TOP - 8}V${height - 26}"/>`;
      return `${line}<text x="${x(tick)}" y="${height - 10}" text-anchor="middle">${tick.toLocaleString('en-US')}</text>`;
    }),
    ...groups.map((group, row) => bars(group, TOP + row * rowHeight, x)),
  ];
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">`;
  return `${head}\n  <style>${STYLE}\n  </style>\n  ${parts.join('\n  ')}\n</svg>\n`;
}

function bars({ name, values }: BarGroup, top: number, x: (value: number) => number): string {
  const drawn = values.map((value, i) => {
    if (value === null) return '';
    const y = top + i * BAR;
    const bar = `<rect x="${LEFT}" y="${y}" width="${Math.max(1, x(value) - LEFT)}" height="${BAR - 2}" fill="${COLOURS[i % COLOURS.length]}"/>`;
    return `${bar}<text class="value" x="${x(value) + 4}" y="${y + 8}">${Number(value.toPrecision(3)).toLocaleString('en-US')}</text>`;
  });
  const label = `<text x="${LEFT - 8}" y="${top + (values.length * BAR) / 2 + 4}" text-anchor="end">${name}</text>`;
  return `<g>${label}${drawn.join('')}</g>`;
}
