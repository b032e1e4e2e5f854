/** Values that did not fit, until the rows that they are of are complete and their keys known. */
import type { ColumnBuffer, UnfitPolicy, UnfitSamples, UnfitValue } from '../codec/column.ts';
import type { TableLayout } from './layout.ts';
import { keyText } from './key-text.ts';

/** Values of the columns that are filled together. */
export class LossSamples implements UnfitSamples {
  readonly #onOpen: () => void;
  readonly #count: (column: string, value: UnfitValue, key: readonly string[]) => void;
  #waiting: { column: string; value: UnfitValue }[] = [];

  /** @param onOpen Called when the first value waits. @param count Receives each value once its row is complete. */
  constructor(onOpen: () => void, count: (column: string, value: UnfitValue, key: readonly string[]) => void) {
    this.#onOpen = onOpen;
    this.#count = count;
  }

  get isOpen(): boolean {
    return this.#waiting.length > 0;
  }

  /** A value of a row that is being read. */
  add(column: string, value: UnfitValue): void {
    if (!this.isOpen) this.#onOpen();
    this.#waiting.push({ column, value });
  }

  settle(rows: number, keyOf: (row: number) => readonly string[]): void {
    const values = this.#waiting;
    this.#waiting = [];
    for (const { column, value } of values) if (value.row < rows) this.#count(column, value, keyOf(value.row));
  }
}

/** Tells the keys of the rows that are complete by now, to whoever waits for them. */
export function settleSamples(
  policies: readonly UnfitPolicy[],
  { table }: TableLayout,
  columns: readonly ColumnBuffer[],
): void {
  const samples = policies[0]?.samples;
  if (samples === undefined || !samples.isOpen) return;
  const keyOf = (row: number): string[] => {
    return table.key.flatMap((i) => {
      const column = columns[i];
      return column === undefined ? [] : [keyText(column, row)];
    });
  };
  samples.settle(columns[0]?.length ?? 0, keyOf);
}
