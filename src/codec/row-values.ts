/**
 * Values between PostgreSQL's bytes and a row's function (model/table-rule.ts, RowTransform): the same value whether it
 * came as text or in binary form, as the load and the stream may bring it in different ones.
 */
import type { SourceColumn } from '../model/table.ts';
import type { ReadAs } from '../model/table-rule.ts';
import { sourceTypeOf } from './column-type.ts';

const [BOOL, INT8, INT2, INT4, OID, FLOAT4, FLOAT8] = [16, 20, 21, 23, 26, 700, 701];
const [JSON_OID, JSONB] = [114, 3802];
/** Types whose binary form is their text: name, text, json, character(n), varchar. */
export const TEXT_OIDS: ReadonlySet<number> = new Set([19, 25, JSON_OID, 1042, 1043]);

const INTEGERS = [INT2, INT4, INT8, OID];
/** Types that can be read as something else than text. */
const READABLE: Readonly<Record<Exclude<ReadAs, 'text'>, readonly number[]>> = {
  // Of bigint not every value is a number: it is read as bigint, or as text.
  number: [INT2, INT4, OID, FLOAT4, FLOAT8],
  bigint: INTEGERS,
  boolean: [BOOL],
  json: [JSON_OID, JSONB],
};

/** Whether values of the column can be read as wanted. */
export function canReadAs(column: SourceColumn, as: ReadAs): boolean {
  return as === 'text' || READABLE[as].includes(sourceTypeOf(column).oid);
}

/** Whether {@link valueReader} can read the binary form. If not, the column is selected and streamed as text. */
export function readsBinaryForm(column: SourceColumn, as: ReadAs): boolean {
  const { oid, sendsText } = sourceTypeOf(column);
  if (sendsText || TEXT_OIDS.has(oid) || INTEGERS.includes(oid)) return true;
  // The text of a float is PostgreSQL's to write.
  return oid === BOOL || (as === 'number' && (oid === FLOAT4 || oid === FLOAT8));
}

/** Reads values at `bytes[start, end)`. */
export interface ValueReader {
  /** What comes as binary is text: the column was selected as such. */
  readonly isText: boolean;
  readonly text: (bytes: Buffer, start: number, end: number) => unknown;
  readonly binary: (bytes: Buffer, start: number, end: number) => unknown;
}

/** How values of a column are read. @param isText Its codec reads no binary form: what comes as such is text. JSON that does not parse throws `SyntaxError`: PostgreSQL has no such values. */
export function valueReader(column: SourceColumn, as: ReadAs, isText: boolean): ValueReader {
  const { oid } = sourceTypeOf(column);
  const fromText = textReader(oid, as);
  const text = (bytes: Buffer, start: number, end: number): unknown => fromText(bytes.toString('utf8', start, end));
  const binary = isText ? null : binaryReader(oid);
  if (binary === null) return { isText, text, binary: text };
  return { isText, text, binary: (bytes, start) => converted(binary(bytes, start), as) };
}

function converted(value: number | bigint | boolean, as: ReadAs): unknown {
  if (as === 'text') return textOfValue(value);
  return as === 'bigint' ? BigInt(value) : value;
}

function textReader(oid: number, as: ReadAs): (text: string) => unknown {
  switch (as) {
    case 'text':
      // `true` is what a cast to text makes of it, `t` how the stream writes it.
      return oid === BOOL ? (text) => text.slice(0, 1) : (text) => text;
    case 'number':
      return oid === FLOAT4 ? (text) => Math.fround(Number(text)) : Number;
    case 'bigint':
      return BigInt;
    case 'boolean':
      return (text) => text.startsWith('t');
    case 'json':
      return (text) => JSON.parse(text) as unknown;
  }
}

/** Reads the binary form of numbers and booleans; null: of this type it is the text. */
function binaryReader(oid: number): ((bytes: Buffer, start: number) => number | bigint | boolean) | null {
  switch (oid) {
    case BOOL:
      return (bytes, start) => bytes[start] !== 0;
    case INT2:
      return (bytes, start) => bytes.readInt16BE(start);
    case INT4:
      return (bytes, start) => bytes.readInt32BE(start);
    case OID:
      return (bytes, start) => bytes.readUInt32BE(start);
    case INT8:
      return (bytes, start) => bytes.readBigInt64BE(start);
    case FLOAT4:
      return (bytes, start) => bytes.readFloatBE(start);
    case FLOAT8:
      return (bytes, start) => bytes.readDoubleBE(start);
    default:
      return null;
  }
}

/** What a function gave, as PostgreSQL writes it; undefined: that is no value. */
export function textOfValue(value: unknown): string | null | undefined {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (typeof value === 'number' || typeof value === 'bigint') return Object.is(value, -0) ? '-0' : String(value);
  return undefined;
}
