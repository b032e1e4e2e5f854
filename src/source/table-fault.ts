/** Why a table cannot be copied as it is, in words, with what would make it possible. */
import { OWN_COLUMNS } from '../model/own-columns.ts';
import { pgIdent, pgTable } from '../model/quote.ts';
import { type SourceTable, tableLabel } from '../model/table.ts';
import type { TextRow } from './connection.ts';

/** Why, and SQL or words that help; null: nothing does. */
export interface TableFault {
  /** Follows the name of the table: “is unlogged: …”. */
  readonly reason: string;
  readonly remedy: string | null;
}

/** ClickHouse keeps these for itself in every table. */
const RESERVED_COLUMNS: ReadonlySet<string> = new Set(['_row_exists', '_block_number', '_block_offset']);

/** Longest name of a table's view in ClickHouse, as its files are named: it must fit into a file name with more. */
const LONGEST_NAME = 203;

/** What is wrong with a table by itself. @param row As the catalogue tells it: `persistence`, `hidden`, `role`. */
export function findFault(row: TextRow, table: SourceTable): TableFault | null {
  const alter = `ALTER TABLE ${pgTable(table)}`;
  if (row['persistence'] === 'u')
    return { reason: 'is unlogged: its changes are not in the WAL', remedy: `${alter} SET LOGGED;` };
  if (row['hidden'] === 't') {
    const role = row['role'] ?? '';
    // The load would read the rows of its policies alone, the stream brings all.
    return {
      reason: `has row security, which hides rows from role ${role}`,
      remedy: `ALTER ROLE ${pgIdent(role)} BYPASSRLS;`,
    };
  }
  if (table.key.includes(-1)) {
    const remedy = `${alter} REPLICA IDENTITY USING INDEX …; (a unique index of other columns that are NOT NULL)`;
    return { reason: 'is identified by a generated column, which is not in the stream', remedy };
  }
  return null;
}

/** What is wrong with the columns that are copied. */
export function columnFault(table: SourceTable): TableFault | null {
  if (table.columns.length === 0) return { reason: 'has no columns that can be copied', remedy: null };
  const taken = [...table.columns, ...(table.computed ?? [])].find(
    ({ name }) => OWN_COLUMNS.has(name) || RESERVED_COLUMNS.has(name),
  );
  if (taken === undefined) return nestedFault(table);
  const reason = `has a column “${taken.name}”, a name that the copy keeps for itself`;
  const remedy = `ALTER TABLE ${pgTable(table)} RENAME COLUMN ${pgIdent(taken.name)} TO …; or exclude the column by a rule.`;
  return { reason, remedy };
}

/** ClickHouse takes arrays whose names begin alike, up to a dot, for one Nested structure: theirs must be of one length. */
function nestedFault({ columns }: SourceTable): TableFault | null {
  const arrays = columns.filter(({ choice, name }) => choice?.as === 'array' && name.includes('.'));
  const prefixOf = (name: string): string => name.slice(0, name.indexOf('.'));
  for (const { name } of arrays) {
    const other = arrays.find((column) => column.name !== name && prefixOf(column.name) === prefixOf(name));
    if (other === undefined) continue;
    const reason = `has columns “${name}” and “${other.name}” that are to be arrays: ClickHouse takes them for one Nested structure, whose arrays must all be of one length`;
    return { reason, remedy: 'Take `as: array` out of the rule of one of them, or rename it.' };
  }
  return null;
}

/** Names that tables have taken in the copy, and who has them. */
export class TakenNames {
  readonly #mirrors = new Map<string, SourceTable>();
  readonly #views = new Map<string, SourceTable>();
  readonly #labels = new Set<string>();

  /** Takes the names of a table; or says why it cannot have them, and takes none. */
  take(table: SourceTable): TableFault | null {
    const { target } = table;
    const view = `${target}_current`;
    const remedy = 'Give it another name in the copy, with `target` in a rule.';
    const label = tableLabel(table);
    if (this.#labels.has(label))
      return { reason: 'is called as another table is, dots in names aside', remedy: 'Rename one of them.' };
    const other = this.#mirrors.get(target);
    if (other !== undefined) return { reason: `would be copied to ${target}, as ${tableLabel(other)} is`, remedy };
    const viewed = this.#views.get(target) ?? this.#mirrors.get(view);
    if (viewed !== undefined)
      return { reason: `would share a name in the copy with the view or the copy of ${tableLabel(viewed)}`, remedy };
    if (fileName(view).length > LONGEST_NAME)
      return { reason: `has a name that is too long for ClickHouse: ${target}`, remedy };
    this.#labels.add(label);
    this.#mirrors.set(target, table);
    this.#views.set(view, table);
    return null;
  }
}

/** A name as ClickHouse names files: every byte that is not a letter, a digit or _ takes three. */
function fileName(name: string): string {
  return [...Buffer.from(name)]
    .map((byte) => (/\w/.test(String.fromCodePoint(byte)) && byte < 128 ? '.' : '%..'))
    .join('');
}

const KINDS: Readonly<Record<string, string>> = {
  v: 'is a view: only tables have changes of their own',
  m: 'is a materialized view: PostgreSQL does not tell its changes',
  f: 'is a foreign table: its rows are on another server',
};

/** What something is that is no table to be copied, by its row in pg_class; null for a table. */
export function kindFault(kind: string, isPartition: boolean): string | null {
  if (isPartition) return 'is a partition: it is copied with its root';
  return kind === 'r' || kind === 'p' ? null : (KINDS[kind] ?? 'is no table');
}
