/**
 * Where the values of a table's rows go as they are read, when a function of the configuration makes some of them of others:
 *
 *   bytes of a row ─► [sink per column] ─► columns that no function sets
 *                            └─► values read ─► (row complete) ─► function ─► columns that it sets
 *
 * A row may be told in part: values that an update left out are fillers here, and what is made of them waits for the row to be
 * read again (pipeline/table-batch.ts).
 */
import { AppError } from '../model/errors.ts';
import type { SourceColumn } from '../model/table.ts';
import type { RowTransform } from '../model/table-rule.ts';
import { codecFor } from './codecs.ts';
import type { ColumnBuffer, ValueSink } from './column.ts';
import { textOfValue, valueReader, type ValueReader } from './row-values.ts';
import { TransformedColumn } from './wrapped-column.ts';

/** A value that is not told. */
const UNKNOWN = Symbol('not told');

/** What a table's function has to do with its columns, by their indexes. */
export interface RowPlan {
  readonly label: string;
  readonly apply: RowTransform['apply'];
  readonly reads: readonly { readonly column: number; readonly name: string; readonly reader: ValueReader }[];
  readonly sets: readonly { readonly column: number; readonly name: string }[];
}

/** The plan for a table; null: no function makes its rows. @throws {AppError} `INTERNAL` for columns that are not there: rules are checked before. */
export function rowPlan(
  label: string,
  columns: readonly SourceColumn[],
  transform: RowTransform | null,
): RowPlan | null {
  if (transform === null) return null;
  const at = (name: string): number => {
    const column = columns.findIndex((candidate) => candidate.name === name);
    if (column < 0) throw new AppError('INTERNAL', `${label} has no column “${name}” for its transform`);
    return column;
  };
  const reads = Object.entries(transform.reads).map(([name, as]) => {
    const column = at(name);
    const source = columns[column] as SourceColumn;
    // As the codec says, not the type: a rule may have made the column text.
    return { column, name, reader: valueReader(source, as, !codecFor({ ...source, readAs: as }).binary) };
  });
  return { label, apply: transform.apply, reads, sets: transform.sets.map((name) => ({ column: at(name), name })) };
}

/** The sinks of one row's values after the other. */
export class RowIntake {
  readonly #plan: RowPlan | null;
  readonly #columns: readonly ColumnBuffer[];
  readonly #sinks: readonly ValueSink[];
  /** By column: what the function is given of the row that was appended last. */
  readonly #values: unknown[] = [];
  readonly #given = new Set<number>();
  readonly #awaited: number;

