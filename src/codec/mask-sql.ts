/**
 * Masks in SQL of PostgreSQL: what the copy holds of a masked column, computed by the source. To compare both, and to
 * find rows by a hashed key.
 */
import { AppError } from '../model/errors.ts';
import { pgIdent, pgTextOf } from '../model/quote.ts';
import type { SourceColumn } from '../model/table.ts';
import { sourceTypeOf } from './column-type.ts';

/** Setting of the session that holds the salt: it is in no statement, so in no list of them. */
const SALT_SETTING = 'millrace.mask_salt';

const BPCHAR_OID = 1042;

/** Statement that tells a session the salt, as its parameter `$1`. */
export const TELL_SALT = `SELECT set_config('${SALT_SETTING}', $1, false)`;

/** The salt that these columns are hashed with; null: none of them is. */
export function saltOf(columns: readonly SourceColumn[]): string | null {
  for (const { choice } of columns) if (choice?.mask?.kind === 'hash') return choice.mask.salt;
  return null;
}

/** What the copy holds of a column, as text: of a masked one what the mask leaves. The session must know the salt. */
export function maskedSql(column: SourceColumn): string {
  const name = pgIdent(column.name);
  const text = sourceTypeOf(column).oid === BPCHAR_OID ? `rtrim(${pgTextOf(name)}, ' ')` : pgTextOf(name);
  const mask = column.choice?.mask;
  if (mask === undefined) return text;
  if (mask.kind === 'null') return 'NULL::text';
  if (mask.kind === 'transform' || mask.kind === 'row')
    throw new AppError('INTERNAL', `column ${column.name} is transformed, which PostgreSQL cannot do`);
  if (mask.kind === 'truncate') return `left(${text}, ${mask.characters})`;
  return `encode(sha256(convert_to(current_setting('${SALT_SETTING}') || ${text}, 'UTF8')), 'hex')`;
}
