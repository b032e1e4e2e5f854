/** Finds the codec of a column's type: what the configuration chose, else what its type is best carried as. */
import { AppError } from '../model/errors.ts';
import type { SourceColumn, SourceType } from '../model/table.ts';
import { MOST_PRECISION } from './decimal-column.ts';
import {
  arrayCodec,
  BY_OID,
  decimalCodec,
  ENUM,
  NUMERIC_OID,
  NUMERIC_TEXT,
  numericCodec,
  OUTPUT_TEXT,
  TEXT,
  type TypeCodec,
} from './type-codecs.ts';

const BYTEA_OID = 17;

/** The type behind a column's: itself where the catalogue had nothing to resolve. */
export function sourceTypeOf(column: SourceColumn): SourceType {
  const { typeOid: oid, typeMod, typeName: name } = column;
  return column.type ?? { oid, typeMod, name, kind: 'base', element: null, sendsText: false };
}

/**
 * The codec of a column's type.
 *
 * @throws {AppError} `CONFIG_INVALID` for a choice that the type does not allow.
 */
export function typeCodecOf(column: SourceColumn): TypeCodec {
  const type = sourceTypeOf(column);
  const codec = chosenCodec(column, type);
  return codec.misfits !== null && column.choice?.unfit === 'text' ? textCodec(type) : codec;
}

/** The codec of an array's elements; null for what is no array. */
export function elementCodecOf(column: SourceColumn): TypeCodec | null {
  const { element } = sourceTypeOf(column);
  return element === null ? null : naturalCodec(element);
}

function chosenCodec(column: SourceColumn, type: SourceType): TypeCodec {
  const as = column.choice?.as ?? null;
  if (as === null) return naturalCodec(type);
  if (as === 'text') return textCodec(type);
  if (as === 'lowcardinality') {
    const codec = naturalCodec(type);
    if (codec.type === 'String') return { ...codec, isDictionary: true };
  }
  if (as === 'array' && type.element !== null) return arrayCodec(naturalCodec(type.element), type.element.oid);
  const decimal = /^decimal\((\d+),\s*(\d+)\)$/i.exec(as);
  if (decimal !== null && type.oid === NUMERIC_OID) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])];
    if (precision > 0 && precision <= MOST_PRECISION && scale <= precision) return decimalCodec(precision, scale);
  }
  throw new AppError(
    'CONFIG_INVALID',
    `column ${column.name}: ${column.typeName} cannot be copied as “${as}”: see docs/types.md`,
  );
}

/** What a type is best carried as. */
function naturalCodec(type: SourceType): TypeCodec {
  if (type.kind === 'enum') return ENUM;
  if (type.kind !== 'base') return OUTPUT_TEXT;
  if (type.oid === NUMERIC_OID) return numericCodec(type.typeMod);
  return BY_OID[type.oid] ?? (type.sendsText ? TEXT : OUTPUT_TEXT);
}

/** The text of any type. */
function textCodec(type: SourceType): TypeCodec {
  if (type.oid === NUMERIC_OID && type.kind === 'base') return NUMERIC_TEXT;
  const natural = naturalCodec(type);
  if (natural === ENUM) return TEXT;
  return natural.type === 'String' && type.oid !== BYTEA_OID ? natural : OUTPUT_TEXT;
}
