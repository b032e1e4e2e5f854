/** Results for people and programs: tables for the terminal, CSV (RFC 4180) and JSON. */
import { styleText } from 'node:util';

/** One row: values by column name, as ClickHouse's JSON gives them (wide numbers and decimals as text). */
export type Row = Readonly<Record<string, unknown>>;

/** One column of a table. */
export interface Column {
  readonly name: string;
  /** Heading; the name when absent. */
  readonly label?: string;
  /** `id` is a number without thousands; without a kind, numbers are recognised by their values. */
  readonly kind?: 'id' | 'number' | 'text';
}

/** How a table is drawn. */
export interface TableOptions {
  /** Width of the terminal; wider tables have their texts cut. Unlimited when absent (a pipe). */
  readonly width?: number | undefined;
  readonly colour?: boolean;
}

const NUMBER = /^-?\d+(\.\d+)?$/;
const GAP = '  ';
const MIN_TEXT_WIDTH = 8;

/** Draws a table: numbers to the right with thousands, NULL as “–”, no line longer than the width if texts can give way. */
export function renderTable(columns: readonly Column[], rows: readonly Row[], options: TableOptions = {}): string {
  const drawn = columns.map((column) => drawColumn(column, rows));
  fitWidth(drawn, options.width ?? Infinity);
  const line = (cells: readonly string[]): string => cells.join(GAP).trimEnd();
  const head = line(drawn.map((column) => pad(column.head, column)));
  const body = rows.map((_, i) => line(drawn.map((column) => pad(column.cells[i] ?? '', column))));
  return [options.colour === true ? styleText('bold', head) : head, ...body].map((text) => `${text}\n`).join('');
}

/** Writes CSV with a heading, CRLF line ends and quotes where needed; NULL is an empty field. */
export function renderCsv(columns: readonly Column[], rows: readonly Row[]): string {
  const lines = [
    columns.map((column) => column.name),
    ...rows.map((row) => columns.map(({ name }) => plain(row[name]))),
  ];
  return lines.map((fields) => `${fields.map(csvField).join(',')}\r\n`).join('');
}

/** Writes one JSON value with a line end. Bigints become text, as everywhere in our JSON. */
export function renderJson(value: unknown): string {
  return `${JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item), 2)}\n`;
}

/** A number with thousands: `1234567.5` → `1,234,567.5`. Text in, so that no digit is lost. */
export function thousands(number: string | number | bigint): string {
  const [whole = '', fraction] = String(number).split('.');
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** A decimal with two places, halves away from zero: `282.206062` → `282.21`. Text in, so that no digit is lost. */
export function roundCents(decimal: string | number): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(decimal));
  if (match === null) return String(decimal);
  const [, sign, whole = '', fraction = ''] = match;
  const thousandths = BigInt(whole + fraction.padEnd(3, '0').slice(0, 3));
  const cents = String((thousandths + 5n) / 10n).padStart(3, '0');
  return `${sign}${cents.slice(0, -2)}.${cents.slice(-2)}`;
}

/** A size for people: `16.0 MiB`. */
export function byteSize(bytes: number | bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = Number(bytes);
  let unit = 0;
  for (; Math.abs(size) >= 1024 && unit < units.length - 1; unit += 1) size /= 1024;
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

interface Drawn {
  readonly head: string;
  readonly cells: readonly string[];
  readonly right: boolean;
  width: number;
}

function drawColumn(column: Column, rows: readonly Row[]): Drawn {
  const values = rows.map((row) => row[column.name]);
  const isNumber = (value: unknown): boolean => value === null || value === undefined || NUMBER.test(plain(value));
  const right = column.kind === undefined ? values.every(isNumber) && values.some(notNull) : column.kind !== 'text';
  const cells = values.map((value) => cell(value, right && column.kind !== 'id'));
  const head = column.label ?? column.name;
  // Not Math.max(...): a table may have more rows than a call has arguments.
  const width = cells.reduce((widest, text) => Math.max(widest, textWidth(text)), textWidth(head));
  return { head, cells, right, width };
}

function cell(value: unknown, grouped: boolean): string {
  if (!notNull(value)) return '–';
  const text = plain(value);
  // A name from the source must not steer the terminal.
  return grouped && NUMBER.test(text) ? thousands(text) : text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '·');
}

/** Takes width from the widest text columns until the table fits, or none can give more. */
function fitWidth(columns: readonly Drawn[], width: number): void {
  const total = (): number => columns.reduce((sum, column) => sum + column.width, GAP.length * (columns.length - 1));
  for (let over = total() - width; over > 0; over = total() - width) {
    const widest = columns
      .filter((column) => !column.right && column.width > MIN_TEXT_WIDTH)
      .reduce<Drawn | null>((best, column) => (best === null || column.width > best.width ? column : best), null);
    if (widest === null) return;
    widest.width -= 1;
  }
}

function pad(text: string, { width, right }: Drawn): string {
  const letters = Array.from(text);
  if (letters.length > width) return `${letters.slice(0, width - 1).join('')}…`;
  const space = ' '.repeat(width - letters.length);
  return right ? space + text : text + space;
}

function textWidth(text: string): number {
  return Array.from(text).length;
}

function notNull(value: unknown): boolean {
  return value !== null && value !== undefined;
}

function plain(value: unknown): string {
  if (!notNull(value)) return '';
  if (typeof value === 'string') return value;
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