  /** @param columns Those that the rows are appended to; the intake is opened anew when one is exchanged. */
  constructor(plan: RowPlan | null, columns: readonly ColumnBuffer[]) {
    this.#plan = plan;
    this.#columns = columns;
    const reads = new Map(plan?.reads.map(({ column, reader }) => [column, reader]));
    const sets = new Set(plan?.sets.map(({ column }) => column));
    this.#awaited = new Set([...reads.keys(), ...sets]).size;
    this.#sinks =
      plan === null ? columns : columns.map((column, i) => this.#sink(column, i, reads.get(i), sets.has(i)));
  }

  /** One per column of the table; without a function the columns themselves. */
  get sinks(): readonly ValueSink[] {
    return this.#sinks;
  }

  /** Columns whose values are made of this one's. */
  madeFrom(i: number): readonly number[] {
    const { reads = [], sets = [] } = this.#plan ?? {};
    return reads.some(({ column }) => column === i) ? sets.map(({ column }) => column) : [];
  }

  /** Whether the function gives this column's values. */
  isMade(i: number): boolean {
    return this.#plan?.sets.some(({ column }) => column === i) === true;
  }

  /** Appends what another intake was given last for column `i`, the only row of its columns. */
  take(i: number, other: RowIntake): void {
    const sink = this.#sinks[i];
    const source = other.#columns[i];
    if (sink === undefined || source === undefined) throw new AppError('INTERNAL', `there is no column ${i}`);
    if (sink instanceof RowSink) sink.takeFrom(source, i in other.#values ? other.#values[i] : UNKNOWN);
    else (sink as ColumnBuffer).appendFrom(source, 0);
  }

  /** What was given of a row that was not completed, or of the one before, is not the next one's. */
  forget(): void {
    this.#given.clear();
    this.#values.length = 0;
  }

  #sink(column: ColumnBuffer, i: number, reader: ValueReader | undefined, isSet: boolean): ValueSink {
    if (reader === undefined && !isSet) return column;
    if (isSet && !(column instanceof TransformedColumn))
      throw new AppError('INTERNAL', `column ${i} does not take what a function gives`);
    return new RowSink({
      column,
      reader,
      isSet,
      give: (value) => this.#give(i, value),
      forget: () => this.#given.delete(i),
    });
  }

  #give(i: number, value: unknown): void {
    this.#values[i] = value;
    this.#given.add(i);
    if (this.#given.size < this.#awaited) return;
    this.#given.clear();
    this.#complete(this.#plan as RowPlan);
  }

  #complete({ reads, sets, apply, label }: RowPlan): void {
    if (reads.some(({ column }) => this.#values[column] === UNKNOWN)) {
      for (const { column } of sets) this.#columns[column]?.appendFiller();
      return;
    }
    const row: Record<string, unknown> = {};
    for (const { column, name } of reads) row[name] = this.#values[column];
    let given: unknown;
    try {
      given = apply(row);
    } catch (error) {
      this.#refuse(`the transform of ${label} threw ${error instanceof Error ? error.name : typeof error}`);
      return;
    }
    const wrong = whatIsWrong(given, sets);
    if (wrong !== null) {
      this.#refuse(`the transform of ${label} ${wrong}`);
      return;
    }
    for (const { column, name } of sets) {
      const text = textOfValue((given as Record<string, unknown>)[name]);
      const into = this.#columns[column] as TransformedColumn;
      if (text === undefined) into.refuse(`the transform of ${label} gave no value for it`);
      else into.store(text);
    }
  }

  /** Nothing is known of what the columns should hold. */
  #refuse(reason: string): void {
    for (const { column } of this.#plan?.sets ?? []) (this.#columns[column] as TransformedColumn).refuse(reason);
  }
}

/** Why what a function gave is no row; null when it is one. Names that it sets by mistake must not be lost. */
function whatIsWrong(given: unknown, sets: RowPlan['sets']): string | null {
  if (typeof given !== 'object' || given === null)
    return `gave ${given === null ? 'null' : typeof given}, not an object`;
  const other = Object.keys(given).find((name) => !sets.some((set) => set.name === name));
  return other === undefined ? null : `gave “${other}”, which is not among its \`sets\``;
}

interface SinkParts {
  readonly column: ColumnBuffer;
  /** Left out for columns that the function does not read. */
  readonly reader: ValueReader | undefined;
  /** The function gives the column's values, when the row is complete. */
  readonly isSet: boolean;
  readonly give: (value: unknown) => void;
  readonly forget: () => void;
}

/** Takes the values of one column: to it, unless the function sets it, and to the function. */
class RowSink implements ValueSink {
  readonly #parts: SinkParts;

  constructor(parts: SinkParts) {
    this.#parts = parts;
  }

  get clickhouseType(): string {
    return this.#parts.column.clickhouseType;
  }
  get length(): number {
    return this.#parts.column.length;
  }
  appendText(bytes: Buffer, start: number, end: number): void {
    const { column, reader, isSet, give } = this.#parts;
    if (!isSet) column.appendText(bytes, start, end);
    give(reader?.text(bytes, start, end));
  }
  appendBinary(bytes: Buffer, start: number, end: number): void {
    const { column, reader, isSet, give } = this.#parts;
    if (!isSet && reader?.isText === true) column.appendText(bytes, start, end);
    else if (!isSet) column.appendBinary(bytes, start, end);
    give(reader?.binary(bytes, start, end));
  }
  appendBinaryRun(): void {
    throw new AppError('INTERNAL', 'rows that a function makes are read one by one');
  }
  appendNull(): void {
    const { column, isSet, give } = this.#parts;
    if (!isSet) column.appendNull();
    give(null);
  }
  appendFiller(): void {
    const { column, isSet, give } = this.#parts;
    if (!isSet) column.appendFiller();
    give(UNKNOWN);
  }
  takeFrom(source: ColumnBuffer, value: unknown): void {
    const { column, isSet, give } = this.#parts;
    if (!isSet) column.appendFrom(source, 0);
    give(value);
  }
  truncate(rows: number): void {
    this.#parts.forget();
    if (this.length > rows) this.#parts.column.truncate(rows);
  }
}
