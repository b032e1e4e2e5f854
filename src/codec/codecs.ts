/**
 * The table of types: which PostgreSQL type becomes which ClickHouse type, and which column holds it.
 * To support another type, add one entry.
 */
import { AppError } from '../model/errors.ts';
import type { SourceColumn } from '../model/table.ts';
import { type ColumnOptions, FAIL_UNFIT } from './column-base.ts';
import type { Codec, ColumnBuffer, UnfitPolicy } from './column.ts';
import { DateColumn } from './date-column.ts';
import { DecimalColumn, MOST_PRECISION } from './decimal-column.ts';
import { FloatColumn } from './float-column.ts';
import { Int64Column } from './int64-column.ts';
import { BoolColumn, Int32Column, SmallIntColumn } from './integer-column.ts';
import { JsonbColumn, PaddedStringColumn, StringColumn } from './string-column.ts';
import { TimestampColumn } from './timestamp-column.ts';
import { UuidColumn } from './uuid-column.ts';

/** How one type travels, apart from the column's name, NULLs and policy. */
interface TypeCodec {
  /** Type in ClickHouse, without `Nullable(…)`. */
  readonly type: string;
  readonly compression: string;
  /** Width of every binary value; null when it varies. */
  readonly binaryWidth: number | null;
  /** Whether the source type has values that the copy cannot hold, so that a policy is needed. */
  readonly canMisfit: boolean;
  readonly open: (options: ColumnOptions) => ColumnBuffer;
}

/** T64 cuts the unused upper bits off, ZSTD does the rest. */
const NUMBERS = 'T64, ZSTD(1)';
const BYTES = 'ZSTD(1)';
const TIME = "DateTime64(6, 'UTC')";

/** A type whose every value fits. */
function total(type: string, compression: string, binaryWidth: number | null, open: TypeCodec['open']): TypeCodec {
  return { type, compression, binaryWidth, canMisfit: false, open };
}

const TEXT = total('String', BYTES, null, (options) => new StringColumn(options));

/** Type by OID: constants of PostgreSQL's `pg_type.dat`. numeric depends on its modifier: see {@link numericCodec}. */
const BY_OID: Readonly<Record<number, TypeCodec>> = {
  16: total('Bool', BYTES, 1, (options) => new BoolColumn(options)),
  19: TEXT, // name
  20: total('Int64', NUMBERS, 8, (options) => new Int64Column(options, true)),
  21: total('Int16', NUMBERS, 2, (options) => new SmallIntColumn(options, 2, true)),
  23: total('Int32', NUMBERS, 4, (options) => new Int32Column(options, true)),
  25: TEXT, // text
  26: total('UInt32', NUMBERS, 4, (options) => new Int32Column(options, false)), // oid
  114: TEXT, // json
  700: total('Float32', BYTES, 4, (options) => new FloatColumn(options, 4)),
  701: total('Float64', BYTES, 8, (options) => new FloatColumn(options, 8)),
  1042: total('String', BYTES, null, (options) => new PaddedStringColumn(options)), // character(n)
  1043: TEXT, // varchar
  1082: {
    type: 'Date32',
    compression: NUMBERS,
    binaryWidth: 4,
    canMisfit: true,
    open: (options) => new DateColumn(options),
  },
  1114: {
    type: TIME,
    compression: NUMBERS,
    binaryWidth: 8,
    canMisfit: true,
    open: (options) => new TimestampColumn(options, false),
  },
  1184: {
    type: TIME,
    compression: NUMBERS,
    binaryWidth: 8,
    canMisfit: true,
    open: (options) => new TimestampColumn(options, true),
  },
  2950: total('UUID', BYTES, 16, (options) => new UuidColumn(options)),
  3802: total('String', BYTES, null, (options) => new JsonbColumn(options)),
};

const NUMERIC_OID = 1700;

/**
 * The codec of a source column: `numeric(10,2)`, nullable → `Nullable(Decimal(10, 2))`.
 *
 * @throws {AppError} `TYPE_UNSUPPORTED` naming column and type.
 */
export function codecFor(column: SourceColumn): Codec {
  const codec = column.typeOid === NUMERIC_OID ? numericCodec(column) : BY_OID[column.typeOid];
  if (codec === undefined) throw unsupported(column, 'is not supported');
  return {
    clickhouseType: column.nullable ? `Nullable(${codec.type})` : codec.type,
    compression: codec.compression,
    binaryWidth: codec.binaryWidth,
    open: (policy) => {
      if (policy.action === 'null' && codec.canMisfit && !column.nullable) {
        throw new AppError(
          'CONFIG_INVALID',
          `column ${column.name} is NOT NULL: values that do not fit cannot become NULL`,
        );
      }
      return codec.open({ type: codec.type, nullable: column.nullable, label: `column ${column.name}`, policy });
    },
  };
}

