/**
 * What to do to a mirror whose table has other columns by now: statements that bring it into line, if its rows then have
 * exactly the values that reading them again would give.
 *
 *   columns found (each tells its attnum in a comment) + columns wanted ─► statements
 *
 * Columns are told by attnum, never by name, so that whatever part of the statements has been run, what is left to do
 * can be told from the mirror itself.
 */
import { chIdent, chLiteral } from '../model/quote.ts';

/** A column of a mirror as it is, besides those that every mirror has. */
export interface MirrorColumn {
  readonly name: string;
  readonly type: string;
  readonly attnum: number;
  /** Its comment says which column of the source it is; false: that is known from elsewhere. */
  readonly isTold: boolean;
  /** The table is sorted or partitioned by it: ClickHouse changes no such column. */
  readonly isInKey: boolean;
}

/** A column as it is to be. */
export interface WantedColumn {
  readonly name: string;
  readonly type: string;
  readonly attnum: number;
  readonly compression: string;
  /** What the rows have in it that are there already, as SQL; null: that is not known, or differs from row to row. */
  readonly initial: string | null;
  /** The rows that are there already have the source's values in it, but for the type. */
  readonly keepsValues: boolean;
}

/**
 * - `in line`: nothing is to be done
 * - `alter`: the statements, in order, unless rows have NULL in one of `narrowed`
 * - `rebuild`: its rows must be read again, or ClickHouse cannot change the column
 */
export type Alteration =
  | { readonly kind: 'in line' }
  | {
      readonly kind: 'alter';
      readonly statements: readonly string[];
      readonly narrowed: readonly MirrorColumn[];
      /** ClickHouse writes columns of all rows anew. */
      readonly rewrites: boolean;
    }
  | { readonly kind: 'rebuild'; readonly why: string };

const COMMENT = /^attnum (\d+)$/;

/** The comment of a mirror's column. */
export function columnComment(attnum: number): string {
  return `attnum ${attnum}`;
}

/** The attnum that a comment tells; null: it is none of ours. */
export function attnumOf(comment: string): number | null {
  const told = COMMENT.exec(comment)?.[1];
  return told === undefined ? null : Number(told);
}

/**
 * Plans the way from `found` to `wanted`.
 *
 * @param table Qualified name, quoted.
 * @param wanted In the order of attnum.
 */
export function planAlteration(
  table: string,
  found: readonly MirrorColumn[],
  wanted: readonly WantedColumn[],
): Alteration {
  const wantedAt = new Map(wanted.map((column) => [column.attnum, column]));
  const foundAt = new Map(found.map((column) => [column.attnum, column]));
  const why = whyNot(found, wanted, { wantedAt, foundAt });
  if (why !== null) return { kind: 'rebuild', why };
  const kept = found.filter(({ attnum }) => wantedAt.has(attnum));
  const retyped = kept.filter(({ attnum, type }) => wantedAt.get(attnum)?.type !== type);
  const statements = [
    ...drops(found.filter(({ attnum }) => !wantedAt.has(attnum))),
    ...renames(kept, wantedAt),
    ...retyped.flatMap(({ attnum, type }) => retype(type, wantedAt.get(attnum) as WantedColumn)),
    ...additions(wanted, foundAt),
  ];
  if (statements.length === 0) return { kind: 'in line' };
  const untold = kept.filter(({ isTold }) => !isTold).map(({ attnum }) => wantedAt.get(attnum) as WantedColumn);
  const told = untold.map(({ name, attnum }) => `COMMENT COLUMN ${chIdent(name)} ${chLiteral(columnComment(attnum))}`);
  return {
    kind: 'alter',
    statements: [...statements, ...(told.length === 0 ? [] : [told.join(', ')])].map(
      (s) => `ALTER TABLE ${table} ${s}`,
    ),
    rewrites: retyped.length > 0,
    narrowed: retyped.filter(({ attnum, type }) => narrows(type, wantedAt.get(attnum)?.type ?? '')),
  };
}

interface ByAttnum {
  readonly wantedAt: ReadonlyMap<number, WantedColumn>;
  readonly foundAt: ReadonlyMap<number, MirrorColumn>;
}

/** Why the mirror cannot be altered, in words; null when it can. */
function whyNot(
  found: readonly MirrorColumn[],
  wanted: readonly WantedColumn[],
  { wantedAt, foundAt }: ByAttnum,
): string | null {
  for (const { name, type, attnum, isInKey } of found) {
    const to = wantedAt.get(attnum);
    if (isInKey && (to === undefined || to.name !== name || to.type !== type))
      return `column “${name}”, by which its rows are sorted, has changed`;
    if (to !== undefined && !to.keepsValues) return `column “${to.name}” has another type`;
    if (to !== undefined && to.type !== type && !widens(type, to.type))
      return `column “${to.name}” has another type (${type} → ${to.type})`;
  }
  const unknown = wanted.find(({ attnum, initial }) => !foundAt.has(attnum) && initial === null);
  return unknown === undefined ? null : `the rows have values in the new column “${unknown.name}”`;
}

