/**
 * A growing column of values in ClickHouse's Native layout: the place where bytes of PostgreSQL
 * become bytes of ClickHouse, with no object per value in between.
 *
 *   COPY / pgoutput bytes → [ColumnBuffer.append…] → [encode] → Native block
 *
 * One class per storage (fixed width, decimal, string …), one codec per PostgreSQL type (codecs.ts).
 */

/** A value that was read from the source and does not fit the column of the copy. */
export interface UnfitValue {
  /** The value as PostgreSQL writes it, cut to 200 characters. */
  readonly text: string;
  /** Why, in words: `infinity`, `NaN`, `year 294276 is outside 1900–2299`. */
  readonly reason: string;
  /** What was stored instead. */
  readonly action: 'null' | 'clamp';
  /** Row of the column that it was stored in. */
  readonly row: number;
}

/** Values that were reported and wait for the key of their row, which is known once the row is complete. */
export interface UnfitSamples {
  /** True while values wait. */
  readonly isOpen: boolean;
  /**
   * Ends the waiting.
   *
   * @param rows Complete rows; values of later ones are dropped: they will be read, and reported, again.
   * @param keyOf The key of a row.
   */
  settle(rows: number, keyOf: (row: number) => readonly string[]): void;
}

/** What a column does with a value that does not fit: nothing is ever stored in silence. */
export interface UnfitPolicy {
  /** `fail` throws `VALUE_UNFIT`; `null` needs a nullable column (else it is refused when opened). */
  readonly action: 'fail' | 'null' | 'clamp';
  /** Called once per value that was replaced. Not called for `fail`. */
  readonly report: (value: UnfitValue) => void;
  /** What waits for keys, of all columns of a table together; absent where keys are not told. */
  readonly samples?: UnfitSamples;
}

/** A column that is being filled. `length` rows are valid; memory is kept across {@link clear}. */
export interface ColumnBuffer {
  /** The type in ClickHouse, with `Nullable(…)` where it applies. */
  readonly clickhouseType: string;
  /** Rows so far. */
  readonly length: number;
  /** Bytes of Native data so far (what counts against a batch's limit). */
  readonly byteLength: number;

  /** Appends a value from PostgreSQL's text form at `bytes[start, end)`. @throws {AppError} VALUE_SYNTAX, VALUE_UNFIT. */
  appendText(bytes: Buffer, start: number, end: number): void;
  /**
   * Appends a value from PostgreSQL's binary form; where the codec has no reader for that, from its text.
   * @throws {AppError} VALUE_SYNTAX, VALUE_UNFIT.
   */
  appendBinary(bytes: Buffer, start: number, end: number): void;
  /**
   * Appends `rows` binary values that lie `strideBytes` apart, the first at `start`, all not NULL and
   * all of the codec's `binaryWidth`: the fast path of COPY. Only called when `binaryWidth` is set.
   */
  appendBinaryRun(bytes: Buffer, start: number, strideBytes: number, rows: number): void;
  /** Appends NULL. @throws {AppError} VALUE_UNFIT when the column is not nullable. */
  appendNull(): void;
  /** Appends a filler that no reader looks at (columns of retraction rows that only carry others). */
  appendFiller(): void;
  /** Appends row `row` of another column of the same ClickHouse type. */
  appendFrom(source: ColumnBuffer, row: number): void;
  /** Drops all rows from `rows` on: takes back a row that could not be finished. */
  truncate(rows: number): void;
  /** Drops all rows, keeps the memory. */
  clear(): void;

  /** True when row `row` is NULL. */
  isNull(row: number): boolean;
  /**
   * The value as a key part or for people: integers of at most 32 bits as number, wider ones as bigint
   * (times: µs since 1970 as bigint, dates: days since 1970 as number, decimals: unscaled bigint),
   * strings as string, NULL as null. Equal values of one column give equal results.
   */
  value(row: number): number | bigint | string | boolean | null;

  /** Adds the column's data in Native layout to `parts`: views, valid until the next append or clear. */
  encode(parts: Uint8Array[]): void;
  /** Appends `rows` rows read from Native data at `offset`; returns the offset behind them. */
  decode(bytes: Buffer, offset: number, rows: number): number;
}

/** The part of a column that the values of a row are handed to. */
export type ValueSink = Pick<
  ColumnBuffer,
  | 'clickhouseType'
  | 'length'
  | 'appendText'
  | 'appendBinary'
  | 'appendBinaryRun'
  | 'appendNull'
  | 'appendFiller'
  | 'truncate'
>;

/** How one PostgreSQL type travels: its ClickHouse type and the columns that hold it. */
export interface Codec {
  /**
   * Type of the copy, for example `Nullable(Decimal(10, 2))`. Its columns may be of the type inside: ClickHouse makes a
   * `LowCardinality(String)` of the `String` that is sent.
   */
  readonly clickhouseType: string;
  /** Whether the copy can hold NULL. */
  readonly nullable: boolean;
  /** Compression of the mirror's column, for example `T64, ZSTD(1)`. */
  readonly compression: string;
  /** Whether the columns read the type's binary form. If not, COPY selects text, and the stream is asked for text. */
  readonly binary: boolean;
  /** What the configuration wants for values of this column that do not fit; null: what it wants for all. */
  readonly unfit: UnfitPolicy['action'] | null;
  /** Width of every binary value, when it is the same for all: allows {@link ColumnBuffer.appendBinaryRun}. */
  readonly binaryWidth: number | null;
  /** Opens an empty column. @throws {AppError} `CONFIG_INVALID` when the policy cannot apply to it. */
  open(policy: UnfitPolicy): ColumnBuffer;
}
