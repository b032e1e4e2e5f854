/**
 * Reads rows back from a mirror by key: the state before a batch, needed for signed deltas and for
 * unchanged TOAST values. Asked before the batch is written; afterwards the old state is gone.
 */
import { BytesColumn } from '../codec/bytes-column.ts';
import type { ColumnBuffer } from '../codec/column.ts';
import { floatLiteral } from '../codec/float-column.ts';
import { decodeBlocks } from '../codec/native.ts';
import { decimalText } from '../codec/numeric-text.ts';
import { AppError } from '../model/errors.ts';
import { chIdent, chLiteral } from '../model/quote.ts';
import type { ClickHouse } from './client.ts';

/** Keys in one query: the statement stays under a few MB. */
const KEYS_PER_QUERY = 20_000;

/** A long list of keys, which are compared with the columns themselves, not with what is selected under their names. */
const LOOKUP_SETTINGS = { max_query_size: 100_000_000, prefer_column_name_to_alias: 1 };

/** What to read. */
export interface LookupRequest {
  /** Qualified, quoted name of the mirror. */
  readonly mirror: string;
  /** Key column names in key order, and the columns that hold the wanted keys (rows side by side). */
  readonly keyNames: readonly string[];
  readonly keys: readonly ColumnBuffer[];
  /** Columns to fill, by name: the key columns and whatever else is wanted. */
  readonly into: ReadonlyMap<string, ColumnBuffer>;
  /** Also rows marked as deleted (a history has them). */
  readonly withDeleted?: boolean;
  /** Leaves out rows of lower versions: those that a resync has not confirmed. */
  readonly sinceVersion?: bigint;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Appends the live rows with those keys to the columns of `into`; keys without a row add nothing.
 *
 * @returns Rows found.
 */
export async function lookupRows(clickhouse: ClickHouse, request: LookupRequest): Promise<number> {
  const total = request.keys[0]?.length ?? 0;
  const selected = [...request.into].map(([name, column]) => plainColumn(name, column.clickhouseType));
  const since = (request.sinceVersion ?? 0n) === 0n ? '' : ` AND _version >= ${request.sinceVersion}`;
  let found = 0;
  for (let from = 0; from < total; from += KEYS_PER_QUERY) {
    const list = keyList(request, from, Math.min(total, from + KEYS_PER_QUERY));
    const keyTuple = request.keyNames.map(chIdent).join(', ');
    const sql =
      `SELECT ${selected.join(', ')} FROM ${request.mirror} FINAL ` +
      `WHERE (${keyTuple}) IN (${list})${request.withDeleted === true ? '' : ' AND _deleted = 0'}${since} FORMAT Native`;
    const bytes = await clickhouse.bytes(sql, { signal: request.signal, settings: LOOKUP_SETTINGS });
    const { rows } = decodeBlocks(bytes, (name) => {
      const column = request.into.get(name);
      if (column === undefined)
        throw new AppError('INTERNAL', `a lookup returned the column “${name}”, which it was not asked for`);
      return column;
    });
    found += rows;
  }
  return found;
}

/** A column as it is held here: what the mirror keeps as a dictionary comes as plain text. */
function plainColumn(name: string, type: string): string {
  const column = chIdent(name);
  return type.includes('String') ? `CAST(${column}, ${chLiteral(type)}) AS ${column}` : column;
}

function keyList(request: LookupRequest, from: number, to: number): string {
  const tuples: string[] = [];
  for (let row = from; row < to; row++) {
    const parts = request.keys.map((column) => literal(column, row));
    tuples.push(parts.length === 1 ? String(parts[0]) : `(${parts.join(', ')})`);
  }
  return tuples.join(', ');
}

/** `\x` before the digits of bytes. */
const HEX_PREFIX = 2;

/** The value as a literal of the column’s own type. @throws {AppError} `TYPE_UNSUPPORTED`. */
export function literal(column: ColumnBuffer, row: number): string {
  const value = column.value(row);
  const type = column.clickhouseType;
  if (typeof value === 'number' && /^U?Int/.test(type)) return String(value);
  if (typeof value === 'bigint' && /^U?Int/.test(type)) return String(value);
  if (typeof value === 'boolean') return String(value);
  if (column instanceof BytesColumn) return `unhex('${String(value).slice(HEX_PREFIX)}')`;
  if (typeof value === 'number' && type.startsWith('Float')) return floatLiteral(value, type === 'Float32' ? 4 : 8);
  if (typeof value === 'string')
    return type === 'String' ? chLiteral(value) : `CAST(${chLiteral(value)}, ${chLiteral(type)})`;
  if (type.startsWith('DateTime64') && typeof value === 'bigint') return `fromUnixTimestamp64Micro(${value}, 'UTC')`;
  if (type === 'Date32' && typeof value === 'number') return `CAST(${value}, 'Date32')`;
  const decimal = /^Decimal\((\d+), (\d+)\)$/.exec(type);
  if (decimal !== null && typeof value === 'bigint')
    return `CAST('${decimalText(value, Number(decimal[2]))}', '${type}')`;
  throw new AppError('TYPE_UNSUPPORTED', `a key of type ${type} cannot be looked up`);
}
