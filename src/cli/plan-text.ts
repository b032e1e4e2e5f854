/** A plan for people: by table, then what belongs to none, then what somebody should do in the source. */
import { styleText } from 'node:util';
import type { PlannedTable, StartPlan, TableFate } from '../pipeline/plan.ts';

type Colour = 'green' | 'yellow' | 'red';

const COLOURS: Readonly<Partial<Record<TableFate, Colour>>> = {
  loaded: 'green',
  altered: 'green',
  renamed: 'green',
  followed: 'green',
  quarantined: 'red',
};

/** The whole plan. @param slot Name of the replication slot. */
export function planText(plan: StartPlan, slot: string): string {
  const sections = [
    section('Tables', plan.tables.map(tableText)),
    section('PostgreSQL', [...plan.postgres.map(statementText), ...(plan.makesSlot ? [slotText(slot)] : [])]),
    section('ClickHouse, state and what is computed', otherTexts(plan)),
    section(
      'To be done in the source by somebody else',
      plan.findings.map(({ message, remedy }) => `  ${message}\n    → ${remedy}\n`),
    ),
  ].filter((text) => text !== '');
  return `${sections.join('\n')}${plan.changes ? '' : 'nothing to do\n'}`;
}

/** One table: what happens to it, its columns, its statements. */
export function tableText({ table, fate, what, columns, statements, later }: PlannedTable): string {
  const name = styleText(COLOURS[fate] ?? 'yellow', table, { stream: process.stdout });
  const lines = [
    `  ${name} ${what}\n`,
    ...columns.map((change) => `    “${change.column}” ${change.what}\n`),
    ...statements.map((sql) => `  ${statementText(sql)}`),
    ...(later.length > 0 ? ['    -- then, once it has caught up:\n'] : []),
    ...later.map((sql) => `  ${statementText(sql)}`),
  ];
  return lines.join('');
}

function section(title: string, texts: readonly string[]): string {
  if (texts.length === 0) return '';
  return `${styleText('bold', `${title}:`, { stream: process.stdout })}\n${texts.join('')}`;
}

function statementText(sql: string): string {
  return `  ${sql.trim().replaceAll('\n', '\n    ')};\n`;
}

function slotText(slot: string): string {
  return `  -- the replication slot ${slot} is created: from then on the source keeps WAL for it\n`;
}

function otherTexts({ others }: StartPlan): string[] {
  let last: string | null = null;
  return others.map(({ sql, script }) => {
    const head = script === null || script === last ? '' : `  -- ${script}\n`;
    last = script;
    return `${head}${statementText(sql)}`;
  });
}
