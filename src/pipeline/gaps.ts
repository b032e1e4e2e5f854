/** Values of a batch that PostgreSQL left out, and how they are filled in before it is written. */
import type { ColumnBuffer } from '../codec/column.ts';
import { columnAt, type Key } from './row-key.ts';

/** A value that PostgreSQL left out because it did not change (TOAST). */
export interface Gap {
  readonly row: number;
  readonly column: number;
  /** Earlier row of this batch that has the value, or −1: the mirror has it. */
  readonly baseRow: number;
  readonly key: Key;
  /** The mirror does not have it either: the row is read again by key. */
  readonly isLost: boolean;
}

/** Rows as fetched from the mirror: the columns asked for, by index of the table's columns. */
export interface FetchedRows {
  readonly columns: readonly (ColumnBuffer | undefined)[];
  readonly rowOf: ReadonlyMap<Key, number>;
}

/**
 * Fills the gaps of one column, by earlier rows and by what was fetched.
 *
 * @param gaps All of the column's, in the order of their rows.
 * @param target.filled An empty column of the same kind, which takes the place of `column`.
 * @param target.incomplete Rows that cannot be completed, with their keys: those of columns before, and now this one's.
 */
export function fillColumn(
  column: ColumnBuffer,
  gaps: readonly Gap[],
  fetched: FetchedRows,
  { filled, incomplete }: { filled: ColumnBuffer; incomplete: Map<number, Key> },
): void {
  const byRow = new Map(gaps.map((gap) => [gap.row, gap]));
  const rows = column.length;
  for (let row = 0; row < rows; row++) {
    const gap = byRow.get(row);
    if (gap === undefined) {
      filled.appendFrom(column, row);
      continue;
    }
    const found = gap.baseRow >= 0 || gap.isLost ? undefined : fetched.rowOf.get(gap.key);
    if (gap.baseRow >= 0 && !incomplete.has(gap.baseRow)) filled.appendFrom(filled, gap.baseRow);
    else if (found !== undefined) filled.appendFrom(columnAt(fetched.columns, gap.column), found);
    else {
      filled.appendFiller();
      incomplete.set(row, gap.key);
    }
  }
}
