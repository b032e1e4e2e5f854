/** What the tests of the codec share: types by name, values as PostgreSQL sends them, limits of the copy. */
import { codecFor } from '../../src/codec/codecs.ts';
import type { ColumnBuffer } from '../../src/codec/column.ts';
import { AppError, type ErrorCode } from '../../src/model/errors.ts';
import { int32, int64 } from './postgres-binary.ts';

/** `pg_type.oid` by name. */
export const OID = {
  bool: 16, name: 19, int8: 20, int2: 21, int4: 23, text: 25, oid: 26, json: 114, float4: 700, float8: 701, bpchar: 1042, varchar: 1043,
  date: 1082, timestamp: 1114, timestamptz: 1184, numeric: 1700, uuid: 2950, jsonb: 3802, bytea: 17,
} as const; // prettier-ignore

/** A type of the table. */
export type TypeName = keyof typeof OID;

/** `atttypmod` of numeric(precision, scale). */
export const numericMod = (precision: number, scale: number): number => ((precision << 16) | (scale & 0x7ff)) + 4;
/** The codec of a column `c` of a type. */
export const codec = (type: TypeName, typeMod = -1, nullable = false) =>
  codecFor({ name: 'c', attnum: 1, typeOid: OID[type], typeMod, typeName: type, nullable });

/** Appends a text from inside other bytes, so that a reader that looks beyond its range is found out. */
export function appendText(column: ColumnBuffer, text: string): void {
  const bytes = Buffer.from(`9${text}9`);
  column.appendText(bytes, 1, bytes.length - 1);
}

/** Appends a binary value from inside other bytes. */
export function appendBinary(column: ColumnBuffer, value: Buffer): void {
  const bytes = Buffer.concat([Buffer.from([0x39]), value, Buffer.from([0x39])]);
  column.appendBinary(bytes, 1, bytes.length - 1);
}

/** The code of the error that `run` throws; errors without one pass through and fail the test. */
export function codeOf(run: () => unknown): ErrorCode | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

/** 2000-01-01 in microseconds since 1970. */
const PG_2000_MICROS = 946_684_800_000_000n;
/** Microseconds since 1970 as PostgreSQL sends them. */
export const timestamp = (micros: bigint): Buffer => int64(micros - PG_2000_MICROS);
/** Days since 1970 as PostgreSQL sends them. */
export const date = (days: number): Buffer => int32(days - 10957);
/** 1900-01-01 in microseconds since 1970. */
export const FIRST_MICROS = -2_208_988_800_000_000n;
/** 2299-12-31 23:59:59.999999 in microseconds since 1970. */
export const LAST_MICROS = 10_413_791_999_999_999n;
/** 1900-01-01 in days since 1970. */
export const FIRST_DAY = -25567;
/** 2299-12-31 in days since 1970. */
export const LAST_DAY = 120529;
