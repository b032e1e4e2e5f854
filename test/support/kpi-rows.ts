/** Rows of key figures as text, so that those of two engines can be compared. */

/** Rows as sorted lines: numbers to eleven digits, times without fractions of zero, flags as words. */
export function texts(rows: readonly Record<string, unknown>[], columns: readonly string[]): string[] {
  return rows.map((row) => columns.map((column) => `${column}=${text(row[column])}`).join(' ')).toSorted();
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (value === true || value === 't') return 'yes';
  if (value === false || value === 'f') return 'no';
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  if (/^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(plain)) return String(Number(Number(plain).toPrecision(11)) + 0);
  return plain.replace(/(\d\d:\d\d:\d\d)\.0+$/, '$1').replace(/(:\d\d\.\d*?)0+$/, '$1');
}
