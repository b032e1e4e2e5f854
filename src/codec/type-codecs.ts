/**
 * The table of types: which PostgreSQL type becomes which ClickHouse type, which column holds it, and how both engines
 * write it for a comparison. To support another type better than as text, add one entry.
 */
import { ArrayColumn } from './array-column.ts';
import { BytesColumn, NumericTextColumn } from './bytes-column.ts';
import type { ColumnOptions } from './column-base.ts';
import type { ColumnBuffer, UnfitValue } from './column.ts';
import { DateColumn } from './date-column.ts';
import { DecimalColumn, MOST_PRECISION } from './decimal-column.ts';
import { FloatColumn } from './float-column.ts';
import { Int64Column } from './int64-column.ts';
import { BoolColumn, Int32Column, SmallIntColumn } from './integer-column.ts';
import { MONEY, MoneyColumn } from './money-column.ts';
import { JsonbColumn, PaddedStringColumn, StringColumn } from './string-column.ts';
import { TimestampColumn } from './timestamp-column.ts';
import {
  AS_TEXT,
  BYTES,
  DATE,
  decimalForm,
  floatForm,
  MONEY_FORM,
  numericForm,
  OUTPUT,
  STRING,
  timestampForm,
  type TypeForm,
} from './type-form.ts';
import { UuidColumn } from './uuid-column.ts';

/** How one type travels, apart from the column's name, NULLs and policy. */
export interface TypeCodec {
  /** Type in ClickHouse, without `Nullable(…)`: of the columns that are sent. */
  readonly type: string;
  /** The copy keeps it as a dictionary: `LowCardinality(…)` around the type. */
  readonly isDictionary?: true;
  /** What can be NULL in the source cannot be in the copy. */
  readonly isNeverNull?: true;
  readonly compression: string;
  /** Whether its column reads the binary form; if not, columns are read and streamed as text. */
  readonly binary: boolean;
  /** Width of every binary value; null when it varies. */
  readonly binaryWidth: number | null;
  /** Which values of the source the copy cannot hold, in words; null: it can hold all, and needs no policy. */
  readonly misfits: string | null;
  readonly form: TypeForm;
  readonly open: (options: ColumnOptions) => ColumnBuffer;
}

/** T64 cuts the unused upper bits off, ZSTD does the rest. */
const NUMBERS = 'T64, ZSTD(1)';
const PLAIN = 'ZSTD(1)';
/** Type of timestamps in the copy. */
export const TIME = "DateTime64(6, 'UTC')";
const OUTSIDE = '±infinity, and years outside 1900–2299';

/** A type of fixed width whose every value fits. */
function fixed(type: string, binaryWidth: number, rest: Pick<TypeCodec, 'open' | 'form'>): TypeCodec {
  const compression = /Int/.test(type) ? NUMBERS : PLAIN;
  return { type, compression, binary: true, binaryWidth, misfits: null, ...rest };
}

/** A String of any bytes. */
function string(open: TypeCodec['open'], form: TypeForm, binary = true): TypeCodec {
  return { type: 'String', compression: PLAIN, binary, binaryWidth: null, misfits: null, form, open };
}

function time(form: TypeForm, withZone: boolean): TypeCodec {
  const open = (options: ColumnOptions): ColumnBuffer => new TimestampColumn(options, withZone);
  return { type: TIME, compression: NUMBERS, binary: true, binaryWidth: 8, misfits: OUTSIDE, form, open };
}

/** Types whose binary form is their text. */
export const TEXT = string((options) => new StringColumn(options), STRING);
/** Any type, as PostgreSQL's output function writes it. */
export const OUTPUT_TEXT = string((options) => new StringColumn(options), OUTPUT, false);
/** numeric with any number of digits. */
export const NUMERIC_TEXT = string((options) => new NumericTextColumn(options), STRING);
/** Enums: few values, and new ones may come. */
export const ENUM: TypeCodec = { ...TEXT, isDictionary: true };

/** Oid of numeric, whose codec depends on its modifier: see {@link numericCodec}. */
export const NUMERIC_OID = 1700;
/** Oid of box, whose arrays have another delimiter than all others. */
const BOX_OID = 603;

