/** How values of a type are written the same way by both engines, with `c` for the column: see canonical.ts. */
import { chLiteral, pgTextOf } from '../model/quote.ts';
import { floatLiteral } from './float-column.ts';

/** SQL of both engines for one type. */
export interface TypeForm {
  readonly source: string;
  readonly copy: string;
  /** Where it differs from what is compared. */
  readonly sourceShown?: string;
  readonly copyShown?: string;
  readonly isText?: boolean;
  /** Range of the copy, as literals of PostgreSQL. */
  readonly range?: readonly [string, string];
  /** Condition of values that the copy never holds, whatever the range. */
  readonly outside?: string;
  /** The copy's value from the text that is shown, for ClickHouse. Default: a cast. */
  readonly copyLiteral?: (text: string) => string;
}

/** Types that both engines write alike. */
export const AS_TEXT: TypeForm = { source: 'c::text', copy: 'toString(c)' };
/** Types that are text in both engines. */
export const STRING: TypeForm = { source: 'c::text', copy: 'c', isText: true };
/** Types that travel as the text of their output function. */
export const OUTPUT: TypeForm = { source: pgTextOf('c'), copy: 'c', sourceShown: pgTextOf('c'), isText: true };
/** bytea. */
export const BYTES: TypeForm = {
  source: "encode(c, 'hex')",
  copy: 'lower(hex(c))',
  sourceShown: 'c::text',
  copyShown: "concat('\\\\x', lower(hex(c)))",
  copyLiteral: (text) => `unhex(${chLiteral(text.slice('\\x'.length))})`,
  isText: true,
};
/** money, as a number. */
export const MONEY_FORM: TypeForm = {
  source: 'c::numeric::text',
  copy: 'toDecimalString(c, 2)',
  sourceShown: 'c::numeric::text',
};
/** date. */
export const DATE: TypeForm = { ...AS_TEXT, range: ["'1900-01-01'", "'2299-12-31'"] };

/** Microseconds since 2000-01-01 in 16 hexadecimal digits: what PostgreSQL sends, its own text costs more. */
export function timestampForm(send: string, zone: string): TypeForm {
  return {
    source: `encode(${send}(c), 'hex')`,
    copy: "lower(leftPad(hex(reinterpretAsUInt64(toUnixTimestamp64Micro(c) - 946684800000000)), 16, '0'))",
    sourceShown: `to_char(c, 'YYYY-MM-DD HH24:MI:SS.US"${zone}"')`,
    copyShown: zone === '' ? 'toString(c)' : `concat(toString(c), '${zone}')`,
    // ClickHouse reads no zone here.
    copyLiteral: (text) => `toDateTime64(${chLiteral(text.replace(/\+00$/, ''))}, 6, 'UTC')`,
    range: [`'1900-01-01 00:00:00${zone}'`, `'2299-12-31 23:59:59.999999${zone}'`],
  };
}

/** The bits in hexadecimal, so that −0 is not 0; all NaN are one. */
export function floatForm(bytes: 4 | 8): TypeForm {
  return {
    source: `CASE WHEN c = 'NaN' THEN 'NaN' ELSE encode(float${bytes}send(c), 'hex') END`,
    copy: `if(isNaN(c), 'NaN', lower(leftPad(hex(reinterpretAsUInt${bytes * 8}(c)), ${bytes * 2}, '0')))`,
    sourceShown: 'c::text',
    copyShown: "multiIf(isNaN(c), 'NaN', isInfinite(c), if(c > 0, 'Infinity', '-Infinity'), toString(c))",
    copyLiteral: (text) => floatLiteral(Number(text), bytes),
  };
}

/** numeric(p, s): PostgreSQL keeps s digits, and NaN. */
export function numericForm(scale: number): TypeForm {
  return { source: 'c::text', copy: `toDecimalString(c, ${scale})`, outside: "c = 'NaN'" };
}

/** Any numeric as Decimal(p, s): what has more digits than that does not fit. */
export function decimalForm(precision: number, scale: number): TypeForm {
  const most = scale === 0 ? '9'.repeat(precision) : `${'9'.repeat(precision - scale)}.${'9'.repeat(scale)}`;
  const range = [`'-${most}'`, `'${most}'`] as const;
  return {
    source: `round(c, ${scale})::text`,
    copy: `toDecimalString(c, ${scale})`,
    sourceShown: 'c::text',
    range,
    outside: `(c NOT BETWEEN ${range[0]} AND ${range[1]} OR c <> round(c, ${scale}))`,
  };
}

/**
 * Arrays as lists of their elements: each in its own form, text behind its length, NULL as nothing.
 *
 * @param element Form of the elements; those that do not fit are written as the pipeline stores them.
 * @param stored The element's value as stored, from `c`.
 */
export function arrayForm(element: TypeForm, stored: string): TypeForm {
  const of = (text: string, c: string): string => text.replaceAll(/\bc\b/g, () => c);
  const source = of(element.source, `(${of(stored, 'e.x')})`);
  const copy = of(element.copy, 'x');
  const behind = {
    source: `octet_length(${source})::text || ':' || ${source}`,
    copy: `concat(toString(length(${copy})), ':', ${copy})`,
  };
  const unfit =
    element.outside ??
    (element.range === undefined ? null : `c NOT BETWEEN ${element.range[0]} AND ${element.range[1]}`);
  const inside = unfit === null ? '' : ` OR EXISTS (SELECT FROM unnest(c) AS e (x) WHERE ${of(unfit, 'e.x')})`;
  return {
    source: `coalesce((SELECT string_agg(coalesce(${behind.source}, ''), ',' ORDER BY e.n) FROM unnest(c) WITH ORDINALITY AS e (x, n)), '')`,
    copy: `arrayStringConcat(arrayMap(x -> ifNull(${behind.copy}, ''), c), ',')`,
    sourceShown: pgTextOf('c'),
    copyShown: 'toString(c)',
    isText: true,
    outside: `(c IS NULL OR array_ndims(c) > 1 OR array_lower(c, 1) <> 1${inside})`,
  };
}
