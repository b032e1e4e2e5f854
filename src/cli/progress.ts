/**
 * How far a long task is: bars and a live status line on a terminal, now and then a plain line elsewhere,
 * nothing under `--quiet` and `--json`. Written to stderr, so that results on stdout stay clean.
 */
import { styleText } from 'node:util';
import { thousands } from './print.ts';

/** The load of one table. */
export interface TableProgress {
  readonly name: string;
  /** Rows copied so far. */
  readonly rows: number;
  /** Rows expected; 0 when unknown. */
  readonly rowsExpected: number;
  readonly done: boolean;
}

/** Where progress is shown. */
export interface ProgressOptions {
  readonly stream: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  readonly silent: boolean;
  /** What was done to a table's rows at the end; default `loaded`. */
  readonly verb?: string;
  /** Milliseconds, monotonic; a test passes its own. */
  readonly now?: () => number;
}

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 5_000;
const BAR_WIDTH = 24;
const CLEAR_LINE = '\u001B[2K';

/** Shows progress until it is closed. */
export class Progress implements Disposable {
  readonly #options: ProgressOptions;
  readonly #now: () => number;
  readonly #startedMs: number;
  /** Tables already told as done: off a terminal, each is told once. */
  readonly #told = new Set<string>();
  #drawnLines = 0;
  #lastDrawMs = -Infinity;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#startedMs = this.#now();
  }

  /** Shows the tables being loaded, and one line below them; drawn at a bounded rate, so call it as often as you like. */
  update(tables: readonly TableProgress[], status = ''): void {
    if (this.#options.silent) return;
    if (this.#options.stream.isTTY === true) this.#redraw(tables, status);
    else this.#tell(tables, status);
  }

  /** Prints a line that stays, above the live part. */
  print(line: string): void {
    if (this.#options.silent) return;
    this.#erase();
    this.#options.stream.write(`${line}\n`);
  }

  /** Removes the live part. */
  [Symbol.dispose](): void {
    this.#erase();
  }

  #redraw(tables: readonly TableProgress[], status: string): void {
    if (this.#now() - this.#lastDrawMs < REDRAW_MS) return;
    this.#lastDrawMs = this.#now();
    const seconds = (this.#now() - this.#startedMs) / 1000;
    const nameWidth = Math.max(0, ...tables.map((table) => table.name.length));
    const lines = tables.map((table) => barLine(table, seconds, nameWidth));
    if (status !== '') lines.push(status);
    const width = (this.#options.stream.columns ?? 80) - 1;
    this.#erase();
    this.#options.stream.write(lines.map((line) => `${cut(line, width)}\n`).join(''));
    this.#drawnLines = lines.length;
  }

  #tell(tables: readonly TableProgress[], status: string): void {
    const finished = tables.filter((table) => table.done && !this.#told.has(table.name));
    for (const table of finished) this.#told.add(table.name);
    const due = this.#now() - this.#lastDrawMs >= PLAIN_LINE_MS;
    if (!due && finished.length === 0) return;
    this.#lastDrawMs = this.#now();
    const open = due ? tables.filter((table) => !table.done) : [];
    const lines = [...finished, ...open].map(
      (table) =>
        `${table.name}: ${thousands(table.rows)} rows${table.done ? `, ${this.#options.verb ?? 'loaded'}` : ''}`,
    );
    if (due && status !== '') lines.push(status);
    this.#options.stream.write(lines.map((line) => `${line}\n`).join(''));
  }

  #erase(): void {
    if (this.#drawnLines === 0) return;
    this.#options.stream.write(`\u001B[${this.#drawnLines}A\u001B[0J`);
    this.#drawnLines = 0;
  }
}

/**
 * One table's line: name, bar, rows, rate and time left.
 *
 * @param seconds Since the load began; rate and time left are means over it.
 */
export function barLine(table: TableProgress, seconds: number, nameWidth: number): string {
  const { rows, rowsExpected, done } = table;
  // The expected count is an estimate of the catalogue: never full before it is done, never over.
  const share = done ? 1 : Math.min(0.99, rowsExpected === 0 ? 0 : rows / rowsExpected);
  const full = Math.round(share * BAR_WIDTH);
  const rate = seconds > 0 ? rows / seconds : 0;
  const left = !done && rate > 0 && rowsExpected > rows ? `, ${duration((rowsExpected - rows) / rate)} left` : '';
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
  const facts = `${thousands(rows)} rows, ${thousands(Math.round(rate))}/s${left}`;
  return `${table.name.padEnd(nameWidth)} ${bar} ${String(Math.floor(share * 100)).padStart(3)} % ${facts}`;
}

/** A duration for people: `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A heading of a phase on stderr, dim on a terminal. */
export function phaseLine(text: string): string {
  return styleText('dim', text, { stream: process.stderr });
}

function cut(line: string, width: number): string {
  return `${CLEAR_LINE}${Array.from(line).slice(0, Math.max(1, width)).join('')}`;
}