function drops(gone: readonly MirrorColumn[]): string[] {
  return gone.length === 0 ? [] : [gone.map(({ name }) => `DROP COLUMN ${chIdent(name)}`).join(', ')];
}

/** One after the other; a column that holds the name another one wants, and waits for a name itself, steps aside. */
function renames(kept: readonly MirrorColumn[], wantedAt: ByAttnum['wantedAt']): string[] {
  const names = new Map(kept.map(({ attnum, name }) => [attnum, name]));
  const to = (attnum: number): string => wantedAt.get(attnum)?.name ?? '';
  const statements: string[] = [];
  const rename = (attnum: number, name: string): void => {
    statements.push(`RENAME COLUMN ${chIdent(names.get(attnum) ?? '')} TO ${chIdent(name)}`);
    names.set(attnum, name);
  };
  for (;;) {
    const waiting = [...names].filter(([attnum, name]) => name !== to(attnum)).map(([attnum]) => attnum);
    const [first] = waiting;
    if (first === undefined) return statements;
    const taken = new Set(names.values());
    const free = waiting.find((attnum) => !taken.has(to(attnum)));
    if (free === undefined) rename(first, asideName(first, taken));
    else rename(free, to(free));
  }
}

function asideName(attnum: number, taken: ReadonlySet<string>): string {
  let name = `_renamed_${attnum}`;
  while (taken.has(name)) name += '_';
  return name;
}

function retype(from: string, { name, type, compression }: WantedColumn): string[] {
  const column = chIdent(name);
  const modify = `MODIFY COLUMN ${column} ${type} CODEC(${compression})`;
  if (!narrows(from, type)) return [modify];
  // Rows that are no more (tombstones, older versions) may have NULL all the same. Every row is written, as those that
  // lie there without the column have its default, which ClickHouse wants another one for.
  const none = `defaultValueOfTypeName(${chLiteral(type)})`;
  return [
    `UPDATE ${column} = ifNull(${column}, ${none}) WHERE 1`,
    `MODIFY COLUMN ${column} ${type} DEFAULT ${none} CODEC(${compression})`,
    `MODIFY COLUMN ${column} REMOVE DEFAULT`,
  ];
}

/** In the places that they have in the source. */
function additions(wanted: readonly WantedColumn[], foundAt: ByAttnum['foundAt']): string[] {
  return wanted.flatMap(({ name, type, attnum, compression, initial }, i) => {
    if (foundAt.has(attnum)) return [];
    const before = wanted[i - 1];
    const place = before === undefined ? 'FIRST' : `AFTER ${chIdent(before.name)}`;
    const value = initial === null || initial === 'NULL' ? '' : ` DEFAULT ${initial}`;
    return [
      `ADD COLUMN ${chIdent(name)} ${type}${value} COMMENT ${chLiteral(columnComment(attnum))} CODEC(${compression}) ${place}`,
    ];
  });
}

/** A type apart from what is around it. */
interface Parts {
  readonly isDictionary: boolean;
  readonly isNullable: boolean;
  readonly inner: string;
}

function partsOf(type: string): Parts {
  const dictionary = /^LowCardinality\((.+)\)$/.exec(type)?.[1];
  const nullable = /^Nullable\((.+)\)$/.exec(dictionary ?? type)?.[1];
  return {
    isDictionary: dictionary !== undefined,
    isNullable: nullable !== undefined,
    inner: nullable ?? dictionary ?? type,
  };
}

/** Types that hold all values of those before them, and convert them as PostgreSQL does. */
const WIDER: readonly (readonly string[])[] = [
  ['Int16', 'Int32', 'Int64'],
  ['Float32', 'Float64'],
];

/** Whether ClickHouse makes the same values of the other type: all but NULLs that must not be. */
export function widens(from: string, to: string): boolean {
  const [a, b] = [partsOf(from), partsOf(to)];
  if (a.isDictionary !== b.isDictionary) return false;
  if (a.inner === b.inner) return true;
  const [decimalA, decimalB] = [decimalOf(a.inner), decimalOf(b.inner)];
  if (decimalA !== null && decimalB !== null)
    return decimalA.scale === decimalB.scale && decimalA.precision <= decimalB.precision;
  return WIDER.some((row) => row.includes(a.inner) && row.indexOf(a.inner) < row.indexOf(b.inner));
}

function narrows(from: string, to: string): boolean {
  return partsOf(from).isNullable && !partsOf(to).isNullable;
}

function decimalOf(type: string): { precision: number; scale: number } | null {
  const [, precision, scale] = /^Decimal\((\d+), (\d+)\)$/.exec(type) ?? [];
  return precision === undefined ? null : { precision: Number(precision), scale: Number(scale) };
}
