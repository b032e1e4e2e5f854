/**
 * Blocks of ClickHouse's Native format: column count, row count, then name, type and data per column.
 *
 * @see https://clickhouse.com/docs/interfaces/formats/Native
 */
import { AppError } from '../model/errors.ts';
import type { ColumnBuffer } from './column.ts';
import { readVarint, varintWidth, writeVarint } from './varint.ts';

/** A column and its name in the block. */
export interface NamedColumn {
  readonly name: string;
  readonly column: ColumnBuffer;
}

/** What a block needs of a column to be written; also columns that are no {@link ColumnBuffer}. */
export interface NamedBlockColumn {
  readonly name: string;
  readonly column: Pick<ColumnBuffer, 'clickhouseType' | 'length' | 'encode'>;
}

/** Blocks read into columns. */
export interface DecodedBlocks {
  readonly rows: number;
  /** Empty when there was no block at all. */
  readonly columns: readonly NamedColumn[];
}

/**
 * Encodes one block without copying data: the parts are views of the columns' memory, valid until the
 * next append or clear.
 *
 * @throws {AppError} `INTERNAL` when a column does not have `rows` rows.
 */
export function encodeBlock(columns: readonly NamedBlockColumn[], rows: number): Uint8Array[] {
  const head = Buffer.alloc(varintWidth(columns.length) + varintWidth(rows));
  writeVarint(head, writeVarint(head, 0, columns.length), rows);
  const parts: Uint8Array[] = [head];
  for (const { name, column } of columns) {
    if (column.length !== rows)
      throw new AppError('INTERNAL', `column ${name} has ${column.length} rows in a block of ${rows}`);
    parts.push(texts(name, column.clickhouseType));
    if (rows > 0) column.encode(parts);
  }
  return parts;
}

/**
 * Reads the blocks of a `FORMAT Native` result, one behind the other, into one set of columns.
 *
 * @param open Opens the column for a name and type of the first block.
 * @throws {AppError} `VALUE_SYNTAX` when the bytes are not whole blocks of the same columns.
 */
export function decodeBlocks(bytes: Buffer, open: (name: string, type: string) => ColumnBuffer): DecodedBlocks {
  let columns: NamedColumn[] | null = null;
  let rows = 0;
  let at = 0;
  while (at < bytes.length) {
    const count = readVarint(bytes, at);
    const blockRows = readVarint(bytes, count.next);
    at = blockRows.next;
    // Every column needs a name and a type: a count beyond the bytes is damage, not a wide table.
    if (count.value * 2 > bytes.length - at) throw new AppError('VALUE_SYNTAX', 'Native data: more columns than bytes');
    const opened: NamedColumn[] = [];
    for (let index = 0; index < count.value; index++) {
      const column = openColumn(
        bytes,
        at,
        columns === null ? open : (name, type) => sameColumn(columns, index, { name, type }),
      );
      at = column.column.decode(bytes, column.next, blockRows.value);
      opened.push(column);
    }
    columns ??= opened.map(({ name, column }) => ({ name, column }));
    if (opened.length !== columns.length)
      throw new AppError('VALUE_SYNTAX', 'Native data: blocks of different columns');
    rows += blockRows.value;
  }
  return { rows, columns: columns ?? [] };
}

/** Reads a column's name and type at `at` and finds its buffer. */
function openColumn(
  bytes: Buffer,
  at: number,
  open: (name: string, type: string) => ColumnBuffer,
): NamedColumn & { next: number } {
  const name = textAt(bytes, at);
  const type = textAt(bytes, name.next);
  return { name: name.text, column: open(name.text, type.text), next: type.next };
}

/** The column that an earlier block opened. */
function sameColumn(
  columns: readonly NamedColumn[] | null,
  index: number,
  { name, type }: { name: string; type: string },
): ColumnBuffer {
  const earlier = columns?.[index];
  if (earlier?.name !== name || earlier.column.clickhouseType !== type) {
    throw new AppError('VALUE_SYNTAX', `Native data: column ${name} ${type} was not in the first block`);
  }
  return earlier.column;
}

/** Two texts behind their lengths. */
function texts(name: string, type: string): Buffer {
  const lengths = [Buffer.byteLength(name), Buffer.byteLength(type)] as const;
  const bytes = Buffer.alloc(varintWidth(lengths[0]) + lengths[0] + varintWidth(lengths[1]) + lengths[1]);
  const middle = writeVarint(bytes, 0, lengths[0]);
  bytes.write(name, middle);
  bytes.write(type, writeVarint(bytes, middle + lengths[0], lengths[1]));
  return bytes;
}

/** Reads a text behind its length. */
function textAt(bytes: Buffer, at: number): { text: string; next: number } {
  const { value, next } = readVarint(bytes, at);
  if (next + value > bytes.length) throw new AppError('VALUE_SYNTAX', 'Native data: a name ends outside its bytes');
  return { text: bytes.toString('utf8', next, next + value), next: next + value };
}
