/** The configuration that `millrace init` proposes: what is sure is set, what needs a decision is a comment. */
import type { SurveyedTable } from '../source/survey.ts';
import { byteSize, thousands } from './print.ts';

/** Tables with more columns are pointed out. */
const MANY_COLUMNS = 200;

/** What names of columns tell, and what is suggested for such a column: the first that fits. */
const PERSONAL: readonly (readonly [RegExp, string])[] = [
  [/passw|secret|token|api_?key|private_?key|card_?(number|no)|cvv|iban/i, '{ exclude: true }'],
  [/birth|^dob$|passport|social_?sec|^ssn$|tax_?id/i, '{ mask: null }'],
  [/(^|_)ip(_|$)|ip_?addr|remote_?addr/i, '{ mask: truncate(7) }'],
  [/zip|postal|phone|mobile|(^|_)fax/i, '{ mask: truncate(3) }'],
  [
    /e_?mail|first_?name|last_?name|full_?name|surname|street|address|user_?agent|latitude|longitude/i,
    '{ mask: hash }',
  ],
];

/** What is said above the proposal. */
export interface ProposalHead {
  /** Where the source is, without its password. */
  readonly source: string;
  /** Path of the JSON schema from where the file will be. */
  readonly schemaPath: string;
}

/** The text of millrace.yaml. */
export function proposal(tables: readonly SurveyedTable[], { source, schemaPath }: ProposalHead): string {
  const rules = tables.flatMap(ruleLines);
  const suggestions = tables.flatMap(suggestionLines);
  const needsSalt = suggestions.some((line) => line.includes('mask: hash'));
  const list = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : ['', ...lines]);
  return [
    `# yaml-language-server: $schema=${schemaPath}`,
    `# Proposed by \`millrace init\` from ${source}. Lines behind # are suggestions; docs/config.md has all keys.`,
    '',
    '# Where the servers are is better told by the environment, as URLs hold passwords:',
    '# MILLRACE_POSTGRES_URL, MILLRACE_CLICKHOUSE_URL' + (needsSalt ? ', MILLRACE_MASK_SALT (for mask: hash)' : ''),
    '',
    ...includeLines(tables),
    ...list(rules.length === 0 ? [] : ['tables:', ...rules]),
    ...list(suggestions.length === 0 ? [] : [rules.length === 0 ? '# tables:' : '# Further rules:', ...suggestions]),
  ].join('\n') + '\n'; // prettier-ignore
}

function includeLines(tables: readonly SurveyedTable[]): string[] {
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  if (schemas.length === 0) return ['# The source has no tables yet.', 'includeTables: [public.*]'];
  const lines = schemas.map((schema) => {
    const own = tables.filter((table) => table.schema === schema);
    const bytes = own.reduce((sum, table) => sum + table.bytes, 0);
    return `  - ${word(`${schema}.*`)} # ${own.length === 1 ? '1 table' : `${own.length} tables`}, ${byteSize(bytes)}`;
  });
  return ['includeTables:', ...lines];
}

/** Tables that cannot be copied would be told at every start. */
function ruleLines(table: SurveyedTable): string[] {
  if (table.unsuitable === null) return [];
  return [`  # ${comment(`it ${table.unsuitable}`)}`, `  - match: ${label(table)}`, '    exclude: true'];
}

function suggestionLines(table: SurveyedTable): string[] {
  if (table.unsuitable !== null) return [];
  const personal = table.columns.flatMap((column) => {
    const found = PERSONAL.find(([names]) => names.test(column.name))?.[1];
    if (found === undefined) return [];
    return [[column.name, table.key.includes(column.name) ? '{ mask: hash }' : found] as const];
  });
  const forms = table.columns.flatMap(({ name, typeName }): (readonly [string, string])[] => {
    if (typeName.endsWith('[]')) return [[name, '{ as: array } # else the text of the array'] as const];
    return typeName === 'numeric'
      ? [[name, '{ as: "decimal(38,9)" } # else text, as any number of digits may come'] as const]
      : [];
  });
  const computed = table.generated.map(({ name, expression }): readonly [string, string] => {
    return [name, `{ computed: "…" } # in SQL of ClickHouse; in PostgreSQL: ${comment(expression)}`];
  });
  const own = [...personal, ...forms.filter(([name]) => !personal.some(([other]) => other === name)), ...computed];
  const notes = [
    table.key.length === 0 ? 'no key: rows are told apart by all their columns' : '',
    table.columns.length > MANY_COLUMNS ? `${table.columns.length} columns` : '',
    personal.length > 0 ? 'columns that look personal' : '',
    computed.length > 0 ? 'generated columns that are not published' : '',
  ].filter((note) => note !== '');
  if (own.length + notes.length === 0) return [];
  const rows = table.rows === null ? '' : `${thousands(table.rows)} rows, `;
  const head = `#   # ${comment(`${table.schema}.${table.name}`)}: ${[`${rows}${byteSize(table.bytes)}`, ...notes].join('; ')}`;
  if (own.length === 0) return [head];
  return [
    head,
    `#   - match: ${label(table)}`,
    '#     columns:',
    ...own.map(([name, rule]) => `#       ${word(name)}: ${rule}`),
  ];
}

function label({ schema, name }: SurveyedTable): string {
  return word(`${schema}.${name}`);
}

/** A text of YAML: quoted where it could be something else. */
function word(text: string): string {
  return /^[A-Za-z_][\w.]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text);
}

/** A name from the source must not end the comment that it stands in. */
function comment(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '·');
}
