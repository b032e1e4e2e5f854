/** What can be done about generated columns that are not in the copy. */
import type { Finding } from '../model/finding.ts';
import { pgIdent, pgTable } from '../model/quote.ts';
import { type SourceColumn, type SourceTable, tableLabel } from '../model/table.ts';
import { NO_RULE } from '../model/table-rule.ts';
import { hiddenSource } from './apply-rule.ts';
import type { PreflightFacts } from './preflight-facts.ts';
import { GENERATED_SINCE } from './generated-columns.ts';
import { inspectPublication, type PublicationState } from './publication.ts';

/** A finding for each of them; none for those that a rule excludes. */
export async function checkGenerated({
  client,
  catalog,
  publication,
  versionNumber,
}: Pick<PreflightFacts, 'client' | 'catalog' | 'publication' | 'versionNumber'>): Promise<Finding[]> {
  const state = versionNumber < GENERATED_SINCE ? null : await inspectPublication(client, publication);
  return catalog.tables.flatMap((table) => [
    ...(table.generated ?? []).map((column) => unpublished(table, column, state)),
    ...(table.excluded ?? []).flatMap((column) => hidden(table, column) ?? []),
  ]);
}

function unpublished(table: SourceTable, column: SourceColumn, state: PublicationState | null): Finding {
  const name = `${tableLabel(table)}.${column.name}`;
  if (state === null || column.generation?.isStored !== true) {
    const message = `${name} is a generated column that the stream does not bring: the copy has not got it`;
    return finding(name, message, `Let the copy compute it, ${computing(table, column)}`);
  }
  const message = `${name} is a generated column that the publication “${state.name}”, which belongs to another role, does not bring: the copy has not got it`;
  const remedy = `As the owner of the publication: ${publishing(table, column, state)}\nOr let the copy compute it, ${computing(table, column)}`;
  return finding(name, message, remedy);
}

function computing(table: SourceTable, { name, generation }: SourceColumn): string {
  const rule = `{ match: ${JSON.stringify(tableLabel(table))}, columns: { ${JSON.stringify(name)}: { computed: "…" } } }`;
  return `by a rule with its expression in SQL of ClickHouse, ${rule}; in PostgreSQL it is ${generation?.expression ?? ''}. Or say exclude: true.`;
}

/** A list says which columns are published, whatever the option says. */
function publishing(table: SourceTable, column: SourceColumn, { name, parts }: PublicationState): string {
  const publication = `ALTER PUBLICATION ${pgIdent(name)}`;
  const part = parts.get(tableLabel(table));
  if ((part?.columns ?? null) === null) return `${publication} SET (publish_generated_columns = stored);`;
  const list = [...(part?.columns ?? []), column.name].map(pgIdent).join(', ');
  const filter = part?.filter ?? null;
  const where = filter === null ? '' : ` WHERE (${filter})`;
  const only = `ONLY ${pgTable(table)}`;
  return `BEGIN; ${publication} DROP TABLE ${only}; ${publication} ADD TABLE ${only} (${list})${where}; COMMIT;`;
}

/** null: it is left out because the configuration says so. */
function hidden(table: SourceTable, column: SourceColumn): Finding | null {
  const source = hiddenSource(column, table.rule ?? NO_RULE);
  if (source === null) return null;
  const name = `${tableLabel(table)}.${column.name}`;
  const message = `${name} is generated from “${source}”, which is masked or excluded: it is left out too`;
  const remedy = `Say in a rule what becomes of “${column.name}”: exclude: true, a mask, or mask: none to copy it as it is.`;
  return finding(name, message, remedy);
}

function finding(object: string, message: string, remedy: string): Finding {
  return { code: 'generated_columns', severity: 'warning', object, message, remedy };
}
