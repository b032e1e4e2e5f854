/**
 * Canonical forms: SQL for both engines that gives the same text for equal values and other text for others, so
 * that rows can be compared without moving them. PostgreSQL renders its side itself: none of our decoders is involved.
 *
 * NULL stays NULL here; {@link rowForm} keeps it apart from every value. docs/verify.md holds the table.
 */
import { AppError } from '../model/errors.ts';
import { chIdent, pgIdent } from '../model/quote.ts';
import type { SourceColumn } from '../model/table.ts';
import type { UnfitPolicy } from './column.ts';
import { codecFor } from './codecs.ts';

/** What becomes of values that do not fit: see `unfitPolicy` of the configuration. */
export type UnfitAction = UnfitPolicy['action'];

/** Expressions of one engine; `c` in the table of forms is the quoted column. */
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

/** How a type is written, with `c` for the column. */
interface TypeForm {
  readonly source: string;
  readonly copy: string;
  /** Where it differs from what is compared. */
  readonly sourceShown?: string;
  readonly copyShown?: string;
  readonly isText?: boolean;
  /** Range of the copy, as literals of PostgreSQL. */
  readonly range?: readonly [string, string];
  /** Values that the copy never holds, whatever the range. */
  readonly outside?: string;
}

const AS_TEXT: TypeForm = { source: 'c::text', copy: 'toString(c)' };
const STRING: TypeForm = { source: 'c::text', copy: 'c', isText: true };

/** Microseconds since 2000-01-01 in 16 hexadecimal digits: what PostgreSQL sends, its own text costs more. */
function timestampForm(send: string, zone: string): TypeForm {
  return {
    source: `encode(${send}(c), 'hex')`,
    copy: "lower(leftPad(hex(reinterpretAsUInt64(toUnixTimestamp64Micro(c) - 946684800000000)), 16, '0'))",
    sourceShown: "to_char(c, 'YYYY-MM-DD HH24:MI:SS.US')",
    copyShown: 'toString(c)',
    range: [`'1900-01-01 00:00:00${zone}'`, `'2299-12-31 23:59:59.999999${zone}'`],
  };
}

/** The bits in hexadecimal, so that −0 is not 0; all NaN are one. */
function floatForm(bytes: 4 | 8): TypeForm {
  return {
    source: `CASE WHEN c = 'NaN' THEN 'NaN' ELSE encode(float${bytes}send(c), 'hex') END`,
    copy: `if(isNaN(c), 'NaN', lower(leftPad(hex(reinterpretAsUInt${bytes * 8}(c)), ${bytes * 2}, '0')))`,
    sourceShown: 'c::text',
    copyShown: 'toString(c)',
  };
}

/** Forms by type OID, as in codecs.ts. */
const FORMS: Readonly<Record<number, TypeForm>> = {
  16: AS_TEXT, // bool
  19: STRING, // name
  20: AS_TEXT, // int8
  21: AS_TEXT, // int2
  23: AS_TEXT, // int4
  25: STRING, // text
  26: AS_TEXT, // oid
  114: STRING, // json
  700: floatForm(4),
  701: floatForm(8),
  1042: STRING, // character(n): the cast to text takes the padding off
  1043: STRING, // varchar
  1082: { ...AS_TEXT, range: ["'1900-01-01'", "'2299-12-31'"] }, // date
  1114: timestampForm('timestamp_send', ''),
  1184: timestampForm('timestamptz_send', '+00'),
  1700: { source: 'c::text', copy: 'toDecimalString(c, {scale})', outside: "c = 'NaN'" }, // numeric(p, s)
  2950: AS_TEXT, // uuid
  3802: STRING, // jsonb, as PostgreSQL prints it
};

/**
 * The canonical form of a column.
 *
 * @param action What the pipeline does with values that do not fit: such values are rendered as what it stores.
 * @throws {AppError} `TYPE_UNSUPPORTED`.
 */
export function canonicalColumn(column: SourceColumn, action: UnfitAction): CanonicalColumn {
  const form = FORMS[column.typeOid];
  const { clickhouseType } = codecFor(column);
  if (form === undefined)
    throw new AppError('TYPE_UNSUPPORTED', `column ${column.name}: type ${column.typeName} has no canonical form`);
  const scale = /Decimal\(\d+, (\d+)\)/.exec(clickhouseType)?.[1] ?? '0';
  const name = pgIdent(column.name);
  const outside = form.outside ?? outsideOf(form.range);
  const at = (text: string, c: string): string => text.replaceAll(/\bc\b/g, () => c);
  const copy = (text: string): string => at(text, chIdent(column.name)).replace('{scale}', scale);
  const shown = at(form.sourceShown ?? 'c::text', name);
  return {
    column,
    source: {
      compared: at(form.source, outside === null ? name : stored(form, name, action)),
      shown: outside === null ? shown : `CASE WHEN ${at(outside, name)} THEN ${name}::text ELSE ${shown} END`,
    },
    copy: { compared: copy(form.copy), shown: copy(form.copyShown ?? form.copy) },
    replaced: outside === null || action === 'fail' ? null : at(outside, name),
    isText: form.isText === true,
  };
}

function outsideOf(range: TypeForm['range']): string | null {
  return range === undefined ? null : `c NOT BETWEEN ${range[0]} AND ${range[1]}`;
}

/** The value that the pipeline stores for the column's value. NaN is nothing's neighbour: it is refused under `clamp`. */
function stored(form: TypeForm, name: string, action: UnfitAction): string {
  if (action === 'fail') return name;
  if (form.range === undefined) return action === 'null' ? `nullif(${name}, 'NaN')` : name;
  const [first, last] = form.range;
  if (action === 'clamp') return `least(greatest(${name}, ${first}), ${last})`;
  return `CASE WHEN ${name} BETWEEN ${first} AND ${last} THEN ${name} END`;
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

/** The table of forms, for docs/verify.md: one line per supported type. */
export function canonicalDocument(): string[] {
  return Object.entries(FORMS).map(([oid, form]) => {
    const text = (sql: string): string => `\`${form.isText === true ? `length : ${sql}` : sql}\``;
    const unfit = form.outside ?? outsideOf(form.range);
    return `| ${TYPE_NAMES[Number(oid)] ?? oid} | ${text(form.source)} | ${text(form.copy)} | ${unfit === null ? '–' : `\`${unfit}\``} |`;
  });
}

/** What people call the types of {@link FORMS}. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  16: 'boolean', 19: 'name', 20: 'bigint', 21: 'smallint', 23: 'integer', 25: 'text', 26: 'oid', 114: 'json', 700: 'real',
  701: 'double precision', 1042: 'character(n)', 1043: 'varchar(n)', 1082: 'date', 1114: 'timestamp', 1184: 'timestamptz',
  1700: 'numeric(p,s)', 2950: 'uuid', 3802: 'jsonb',
}; // prettier-ignore
