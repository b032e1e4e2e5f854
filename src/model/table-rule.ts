/**
 * What the configuration says of one table, resolved: what of it is copied, under which name, and how it is kept.
 * The rest of the program reads this, never the configuration itself.
 */

/**
 * What becomes of a value: given in PostgreSQL's text form, and taken back in the text form of the copy's type. Called for
 * every value that is read, again for those that are read again: it must give the same for the same, whenever it is asked.
 */
export type Transform = (value: string | null) => string | null;

/** How a column's values are made unreadable, or others, before they leave this process. NULL stays NULL, but for a transform. */
export type Mask =
  /** SHA-256 of the salt and the value's text, in hexadecimal: equal values stay equal, in all columns and tables. */
  | { readonly kind: 'hash'; readonly salt: string }
  /** NULL for every value. */
  | { readonly kind: 'null' }
  /** The first characters of the value's text. */
  | { readonly kind: 'truncate'; readonly characters: number }
  /** What a function of the configuration makes of it. `source` is its text: by that another one is noticed. */
  | { readonly kind: 'transform'; readonly apply: Transform; readonly source: string }
  /** What the function for the table's rows makes of it ({@link RowTransform}); `source` as above. */
  | { readonly kind: 'row'; readonly source: string };

/** True for values that a function makes: PostgreSQL and ClickHouse can compute none of them. */
export function isMadeByFunction(mask: Mask | null | undefined): boolean {
  return mask?.kind === 'transform' || mask?.kind === 'row';
}

/** What a value is given to a row's function as: `text` as PostgreSQL writes it, the others as JavaScript has them. */
export type ReadAs = 'text' | 'number' | 'bigint' | 'boolean' | 'json';

/** A value in a row's function. */
export type RowValue = string | number | bigint | boolean | null;

/** Makes values of a row of several others of it: called for every row that is read, as a {@link Transform} is for every value. */
export interface RowTransform {
  /** Columns that the function is given, by name. */
  readonly reads: Readonly<Record<string, ReadAs>>;
  /** Columns of which it gives the values that are stored. */
  readonly sets: readonly string[];
  /** The function; what it gives is checked. */
  readonly apply: (row: Readonly<Record<string, unknown>>) => unknown;
  /** Its text, and what it reads: by that another one is noticed. */
  readonly source: string;
}

/** What is said of one column. */
export interface ColumnRule {
  /** It is not copied: it does not even leave the source where PostgreSQL can hold it back. */
  readonly exclude: boolean;
  readonly mask: Mask | null;
  /** `mask: none` was said: it is copied as it is, also where it is made from columns that are not. */
  readonly isPlain: boolean;
  /** Which type of the copy instead of the usual one; null: the usual one. */
  readonly as: string | null;
  /** What becomes of values that do not fit; null: as `unfitPolicy` says. */
  readonly unfit: 'fail' | 'null' | 'clamp' | 'text' | null;
  /** Whether the copy's column is Nullable; null: where the source allows NULL. */
  readonly nullable: boolean | null;
  /** Compression in ClickHouse; null: the usual one. */
  readonly codec: string | null;
  /** What a generated column that is not published is computed by, in SQL of ClickHouse; null: it is left out. */
  readonly computed: string | null;
}

/**
 * What a DELETE or a TRUNCATE of the source does to the copy:
 * - `mirror`: the rows are gone
 * - `soft`: the rows stay, with the time of their end in `_deleted_at`
 * - `keep`: nothing; it is counted
 */
export type OnDelete = 'mirror' | 'soft' | 'keep';

/** Everything the configuration says of one table. */
export interface TableRule {
  /** Whether it is copied; null: as `includeTables` and `excludeTables` say. */
  readonly isCopied: boolean | null;
  /** Name of its mirror; null: the usual one. */
  readonly target: string | null;
  /** Condition in SQL of PostgreSQL that copied rows fulfil; null: all rows are copied. */
  readonly where: string | null;
  /** Columns that the mirror is sorted by, before those of the key that are not among them. */
  readonly orderBy: readonly string[];
  readonly partitionBy: string | null;
  /** Settings of the mirror's engine. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly onDelete: OnDelete;
  /** What becomes of its rows; null: nothing is said. */
  readonly transform: RowTransform | null;
  /** Columns that rules for this very table name: they must exist, as a typo would let values through. */
  readonly namedColumns: readonly string[];
  /** What is said of a column; {@link NO_COLUMN_RULE} when nothing is. */
  columnRule(column: string): ColumnRule;
}

/** Nothing is said of a column. */
export const NO_COLUMN_RULE: ColumnRule = {
  exclude: false,
  mask: null,
  isPlain: false,
  as: null,
  unfit: null,
  nullable: null,
  codec: null,
  computed: null,
};

/** Nothing is said of a table. */
export const NO_RULE: TableRule = {
  isCopied: null,
  target: null,
  where: null,
  orderBy: [],
  partitionBy: null,
  settings: {},
  onDelete: 'mirror',
  transform: null,
  namedColumns: [],
  columnRule: () => NO_COLUMN_RULE,
};
