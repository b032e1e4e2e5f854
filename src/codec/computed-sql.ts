/** Generated columns that are computed in ClickHouse instead of copied. */
import { chLiteral } from '../model/quote.ts';
import type { ComputedColumn, SourceColumn } from '../model/table.ts';
import { codecFor } from './codecs.ts';

/** SQL of ClickHouse: the value of such a column, in the type that a copied one would have. */
export function computedSql(column: ComputedColumn): string {
  return `CAST((${column.computed}), ${chLiteral(codecFor(column).clickhouseType)})`;
}

/** Whether a column is one of these. */
export function isComputed(column: SourceColumn): column is ComputedColumn {
  return 'computed' in column;
}
