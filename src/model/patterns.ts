/** Globs of `schema.table`, as the configuration writes them. */

/** True for a pattern that stands for one name only. */
export function isPlainName(pattern: string): boolean {
  return !/[*?]/.test(pattern);
}

/** `*` is any text, `?` any character; all of the text must match. */
export function globToRegExp(pattern: string): RegExp {
  const body = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${body}$`, 'su');
}

/** Form of a pattern: the first dot ends the schema; a table's name may hold blanks and dots. */
export const TABLE_PATTERN = /^[^.]+\..+$/;
