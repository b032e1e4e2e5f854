/**
 * The changes of one table in one batch, as columns of its landing table.
 *
 *   pgoutput tuples → [TableBatch] → (old states from the mirror) → Native block
 *
 * Per change it appends landing rows (see marks.ts): an insert one; an update the new state and, where a
 * rollup counts the table, the old one taken out; a delete a tombstone and the old state taken out; a
 * changed key a tombstone for the old key as well.
 *
 * The old state comes, in this order: from the WAL (replica identity FULL), from an earlier row of this
 * batch, or from the mirror: such keys are collected in `wanted`, fetched in one query before the batch is
 * written, and given to {@link TableBatch.resolve}. So do unchanged TOAST values, which PostgreSQL leaves out.
 */
import type { ColumnBuffer, UnfitPolicy } from '../codec/column.ts';
import type { NamedBlockColumn } from '../codec/native.ts';
import type { RowIntake } from '../codec/row-intake.ts';
import { AppError } from '../model/errors.ts';
import { isKeyless, onDeleteOf, tableLabel } from '../model/table.ts';
import type { DeleteTuple, UpdateTuples, WalPosition } from '../source/changes.ts';
import { TupleReader } from '../source/tuple.ts';
import { type FetchedRows, fillColumn, type Gap } from './gaps.ts';
import { appendNewTuple, type NewTupleTarget, readOldTuple } from './past-tuple.ts';
import type { PastReading } from './past-reading.ts';
import { codecAt, openColumns, openIntake, policyAt, type TableLayout } from './layout.ts';
import { settleSamples } from './loss-samples.ts';
import { ADDED, ENDED, type Mark, MarkColumns, PLAIN, RETRACTED, TOMBSTONE, REMOVED } from './marks.ts';
import { columnAt as at, type Key, keyOfRow } from './row-key.ts';

/**
 * How a batch treats rollups:
 * - `load`: they are not built yet; rows go to the mirror alone
 * - `tracked`: the batch may be in the copy already; mirror alone, and the buckets it touches are reconciled
 * - `deltas`: signed rows keep them exact
 */
export type BatchMode = 'load' | 'tracked' | 'deltas';

const GONE = -1;

/** The columns of one table's part of a batch. Reused: see {@link TableBatch.clear}. */
export class TableBatch {
  readonly layout: TableLayout;
  readonly columns: ColumnBuffer[];
  readonly marks = new MarkColumns();
  mode: BatchMode = 'load';
  /** How tuples are read that were written when the table had other columns; null: as they stand. */
  reading: PastReading | null = null;
  /** Keys whose state before this batch is wanted from the mirror, with a row (of `keyRows`) that holds the key. */
  readonly wanted = new Map<Key, number>();
  /** Key columns of the wanted keys. */
  readonly keyRows: ColumnBuffer[];

  /** Changes of the open transaction so far, pieces before this batch included; counted for tables without a key. */
  ordinals: { next: number } = { next: 0 };

  readonly #isKeyless: boolean;
  readonly #old: ColumnBuffer[];
  /** What rows are read through into {@link columns}, and old ones into the scratch row. */
  #intake: RowIntake;
  readonly #oldIntake: RowIntake;
  /** How the new tuple is taken in that is being read; of an update with the kind of its old tuple. */
  #target: NewTupleTarget;
  #oldKind: 'K' | 'O' | null = null;
  readonly #policies: readonly UnfitPolicy[];
  readonly #reader = new TupleReader();
  readonly #retract: { key: Key; hi: number; lo: number }[] = [];
  #gaps: Gap[] = [];
  #index: Map<Key, number> | null = null;

