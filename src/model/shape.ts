/**
 * The shape of a table as the catalogue told it at one moment: columns by their identity, with the evidence of what
 * has become of them since. The states of tables keep the last ones, so that a tuple written between two looks can be
 * read (pipeline/align.ts), and a table that was rewritten is known (pipeline/rewritten.ts).
 */
import { AppError } from './errors.ts';
import { formatLsn, type Lsn, parseLsn } from './lsn.ts';

/** One column, dropped ones included: `attnum` is given to no other column, ever. */
export interface ShapeColumn {
  readonly attnum: number;
  /** Empty for a dropped column: PostgreSQL has forgotten it. */
  readonly name: string;
  /** 0 for a dropped column. */
  readonly typeOid: number;
  readonly typeMod: number;
  /** Transaction that wrote the column's row in the catalogue: the same as before means that nothing about it has changed. */
  readonly xmin: string;
  /** `generated`: it is there, and never in the stream; `publishable`: generated, and in the stream if its publication says so. */
  readonly kind: 'there' | 'generated' | 'publishable' | 'dropped';
  /** What rows have that were written before the column was added, as text; null: NULL. Kept from look to look: a rewrite makes PostgreSQL forget it. */
  readonly missing: string | null;
}

/** A table as of one snapshot. */
export interface TableShape {
  /** A position behind every transaction that the snapshot saw. */
  readonly lsn: Lsn;
  /** `pg_current_snapshot()`. */
  readonly snapshot: string;
  /** Files of the table, or of its partitions, by relation oid: a rewrite gives another. */
  readonly files: Readonly<Record<string, string>>;
  /** Elements of the types that its columns consist of (source/shapes.ts), separated by commas. Not known: written before. */
  readonly types?: string | undefined;
  /** In the order of attnum, without gaps. */
  readonly columns: readonly ShapeColumn[];
}

type StoredColumn = readonly [string, number, number, string, ShapeColumn['kind'], string | null];
interface StoredShape {
  readonly lsn: string;
  readonly snapshot: string;
  readonly files: Readonly<Record<string, string>>;
  readonly types?: string | undefined;
  readonly columns: readonly StoredColumn[];
}

/** Writes shapes as the state of a table keeps them, oldest first. */
export function encodeShapes(shapes: readonly TableShape[]): string {
  const stored = shapes.map((shape): StoredShape => {
    const columns = shape.columns.map((c): StoredColumn => [c.name, c.typeOid, c.typeMod, c.xmin, c.kind, c.missing]);
    return { lsn: formatLsn(shape.lsn), snapshot: shape.snapshot, files: shape.files, types: shape.types, columns };
  });
  return JSON.stringify(stored);
}

/** Reads {@link encodeShapes}; nothing from the empty text of a state that knows none. @throws {AppError} `COPY_DAMAGED`. */
export function decodeShapes(text: string): TableShape[] {
  if (text === '') return [];
  try {
    return (JSON.parse(text) as StoredShape[]).map((shape) => ({
      lsn: parseLsn(shape.lsn),
      snapshot: shape.snapshot,
      files: shape.files,
      types: shape.types,
      columns: shape.columns.map(([name, typeOid, typeMod, xmin, kind, missing], i) => ({
        attnum: i + 1,
        name,
        typeOid,
        typeMod,
        xmin,
        kind,
        missing,
      })),
    }));
  } catch (error) {
    throw new AppError('COPY_DAMAGED', 'the shape of a table in `tables` cannot be read', { cause: error });
  }
}

/** True when nothing of the columns has changed from one look to the other. */
export function isSameShape(a: TableShape, b: TableShape): boolean {
  return (
    a.columns.length === b.columns.length &&
    a.columns.every((column, i) => column.xmin === b.columns[i]?.xmin && column.kind === b.columns[i]?.kind)
  );
}

/** Whether the rows were written anew between two looks, all of them: then their values may be others. */
export function hasOtherFiles(before: TableShape, after: TableShape): boolean {
  const kept = Object.keys(after.files).filter((oid) => oid in before.files);
  return kept.length === 0 || kept.some((oid) => before.files[oid] !== after.files[oid]);
}

/**
 * Whether a type was altered that columns consist of, so that PostgreSQL writes another text for rows that nobody has
 * touched: a composite type, a label of an enum that has another name. A label that was added changes no row.
 */
export function hasOtherTypes(before: TableShape, after: TableShape): boolean {
  if (before.types === undefined || before.types === '') return false;
  const present = new Set(after.types?.split(','));
  return before.types.split(',').some((element) => !present.has(element));
}
