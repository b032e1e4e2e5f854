/**
 * Canonical forms: SQL for both engines that gives the same text for equal values and other text for others, so
 * that rows can be compared without moving them. PostgreSQL renders its side itself: none of our decoders is involved.
 *
 * NULL stays NULL here; {@link rowForm} keeps it apart from every value. docs/verify.md holds the table.
 */
import { chIdent, chLiteral, pgIdent } from '../model/quote.ts';
import type { SourceColumn } from '../model/table.ts';
import { codecFor } from './codecs.ts';
import { computedSql, isComputed } from './computed-sql.ts';
import { elementCodecOf, sourceTypeOf, typeCodecOf } from './column-type.ts';
import type { UnfitPolicy } from './column.ts';
import { maskedSql } from './mask-sql.ts';
import { arrayForm, type TypeForm } from './type-form.ts';
import { OUTPUT_TEXT } from './type-codecs.ts';
import { documentedTypes } from './types-document.ts';

/** What becomes of values that do not fit: see `unfitPolicy` of the configuration. */
export type UnfitAction = UnfitPolicy['action'];

/** Expressions of one engine. */
export interface CanonicalForm {
  /** As it is compared. */
  readonly compared: string;
  /** As people and PostgreSQL's parser read it. */
  readonly shown: string;
}

/** One column in both engines. */
export interface CanonicalColumn {
  readonly column: SourceColumn;
  readonly source: CanonicalForm;
  readonly copy: CanonicalForm;
  /** True, in PostgreSQL, for a value that the copy holds something else for, as the policy says; null: there is none. */
  readonly replaced: string | null;
  /** Text that may hold anything: it travels behind its length. */
  readonly isText: boolean;
}

/**
 * The canonical form of a column.
 *
 * @param action What the pipeline does with values that do not fit, unless the column has its own policy: such values
 *   are rendered as what it stores.
 * @throws {AppError} `CONFIG_INVALID` for a choice that the column's type does not allow.
 */
export function canonicalColumn(column: SourceColumn, action: UnfitAction): CanonicalColumn {
  if (column.choice?.mask !== undefined) return maskedColumn(column);
  const codec = codecFor(column);
  // What NULL cannot stand in for fails, as in the pipeline.
  const wanted = codec.unfit ?? action;
  const policy = wanted === 'null' && !codec.nullable ? 'fail' : wanted;
  const form = formOf(column, policy);
  const name = pgIdent(column.name);
  const outside = form.outside ?? outsideOf(form.range);
  const compared = outside === null ? name : at(stored(form, policy), name);
  const zero = policy === 'clamp' ? zeroOf(column) : null;
  const shown = at(form.sourceShown ?? 'c::text', name);
  const copyName = isComputed(column) ? computedSql(column) : chIdent(column.name);
  return {
    column,
    source: {
      compared: zero === null ? at(form.source, compared) : zero(form.source, compared),
      shown: outside === null ? shown : `CASE WHEN ${at(outside, name)} THEN ${name}::text ELSE ${shown} END`,
    },
    copy: { compared: at(form.copy, copyName), shown: at(form.copyShown ?? form.copy, copyName) },
    replaced: replacedOf(name, { outside: policy === 'fail' ? null : outside, isNull: zero !== null }),
    isText: form.isText === true,
  };
}

/** True, in PostgreSQL, for what is replaced: values outside, and NULL where the copy has zero for it. */
function replacedOf(name: string, { outside, isNull }: { outside: string | null; isNull: boolean }): string | null {
  const conditions = [...(outside === null ? [] : [`(${at(outside, name)})`]), ...(isNull ? [`${name} IS NULL`] : [])];
  return conditions.length === 0 ? null : conditions.join(' OR ');
}

/** What stands for NULL in a column that is not to be Nullable, as PostgreSQL reads it; by the copy's type. */
const ZEROS: readonly (readonly [type: RegExp, text: string])[] = [
  [/^Bool$/, 'false'],
  [/^U?Int|^Float/, '0'],
  [/^Date32$/, '1970-01-01'],
  [/^DateTime64/, '1970-01-01 00:00:00+00'],
  [/^UUID$/, '00000000-0000-0000-0000-000000000000'],
];

/** How a form is made of a column whose NULLs are zeros in the copy; null: its NULLs are NULL, or it has none. */
function zeroOf(column: SourceColumn): ((form: string, value: string) => string) | null {
  const { type, isNeverNull } = typeCodecOf(column);
  if (!column.nullable || column.choice?.nullable !== false || isNeverNull === true) return null;
  const scale = /^Decimal\(\d+, (\d+)\)$/.exec(type)?.[1];
  const zero = scale === undefined ? ZEROS.find(([of]) => of.test(type))?.[1] : `0.${'0'.repeat(Number(scale))}`;
  // Text of any type: that of the type itself may not be empty.
  if (zero === undefined) return (form, value) => `coalesce(${at(form, value)}, '')`;
  return (form, value) => at(form, `coalesce(${value}, '${zero}'::${sourceTypeOf(column).name})`);
}