/** numeric(p, s); its modifier is `(p << 16 | s) + 4`, with 11 signed bits for s. */
function numericCodec(column: SourceColumn): TypeCodec {
  if (column.typeMod < 4) throw unsupported(column, 'has no precision and scale');
  const modifier = column.typeMod - 4;
  const scale = ((modifier & 0x7ff) ^ 1024) - 1024;
  if (scale < 0) throw unsupported(column, 'has a negative scale');
  // numeric(3,5) holds fractions below 0.01; ClickHouse wants at least as many digits as the scale.
  const precision = Math.max((modifier >> 16) & 0xffff, scale);
  if (precision > MOST_PRECISION) throw unsupported(column, `has more than ${MOST_PRECISION} digits`);
  return decimalCodec(precision, scale);
}

/** Decimal(p, s). T64 knows integers of up to 64 bits only. */
function decimalCodec(precision: number, scale: number): TypeCodec {
  return {
    type: `Decimal(${precision}, ${scale})`,
    compression: precision <= 18 ? NUMBERS : BYTES,
    binaryWidth: null,
    canMisfit: true,
    open: (options) => new DecimalColumn(options, { precision, scale }),
  };
}

function unsupported(column: SourceColumn, reason: string): AppError {
  return new AppError('TYPE_UNSUPPORTED', `column ${column.name}: type ${column.typeName} ${reason}`, {
    details: { column: column.name, type: column.typeName },
  });
}

/** Columns by ClickHouse type: for results of queries and for columns that Millrace fills itself. */
const BY_TYPE: Readonly<Record<string, (options: ColumnOptions) => ColumnBuffer>> = {
  Bool: (options) => new BoolColumn(options),
  Int8: (options) => new SmallIntColumn(options, 1, true),
  UInt8: (options) => new SmallIntColumn(options, 1, false),
  Int16: (options) => new SmallIntColumn(options, 2, true),
  UInt16: (options) => new SmallIntColumn(options, 2, false),
  Int32: (options) => new Int32Column(options, true),
  UInt32: (options) => new Int32Column(options, false),
  Int64: (options) => new Int64Column(options, true),
  UInt64: (options) => new Int64Column(options, false),
  Float32: (options) => new FloatColumn(options, 4),
  Float64: (options) => new FloatColumn(options, 8),
  Date32: (options) => new DateColumn(options),
  [TIME]: (options) => new TimestampColumn(options, true),
  String: (options) => new StringColumn(options),
  UUID: (options) => new UuidColumn(options),
};

/**
 * Opens an empty column for a ClickHouse type as ClickHouse writes it, for example
 * `Nullable(Decimal(10, 2))`. Values that do not fit fail.
 *
 * @throws {AppError} `TYPE_UNSUPPORTED`.
 */
export function openNative(clickhouseType: string): ColumnBuffer {
  const inner = /^Nullable\((.+)\)$/.exec(clickhouseType)?.[1];
  const type = inner ?? clickhouseType;
  const options: ColumnOptions = { type, nullable: inner !== undefined, label: clickhouseType, policy: FAIL_UNFIT };
  const decimal = /^Decimal\((\d+), (\d+)\)$/.exec(type);
  const open = decimal === null ? BY_TYPE[type] : decimalCodec(Number(decimal[1]), Number(decimal[2])).open;
  if (open === undefined) throw new AppError('TYPE_UNSUPPORTED', `no column for the ClickHouse type ${clickhouseType}`);
  return open(options);
}

/** Opens a `UInt64` column (`_version`). */
export function openUInt64(label: string): Int64Column {
  return new Int64Column(plain('UInt64', label), false);
}

/** Opens a `UInt8` column (`_deleted`, `_raw`). */
export function openUInt8(label: string): SmallIntColumn {
  return new SmallIntColumn(plain('UInt8', label), 1, false);
}

/** Opens an `Int8` column (`_sign`). */
export function openInt8(label: string): SmallIntColumn {
  return new SmallIntColumn(plain('Int8', label), 1, true);
}

/** Opens a `DateTime64(6, 'UTC')` column (`_committed_at`). */
export function openDateTime64(label: string, policy: UnfitPolicy = FAIL_UNFIT): TimestampColumn {
  return new TimestampColumn({ ...plain(TIME, label), policy }, true);
}

function plain(type: string, label: string): ColumnOptions {
  return { type, nullable: false, label, policy: FAIL_UNFIT };
}
