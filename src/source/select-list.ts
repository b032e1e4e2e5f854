/** What is selected of a table so that its columns can read it: binary COPY takes each expression in its own type. */
import { codecFor } from '../codec/codecs.ts';
import { pgIdent, pgTextOf } from '../model/quote.ts';
import type { SourceColumn } from '../model/table.ts';

/** The columns, in their order; those without a reader for their binary form as text. */
export function selectList(columns: readonly SourceColumn[]): string {
  return columns
    .map((column) => {
      const name = pgIdent(column.name);
      return codecFor(column).binary ? name : pgTextOf(name);
    })
    .join(', ');
}