/** What the mask leaves, on both sides: the value itself is never shown. */
function maskedColumn(column: SourceColumn): CanonicalColumn {
  const isNull = column.choice?.mask?.kind === 'null';
  const [source, name] = [maskedSql(column), chIdent(column.name)];
  const copy = isNull ? `toString(${name})` : name;
  return {
    column: isNull ? { ...column, nullable: true } : column,
    source: { compared: source, shown: source },
    copy: { compared: copy, shown: copy },
    replaced: null,
    isText: !isNull,
  };
}

/** `c` in a form, replaced. */
function at(form: string, c: string): string {
  return form.replaceAll(/\bc\b/g, () => c);
}

/** The form of a column's type; of arrays that are arrays in the copy, made from that of their elements. */
function formOf(column: SourceColumn, action: UnfitAction): TypeForm {
  const element = column.choice?.as === 'array' ? elementCodecOf(column) : null;
  return element === null ? typeCodecOf(column).form : arrayForm(element.form, stored(element.form, action));
}

/**
 * A value of the copy, from its text as {@link CanonicalForm.shown} writes it.
 *
 * @returns SQL of ClickHouse.
 */
export function copyLiteral(column: SourceColumn, text: string): string {
  if (column.choice?.mask !== undefined) return chLiteral(text);
  const { copyLiteral: literal } = typeCodecOf(column).form;
  if (literal !== undefined) return literal(text);
  return `CAST(${chLiteral(text)}, ${chLiteral(codecFor({ ...column, nullable: false }).clickhouseType)})`;
}

function outsideOf(range: TypeForm['range']): string | null {
  return range === undefined ? null : `c NOT BETWEEN ${range[0]} AND ${range[1]}`;
}

/** The value `c` as the pipeline stores it. NaN is nothing's neighbour: it is refused under `clamp`. */
function stored(form: TypeForm, action: UnfitAction): string {
  const outside = form.outside ?? outsideOf(form.range);
  if (action === 'fail' || outside === null) return 'c';
  if (action === 'null') return `CASE WHEN NOT ${outside.startsWith('(') ? outside : `(${outside})`} THEN c END`;
  if (form.range === undefined) return 'c';
  // Of NULL, least and greatest would make the limit.
  return `CASE WHEN c IS NOT NULL THEN least(greatest(c, ${form.range[0]}), ${form.range[1]}) END`;
}

/** How the source's server keeps text: what is hashed is UTF-8, as in the copy. */
export interface SourceEncoding {
  /** False when the server must convert; its own bytes are hashed otherwise. */
  readonly isUtf8: boolean;
}

/**
 * One text per row: columns in order, with `|` between them; NULL is nothing at all, text stands behind its length in
 * bytes and a colon. So two rows have the same text only if they are equal.
 */
export function rowForm(
  columns: readonly CanonicalColumn[],
  encoding: SourceEncoding,
): { source: string; copy: string } {
  const source = columns.map(({ source: { compared }, isText, column }) => {
    const length = `octet_length(${encoding.isUtf8 ? compared : utf8(compared)})`;
    const text = isText ? `${length}::text || ':' || ${compared}` : compared;
    return column.nullable ? `coalesce(${text}, '')` : text;
  });
  const copy = columns.map(({ copy: { compared }, isText }) => {
    const text = isText ? `concat(toString(length(${compared})), ':', ${compared})` : compared;
    return `ifNull(${text}, '')`;
  });
  return {
    source: source.join(" || '|' || "),
    copy: copy.length === 1 ? copy.join('') : `concat(${copy.join(", '|', ")})`,
  };
}

/** A number of 60 bits from a row's text, the same in both engines: the upper bits of its MD5. */
export function hashForm(
  row: { source: string; copy: string },
  encoding: SourceEncoding,
): { source: string; copy: string } {
  const bytes = encoding.isUtf8 ? row.source : utf8(row.source);
  return {
    source: `('x' || substr(md5(${bytes}), 1, 15))::bit(60)::bigint`,
    copy: `bitShiftRight(byteSwap(reinterpretAsUInt64(MD5(${row.copy}))), 4)`,
  };
}

function utf8(text: string): string {
  return `convert_to(${text}, 'UTF8')`;
}

/** The table of forms, for docs/verify.md. */
export function canonicalDocument(): string[] {
  const others = { name: 'everything else', codec: OUTPUT_TEXT };
  return [...documentedTypes(), others].map(({ name, codec: { form } }) => {
    const text = (sql: string): string => `\`${form.isText === true ? `length : ${sql}` : sql}\``;
    const unfit = form.outside ?? outsideOf(form.range);
    return `| ${name} | ${text(form.source)} | ${text(form.copy)} | ${unfit === null ? '–' : `\`${unfit}\``} |`;
  });
}
