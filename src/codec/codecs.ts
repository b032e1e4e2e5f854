/** Opens columns: for a column of the source, for results of queries, for what Millrace fills itself. */
import { AppError } from '../model/errors.ts';
import type { SourceColumn } from '../model/table.ts';
import type { Mask } from '../model/table-rule.ts';
import { ArrayColumn } from './array-column.ts';
import { type ColumnOptions, FAIL_UNFIT } from './column-base.ts';
import { sourceTypeOf, typeCodecOf } from './column-type.ts';
import type { Codec, ColumnBuffer, UnfitPolicy } from './column.ts';
import { DateColumn } from './date-column.ts';
import { FloatColumn } from './float-column.ts';
import { Int64Column } from './int64-column.ts';
import { BoolColumn, Int32Column, SmallIntColumn } from './integer-column.ts';
import { HashColumn, TruncatedColumn } from './mask-column.ts';
import { StringColumn } from './string-column.ts';
import { TimestampColumn } from './timestamp-column.ts';
import { readsBinaryForm, TEXT_OIDS } from './row-values.ts';
import { decimalCodec, TIME, type TypeCodec } from './type-codecs.ts';
import { UuidColumn } from './uuid-column.ts';
import { NulledColumn, TransformedColumn, withheld } from './wrapped-column.ts';

/**
 * The codec of a source column: `numeric(10,2)`, nullable → `Nullable(Decimal(10, 2))`.
 *
 * @throws {AppError} `CONFIG_INVALID` when the column cannot be what the configuration chose for it.
 */
export function codecFor(column: SourceColumn): Codec {
  const mask = column.choice?.mask;
  const codec = mask === undefined ? plainCodec(column) : maskedCodec(column, mask);
  const { readAs } = column;
  if (readAs === undefined) return codec;
  // Row by row, in a form that the function's values can be read from too.
  return { ...codec, binaryWidth: null, binary: codec.binary && readsBinaryForm(column, readAs) };
}

/** character(n), whose blanks at the end do not count. */
const BPCHAR_OID = 1042;
/** The codec of a column whose values are made unreadable. */
function maskedCodec(column: SourceColumn, mask: Mask): Codec {
  const { mask: _, ...choice } = column.choice ?? {};
  if (mask.kind === 'null') {
    const natural = plainCodec({ ...column, choice, nullable: true });
    const codec = natural.nullable ? natural : plainCodec({ ...column, choice: { as: 'text' }, nullable: true });
    return { ...codec, binaryWidth: null, open: () => new NulledColumn(codec.open(FAIL_UNFIT)) };
  }
  const { oid, sendsText } = sourceTypeOf(column);
  const binary = sendsText || TEXT_OIDS.has(oid);
  if (mask.kind === 'transform' || mask.kind === 'row') {
    // Whatever the source allows, a transform may give NULL.
    const codec = plainCodec({ ...column, choice, nullable: true });
    const label = `column ${column.name}`;
    // What a row's function has made comes here made (row-intake.ts).
    const transform = mask.kind === 'row' ? (value: string | null): string | null => value : mask.apply;
    const open = (policy: UnfitPolicy): ColumnBuffer =>
      new TransformedColumn(codec.open(withheld(policy)), { transform, label, policy });
    return { ...codec, binary: mask.kind === 'row' ? codec.binary : binary, binaryWidth: null, open };
  }
  const isPadded = oid === BPCHAR_OID;
  const nullable = column.choice?.nullable ?? column.nullable;
  return {
    clickhouseType: nullable ? 'Nullable(String)' : 'String',
    nullable,
    compression: 'ZSTD(1)',
    binary,
    binaryWidth: null,
    unfit: null,
    open: (policy) => {
      const options: ColumnOptions = { type: 'String', nullable, label: `column ${column.name}`, policy };
      if (mask.kind === 'truncate') return new TruncatedColumn(options, mask.characters, isPadded);
      return new HashColumn(options, mask.salt, isPadded);
    },
  };
}

function plainCodec(column: SourceColumn): Codec {
  const codec = typeCodecOf(column);
  const nullable = (column.choice?.nullable ?? column.nullable) && codec.isNeverNull !== true;
  const isNullUnfit = column.nullable && !nullable;
  const unfit = column.choice?.unfit ?? null;
  return {
    clickhouseType: storedType(codec, nullable),
    nullable,
    compression: codec.compression,
    binary: codec.binary,
    binaryWidth: codec.binaryWidth,
    unfit: unfit === 'text' ? null : unfit,
    open: (policy) => {
      if (policy.action === 'null' && codec.misfits !== null && !nullable) {
        throw new AppError(
          'CONFIG_INVALID',
          `column ${column.name} cannot be NULL: values that do not fit cannot become NULL`,
        );
      }
      return codec.open({ type: codec.type, nullable, isNullUnfit, label: `column ${column.name}`, policy });
    },
  };
}

/** The type of the mirror's column. */
function storedType({ type, isDictionary }: TypeCodec, nullable: boolean): string {
  const inner = nullable ? `Nullable(${type})` : type;
  return isDictionary === true ? `LowCardinality(${inner})` : inner;
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
  const element = /^Array\((Nullable\(.+\))\)$/.exec(clickhouseType)?.[1];
  if (element !== undefined) return new ArrayColumn(plain(clickhouseType, clickhouseType), openNative(element), ',');
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
