/** Rows of key figures as text, so that those of two engines can be compared. */

/** A row of a key figure. */
export type Cells = Readonly<Record<string, unknown>>;

/** Rows that differ are shown up to so many on each side. */
const SHOWN = 6;

/**
 * What differs: rows that only one side has, and how many rows there are if that differs. Empty when they are equal, in any order.
 *
 * Whole numbers and money, which come from the copy as text, are compared to the last digit; what it computes in floating
 * point to eleven digits.
 */
export function rowDifferences(copy: readonly Cells[], source: readonly Cells[], columns: readonly string[]): string[] {
  const exact = new Set(columns.filter((column) => copy.every((row) => typeof row[column] !== 'number')));
  const [inCopy, inSource] = [lines(copy, columns, exact), lines(source, columns, exact)];
  const [copySet, sourceSet] = [new Set(inCopy), new Set(inSource)];
  const found = [
    ...inSource
      .filter((line) => !copySet.has(line))
      .slice(0, SHOWN)
      .map((line) => `source ${line}`),
    ...inCopy
      .filter((line) => !sourceSet.has(line))
      .slice(0, SHOWN)
      .map((line) => `copy ${line}`),
  ];
  if (copy.length !== source.length) found.push(`${source.length} rows in the source, ${copy.length} in the copy`);
  return found;
}

function lines(rows: readonly Cells[], columns: readonly string[], exact: ReadonlySet<string>): string[] {
  return rows.map((row) => columns.map((name) => `${name}=${cellText(row[name], exact.has(name))}`).join(' '));
}

function cellText(value: unknown, isExact: boolean): string {
  if (value === null) return '–';
  if (value === undefined) return 'missing';
  if (value === true || value === 't') return 'yes';
  if (value === false || value === 'f') return 'no';
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  if (isExact && /^-?\d+\.\d*$/.test(plain)) return plain.replace(/\.?0+$/, '').replace(/^-0$/, '0');
  if (!isExact && /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(plain)) return String(Number(Number(plain).toPrecision(11)) + 0);
  return plain.replace(/(\d\d:\d\d:\d\d)\.0+$/, '$1').replace(/(:\d\d\.\d*?)0+$/, '$1');
}
