/** How columns stand in statements: selected so that ours can read them (binary COPY takes each expression in its own type), and compared. */
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

/** A column to be compared with a value of its type: domains as what they stand for, as not all operators know them. */
export function comparable({ name, type, typeOid }: SourceColumn): string {
  return type === undefined || type.oid === typeOid ? pgIdent(name) : `${pgIdent(name)}::${type.name}`;
}

/** Its type without the modifier, which a cast would apply: an overlong key would become another row's. */
export function castType({ type, typeName }: SourceColumn): string {
  if (type !== undefined) return type.name;
  const bare = typeName.replace(/\(\d+(?:,-?\d+)?\)/, '');
  // Without a modifier, `character` and `bit` would mean those of length 1.
  return bare === 'character' ? 'bpchar' : bare === 'bit' ? '"bit"' : bare;
}