/** Type by OID: constants of PostgreSQL's `pg_type.dat`. */
export const BY_OID: Readonly<Record<number, TypeCodec>> = {
  16: fixed('Bool', 1, { form: AS_TEXT, open: (options) => new BoolColumn(options) }),
  17: string((options) => new BytesColumn(options), BYTES), // bytea
  19: TEXT, // name
  20: fixed('Int64', 8, { form: AS_TEXT, open: (options) => new Int64Column(options, true) }),
  21: fixed('Int16', 2, { form: AS_TEXT, open: (options) => new SmallIntColumn(options, 2, true) }),
  23: fixed('Int32', 4, { form: AS_TEXT, open: (options) => new Int32Column(options, true) }),
  25: TEXT, // text
  26: fixed('UInt32', 4, { form: AS_TEXT, open: (options) => new Int32Column(options, false) }), // oid
  28: fixed('UInt32', 4, { form: AS_TEXT, open: (options) => new Int32Column(options, false) }), // xid
  114: TEXT, // json
  700: fixed('Float32', 4, { form: floatForm(4), open: (options) => new FloatColumn(options, 4) }),
  701: fixed('Float64', 8, { form: floatForm(8), open: (options) => new FloatColumn(options, 8) }),
  790: fixed(`Decimal(${MONEY.precision}, ${MONEY.scale})`, 8, { form: MONEY_FORM, open: (options) => new MoneyColumn(options) }),
  1042: string((options) => new PaddedStringColumn(options), STRING), // character(n): the cast to text takes the padding off
  1043: TEXT, // varchar
  1082: { type: 'Date32', compression: NUMBERS, binary: true, binaryWidth: 4, misfits: OUTSIDE, form: DATE, open: (options) => new DateColumn(options) },
  1114: time(timestampForm('timestamp_send', ''), false),
  1184: time(timestampForm('timestamptz_send', '+00'), true),
  2950: fixed('UUID', 16, { form: AS_TEXT, open: (options) => new UuidColumn(options) }),
  3802: string((options) => new JsonbColumn(options), STRING), // jsonb, as PostgreSQL prints it
  5069: fixed('UInt64', 8, { form: AS_TEXT, open: (options) => new Int64Column(options, false) }), // xid8
}; // prettier-ignore

/** numeric(p, s); its modifier is `(p << 16 | s) + 4`, with 11 signed bits for s. As text where a Decimal cannot hold it. */
export function numericCodec(typeMod: number): TypeCodec {
  if (typeMod < 4) return NUMERIC_TEXT;
  const modifier = typeMod - 4;
  const scale = ((modifier & 0x7ff) ^ 1024) - 1024;
  // numeric(3,5) holds fractions below 0.01; ClickHouse wants at least as many digits as the scale.
  const precision = Math.max((modifier >> 16) & 0xffff, scale);
  if (scale < 0 || precision > MOST_PRECISION) return NUMERIC_TEXT;
  return { ...decimalCodec(precision, scale), misfits: 'NaN', form: numericForm(scale) };
}

/** Decimal(p, s) for any numeric. T64 knows integers of up to 64 bits only. */
export function decimalCodec(precision: number, scale: number): TypeCodec {
  return {
    type: `Decimal(${precision}, ${scale})`,
    compression: precision <= 18 ? NUMBERS : PLAIN,
    binary: true,
    binaryWidth: null,
    misfits: 'NaN, ±Infinity, and numbers with more digits',
    form: decimalForm(precision, scale),
    open: (options) => new DecimalColumn(options, { precision, scale }),
  };
}

/** Array(Nullable(T)) of a type that has a codec. The form is canonical.ts's: it depends on the policy. */
export function arrayCodec(element: TypeCodec, elementOid: number): TypeCodec {
  const delimiter = elementOid === BOX_OID ? ';' : ',';
  return {
    type: `Array(Nullable(${element.type}))`,
    isNeverNull: true,
    compression: PLAIN,
    binary: false,
    binaryWidth: null,
    misfits: `NULL, several dimensions, indexes that do not begin at 1${element.misfits === null ? '' : `; of elements: ${element.misfits}`}`,
    form: OUTPUT,
    open: (options) => {
      // An element that does not fit is told with the row of its array.
      const report = (value: UnfitValue): void => options.policy.report({ ...value, row: array.length });
      const policy = { ...options.policy, report };
      const elements = element.open({ ...options, type: element.type, nullable: true, policy });
      const array = new ArrayColumn(options, elements, delimiter);
      return array;
    },
  };
}
