/** Quoting of identifiers and literals for both engines. Values are bound where the protocol allows it. */

/** Quotes an identifier for PostgreSQL: `a"b` → `"a""b"`. */
export function pgIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes `schema.table` for PostgreSQL. */
export function pgTable(table: { schema: string; name: string }): string {
  return `${pgIdent(table.schema)}.${pgIdent(table.name)}`;
}

/**
 * A table as the FROM of a query that reads its rows: those of its partitions, but not of tables that inherit from it,
 * which are tables of their own.
 */
export function pgRowsOf(table: { schema: string; name: string; leaves?: readonly unknown[] }): string {
  return table.leaves === undefined ? `ONLY ${pgTable(table)}` : pgTable(table);
}

/** Quotes a string literal for PostgreSQL (for commands that take no parameters). */
export function pgLiteral(text: string): string {
  const body = text.replaceAll("'", "''");
  return text.includes('\\') ? ` E'${body.replaceAll('\\', '\\\\')}'` : `'${body}'`;
}

/**
 * An expression's value as its type's output function writes it, NULL as NULL. Not a cast: those of inet, bpchar and
 * others write other text. Not IS NULL: that is also true for a composite of nothing but NULL.
 */
export function pgTextOf(expression: string): string {
  return `CASE WHEN ${expression} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ${expression}) END`;
}

/** Quotes an identifier for ClickHouse. */
export function chIdent(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

/** Quotes a string literal for ClickHouse. */
export function chLiteral(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
