/** A key part as PostgreSQL would write it: to find the row in the source again. */
import type { ColumnBuffer } from '../codec/column.ts';
import { decimalText } from '../codec/numeric-text.ts';
import { AppError } from '../model/errors.ts';

const MS_PER_DAY = 86_400_000;

/** Text of row `row` of a key column; key columns are never NULL. */
export function keyText(column: ColumnBuffer, row: number): string {
  const value = column.value(row);
  const type = column.clickhouseType;
  if (value === null) throw new AppError('INTERNAL', 'a key part is NULL');
  if (type === 'Date32') return new Date(Number(value) * MS_PER_DAY).toISOString().slice(0, 10);
  if (type.startsWith('DateTime64')) return timestampText(BigInt(value));
  const scale = /^Decimal\(\d+, (\d+)\)$/.exec(type)?.[1];
  return scale === undefined ? String(value) : decimalText(BigInt(value), Number(scale));
}

function timestampText(us: bigint): string {
  const micros = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = Number((us - micros) / 1_000_000n);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}+00`;
}
