/**
 * The shape of a source table, as the catalogue tells it, and of its copy.
 */
import type { Mask, OnDelete, ReadAs, TableRule } from './table-rule.ts';

/** A type behind all domains, as values of it travel. */
export interface SourceType {
  /** `pg_type.oid`. */
  readonly oid: number;
  /** Its modifier, from the column or from the innermost domain; −1 when there is none. */
  readonly typeMod: number;
  /** Name without modifier, for casts: `format_type(oid, -1)`. */
  readonly name: string;
  readonly kind: 'base' | 'enum' | 'composite' | 'range' | 'array';
  /** Type of an array's elements, domains resolved, with the array's modifier. */
  readonly element: SourceType | null;
  /** The binary form is the text itself, as of text and citext. */
  readonly sendsText: boolean;
}

/** What the configuration wants of a column's type. */
export interface ColumnChoice {
  /** `text`, `array`, `decimal(p,s)`, `lowcardinality`: instead of the type that the column has by default. */
  readonly as?: string;
  /** What becomes of values that do not fit; `text` makes the whole column the text of its values. Default: `unfitPolicy`. */
  readonly unfit?: 'fail' | 'null' | 'clamp' | 'text';
  /** Whether the copy's column is Nullable, whatever the source allows. NULL does not fit into one that is not. */
  readonly nullable?: boolean;
  /** How its values are made unreadable. */
  readonly mask?: Mask;
  /** Compression in the mirror instead of the usual one. */
  readonly compression?: string;
}

/** How PostgreSQL makes the values of a generated column. */
export interface Generation {
  /** `STORED`; else `VIRTUAL`, which nothing but a query makes. */
  readonly isStored: boolean;
  /** In SQL of PostgreSQL, as `pg_get_expr` writes it. */
  readonly expression: string;
  /** Names of the columns that it is made from. */
  readonly madeFrom: readonly string[];
}

/** One column of a source table. */
export interface SourceColumn {
  /** Name as in the catalogue, unquoted. */
  readonly name: string;
  /** `pg_attribute.attnum`: the column's identity across renames. */
  readonly attnum: number;
  /** `pg_attribute.atttypid`. */
  readonly typeOid: number;
  /** `pg_attribute.atttypmod`; −1 when the type has no modifier. */
  readonly typeMod: number;
  /** `format_type(oid, typmod)`, for people: `numeric(10,2)`. */
  readonly typeName: string;
  /** Whether the source allows NULL here. */
  readonly nullable: boolean;
  /** What is behind `typeOid`; left out where that is a base type of PostgreSQL's own. */
  readonly type?: SourceType;
  /** What the configuration says of this column; left out where it says nothing. */
  readonly choice?: ColumnChoice;
  /** Left out for columns that are not generated. */
  readonly generation?: Generation;
  /** What it is given to the function for the table's rows as; left out where that does not read it. */
  readonly readAs?: ReadAs;
}

/** A generated column that is computed in ClickHouse: its values are nowhere stored. */
export interface ComputedColumn extends SourceColumn {
  /** In SQL of ClickHouse, over the columns of the mirror; not cast to the column's type yet. */
  readonly computed: string;
}

/** A relation of the source by identity and name: a table, or a partition of one. */
export interface Relation {
  /** `pg_class.oid`. */
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** A partition that holds rows. */
export interface Leaf extends Relation {
  /** `pg_relation_filenode`: another one after TRUNCATE and whatever else rewrites it. */
  readonly filenode: string;
  /** Made as a partition, and all above it below the root too: every row it ever had was in the stream. */
  readonly isBorn: boolean;
}

/** One source table that Millrace copies. */
export interface SourceTable {
  /** `pg_class.oid`. */
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Name of the mirror in ClickHouse: `name` in schema `public`, else `schema_name`. */
  readonly target: string;
  /** Those that are copied, in the order of `attnum`, which is the order of pgoutput tuples. */
  readonly columns: readonly SourceColumn[];
  /** Indexes into `columns` of those that identify a row, in key order (source/row-identity.ts); empty when none do. */
  readonly key: readonly number[];
  /** `pg_class.relreplident`: default, nothing, full, index. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  /** Columns that the configuration excludes: a tuple may have them, the copy has not. */
  readonly excluded?: readonly SourceColumn[];
  /** What the configuration says of the table; applied to the fields above already. */
  readonly rule?: TableRule;
  /** Generated columns that the stream does not bring and the copy computes; left out when there are none. */
  readonly computed?: readonly ComputedColumn[];
  /** Generated columns that the stream does not bring, so that the copy has not got them. Left out when there are none. */
  readonly generated?: readonly SourceColumn[];
  /** Of a partitioned table those of its partitions that hold rows, by oid; left out for others. */
  readonly leaves?: readonly Leaf[];
}

/** What DELETE and TRUNCATE of the source do to the table's copy. */
export function onDeleteOf({ rule }: Pick<SourceTable, 'rule'>): OnDelete {
  return rule?.onDelete ?? 'mirror';
}

/** True for a table whose rows cannot be told apart: it is copied as a multiset (destination/multiset.ts). */
export function isKeyless({ key }: Pick<SourceTable, 'key'>): boolean {
  return key.length === 0;
}

/** `schema.name`, for messages and state (not quoted for SQL: see `quoteTable`). */
export function tableLabel(table: { schema: string; name: string }): string {
  return `${table.schema}.${table.name}`;
}