  /** @param policies One per column, see {@link openColumns}. */
  constructor(layout: TableLayout, policies: readonly UnfitPolicy[]) {
    this.layout = layout;
    this.#isKeyless = isKeyless(layout.table);
    this.columns = openColumns(layout, policies);
    this.#policies = policies;
    // What does not fit was counted when it came as a new value.
    const quiet = policies.map(({ action }) => ({ action, report: () => undefined }));
    this.#old = openColumns(layout, quiet);
    [this.#intake, this.#target] = this.#openIntake();
    this.#oldIntake = openIntake(layout, this.#old);
    this.keyRows = layout.table.key.map((i) => codecAt(layout, i).open(policyAt(policies, i)));
  }

  get rows(): number {
    return this.marks.rows;
  }

  /** Bytes held by this batch's rows. */
  get byteLength(): number {
    let bytes = this.marks.rows * 19;
    for (const column of this.columns) bytes += column.byteLength;
    return bytes;
  }

  /** True when {@link TableBatch.resolve} has something to do. */
  get isOpen(): boolean {
    return this.#gaps.length + this.#retract.length > 0;
  }

  /** Columns whose values a fetch from the mirror must bring, besides the key. */
  get wantedColumns(): number[] {
    const wanted = new Set(this.#gaps.filter((gap) => gap.baseRow === -1 && !gap.isLost).map((gap) => gap.column));
    const { role } = this.layout;
    if (role.kind === 'events' && this.#retract.length > 0) wanted.add(role.campaignColumn).add(role.timeColumn);
    return [...wanted];
  }

  insert(position: WalPosition, bytes: Buffer, newTuple: number, committedAtUs: bigint): void {
    const gapsBefore = this.#gaps.length;
    const row = this.#appendTuple(bytes, newTuple, null);
    this.#mark(this.#tracks || this.#isKeyless ? ADDED : PLAIN, position, committedAtUs);
    if (this.#gaps.length > gapsBefore)
      this.#settleGaps(gapsBefore, this.#keyOf(this.columns, row), { columns: this.columns, row });
    if (this.#index !== null) this.#index.set(this.#keyOf(this.columns, row), row);
  }

  update(position: WalPosition, bytes: Buffer, tuples: UpdateTuples, committedAtUs: bigint): void {
    if (this.#isKeyless) return this.#replace(position, bytes, tuples);
    if (tuples.oldKind !== null) this.#readOld(bytes, tuples.oldTuple, tuples.oldKind);
    const gapsBefore = this.#gaps.length;
    const row = this.#appendTuple(bytes, tuples.newTuple, tuples.oldKind);
    this.#mark(this.#tracks ? ADDED : PLAIN, position, committedAtUs);
    const newKey = this.#keyOf(this.columns, row);
    const oldKey = tuples.oldKind === null ? newKey : this.#keyOf(this.#old, 0);
    this.#settleGaps(
      gapsBefore,
      oldKey,
      tuples.oldKind === null ? { columns: this.columns, row } : { columns: this.#old, row: 0 },
    );
    if (this.#tracks) this.#takeOut(oldKey, position, tuples.oldKind, row);
    if (oldKey !== newKey) this.#tombstone(oldKey, position, committedAtUs);
    this.#index?.set(newKey, row);
  }

  delete(position: WalPosition, bytes: Buffer, tuple: DeleteTuple, committedAtUs: bigint): void {
    if (this.#isKeyless) return this.#replace(position, bytes, tuple);
    this.#readOld(bytes, tuple.oldTuple, tuple.oldKind);
    const key = this.#keyOf(this.#old, 0);
    if (this.#tracks) this.#takeOut(key, position, tuple.oldKind, null);
    if (onDeleteOf(this.layout.table) === 'soft') this.#end(key, tuple.oldKind, position, committedAtUs);
    else this.#tombstone(key, position, committedAtUs);
  }

  /**
   * Completes the rows with what the mirror held before this batch.
   *
   * @returns Rows that could not be completed (they are silenced: see `incomplete` in the internal tables),
   *   and how many wanted old states the mirror did not have.
   */
  resolve(fetched: FetchedRows): { incomplete: { row: number; key: Key }[]; absent: number } {
    const incomplete = this.#fillGaps(fetched);
    let absent = 0;
    for (const { key, hi, lo } of this.#retract) {
      const row = fetched.rowOf.get(key);
      if (row === undefined) absent++;
      else this.#appendRetraction(fetched.columns, row, { hi, lo });
    }
    this.#retract.length = 0;
    return { incomplete, absent };
  }

  /** The landing block's columns. Views, valid until the next change of the batch. */
  encode(): NamedBlockColumn[] {
    const named = this.layout.table.columns.map((column, i) => ({ name: column.name, column: at(this.columns, i) }));
    if (this.#isKeyless) return [...named, ...this.marks.multisetColumns()];
    return [
      ...named,
      ...this.marks.columns({
        signed: this.mode === 'deltas',
        history: this.layout.history,
        soft: onDeleteOf(this.layout.table) === 'soft',
      }),
    ];
  }

  /** Empties it for the next batch; the memory is kept. */
  clear(mode: BatchMode): void {
    this.mode = mode;
    this.reading = null;
    for (const column of this.columns) column.clear();
    for (const column of this.keyRows) column.clear();
    this.marks.clear();
    this.wanted.clear();
    this.#retract.length = 0;
    this.#gaps = [];
    this.#index = null;
  }

  /** The key of row `row` of `columns` (indexed as the table's columns). */
  keyIn(columns: readonly (ColumnBuffer | undefined)[], row: number): Key {
    return this.#keyOf(columns, row);
  }

  /** Of a row that cannot be found again: the new values once more, those it had once less. */
  #replace(position: WalPosition, bytes: Buffer, tuples: DeleteTuple | UpdateTuples): void {
    if (tuples.oldKind !== 'O')
      throw new AppError(
        'VALUE_UNFIT',
        `${tableLabel(this.layout.table)} has no key, and an old row of it is not told`,
      );
    this.#readOld(bytes, tuples.oldTuple, 'O');
    if ('newTuple' in tuples && tuples.newTuple >= 0) {
      this.#appendTuple(bytes, tuples.newTuple, 'O');
      this.#mark(ADDED, position, 0n);
    }
    for (let i = 0; i < this.columns.length; i++) at(this.columns, i).appendFrom(at(this.#old, i), 0);
    this.#mark(REMOVED, position, 0n);
  }

  get #tracks(): boolean {
    return this.layout.role.kind === 'events' && this.mode !== 'load';
  }

  #mark(mark: Mark, position: WalPosition, committedAtUs: bigint): void {
    this.marks.append(mark, position.hi, position.lo, committedAtUs);
    if (this.#isKeyless) this.marks.numberLast(this.ordinals.next++);
  }

  /** Appends a new tuple; on an error the row is taken back. Returns its row number. */
  #appendTuple(bytes: Buffer, start: number, oldKind: 'K' | 'O' | null): number {
    const row = this.marks.rows;
    const gapsBefore = this.#gaps.length;
    try {
      this.#reader.open(bytes, start);
      this.#oldKind = oldKind;
      appendNewTuple(this.#reader, bytes, this.reading, this.#target);
    } catch (error) {
      for (const column of this.columns) if (column.length > row) column.truncate(row);
      this.#intake.forget();
      this.#gaps.length = gapsBefore;
      throw error;
    }
    settleSamples(this.#policies, this.layout, this.columns);
    return row;
  }

  #openIntake(): [RowIntake, NewTupleTarget] {
    const intake = openIntake(this.layout, this.columns);
    const onUnchanged = (i: number): void => this.#appendUnchanged(i);
    return [intake, { into: intake.sinks, onUnchanged, onLost: (i) => this.#lose(i) }];
  }

  /** Neither the tuple nor the mirror has the value, or what a function makes of it: the row is read again. */
  #lose(i: number): void {
    at(this.#intake.sinks, i).appendFiller();
    const row = this.marks.rows;
    for (const column of new Set([i, ...this.#intake.madeFrom(i)]))
      this.#gaps.push({ row, column, baseRow: -1, key: '', isLost: true });
  }

  #appendUnchanged(i: number): void {
    const isKey = this.layout.table.key.includes(i);
    if (this.#oldKind === 'O' || (this.#oldKind === 'K' && isKey)) return this.#intake.take(i, this.#oldIntake);
    if (isKey) {
      const name = this.layout.table.columns[i]?.name;
      throw new AppError(
        'VALUE_UNFIT',
        `an update of ${tableLabel(this.layout.table)} leaves out its own key “${name}” (stored out of line)`,
      );
    }
    if (this.#intake.madeFrom(i).length > 0) return this.#lose(i);
    at(this.#intake.sinks, i).appendFiller();
    // What a function makes of other columns it has made.
    if (this.#intake.isMade(i)) return;
    this.#gaps.push({ row: this.marks.rows, column: i, baseRow: -1, key: '', isLost: false });
  }

  /** Gives the gaps of the row just appended their key and the row they are filled from. */
  #settleGaps(from: number, key: Key, keySource: { columns: readonly ColumnBuffer[]; row: number }): void {
    if (this.#gaps.length === from) return;
    const present = this.#indexed().get(key) ?? -1;
    let isWanted = false;
    for (let i = from; i < this.#gaps.length; i++) {
      const gap = this.#gaps[i] as Gap;
      const baseRow = gap.isLost ? -1 : present;
      this.#gaps[i] = { ...gap, baseRow, key };
      isWanted ||= !gap.isLost && baseRow === -1;
    }
    if (isWanted) this.#want(key, keySource.columns, keySource.row);
  }

  #takeOut(key: Key, position: WalPosition, oldKind: 'K' | 'O' | null, newRow: number | null): void {
    if (oldKind === 'O') {
      this.#appendRetraction(this.#old, 0, position);
      this.#indexed(newRow).set(key, GONE);
      return;
    }
    const index = this.#indexed(newRow);
    const row = index.get(key);
    if (row !== undefined && row >= 0) this.#appendRetraction(this.columns, row, position);
    else if (row === undefined) {
      if (oldKind === 'K') this.#want(key, this.#old, 0);
      else this.#want(key, this.columns, newRow ?? 0);
      this.#retract.push({ key, hi: position.hi, lo: position.lo });
    }
    index.set(key, GONE);
  }

  #want(key: Key, columns: readonly ColumnBuffer[], row: number): void {
    if (this.wanted.has(key)) return;
    this.wanted.set(key, this.keyRows[0]?.length ?? 0);
    this.layout.table.key.forEach((i, part) => at(this.keyRows, part).appendFrom(at(columns, i), row));
  }

  #appendRetraction(columns: readonly (ColumnBuffer | undefined)[], row: number, position: WalPosition): void {
    const { role } = this.layout;
    for (let i = 0; i < this.columns.length; i++) {
      const column = this.columns[i] as ColumnBuffer;
      const counts = role.kind === 'events' && (i === role.campaignColumn || i === role.timeColumn);
      if (counts) column.appendFrom(at(columns, i), row);
      else column.appendFiller();
    }
    this.#mark(RETRACTED, position, 0n);
  }

  /** A row that says: this key is gone. Only its key columns carry values. */
  #tombstone(key: Key, position: WalPosition, committedAtUs: bigint): void {
    for (let i = 0; i < this.columns.length; i++) {
      const column = this.columns[i] as ColumnBuffer;
      if (this.layout.table.key.includes(i)) column.appendFrom(at(this.#old, i), 0);
      else column.appendFiller();
    }
    this.#mark(TOMBSTONE, position, committedAtUs);
    this.#index?.set(key, GONE);
  }

  /** The row as it was, with the time of its end: what was not sent of it is filled in like values that did not change. */
  #end(key: Key, oldKind: 'K' | 'O', position: WalPosition, committedAtUs: bigint): void {
    const row = this.marks.rows;
    const gapsBefore = this.#gaps.length;
    for (let i = 0; i < this.columns.length; i++) {
      const column = this.columns[i] as ColumnBuffer;
      if (oldKind === 'O' || this.layout.table.key.includes(i)) column.appendFrom(at(this.#old, i), 0);
      else {
        column.appendFiller();
        this.#gaps.push({ row, column: i, baseRow: -1, key, isLost: false });
      }
    }
    this.#mark(ENDED, position, committedAtUs);
    this.#settleGaps(gapsBefore, key, { columns: this.#old, row: 0 });
    this.#index?.set(key, row);
  }

  #readOld(bytes: Buffer, start: number, oldKind: 'K' | 'O'): void {
    for (const column of this.#old) column.clear();
    this.#oldIntake.forget();
    this.#reader.open(bytes, start);
    readOldTuple(this.#reader, bytes, {
      into: this.#oldIntake.sinks,
      key: oldKind === 'K' ? this.layout.table.key : null,
      reading: this.reading,
    });
  }

  /** Where each key stands in this batch so far (row, or gone); built when first needed, without row `except`. */
  #indexed(except: number | null = this.marks.rows - 1): Map<Key, number> {
    if (this.#index !== null) return this.#index;
    const index = new Map<Key, number>();
    for (let row = 0; row < this.marks.rows; row++) {
      if (row === except || !this.marks.isRaw(row)) continue;
      index.set(this.#keyOf(this.columns, row), this.marks.isDeleted(row) ? GONE : row);
    }
    this.#index = index;
    return index;
  }

  #fillGaps(fetched: FetchedRows): { row: number; key: Key }[] {
    const incomplete = new Map<number, Key>();
    for (const i of new Set(this.#gaps.map((gap) => gap.column))) {
      const filled = codecAt(this.layout, i).open(policyAt(this.#policies, i));
      const gaps = this.#gaps.filter((gap) => gap.column === i);
      fillColumn(at(this.columns, i), gaps, fetched, { filled, incomplete });
      this.columns[i] = filled;
    }
    this.#gaps = [];
    [this.#intake, this.#target] = this.#openIntake();
    // A row that ended before the copy had it was never in it.
    for (const row of [...incomplete.keys()].filter((r) => this.marks.isEnded(r))) {
      this.marks.entomb(row);
      incomplete.delete(row);
    }
    for (const row of incomplete.keys()) this.marks.silence(row);
    return [...incomplete].map(([row, key]) => ({ row, key }));
  }

  #keyOf(columns: readonly (ColumnBuffer | undefined)[], row: number): Key {
    return keyOfRow(columns, this.layout.table.key, row);
  }
}
