/** A plan for people: by table, then what belongs to none, then what somebody should do in the source. */
import { styleText } from 'node:util';
import type { MigrationPlan } from '../pipeline/plan-migration.ts';
import type { PlannedTable, StartPlan, TableFate } from '../pipeline/plan.ts';
import { byteSize, thousands } from './print.ts';

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

/** What a migration does to the copy. @param kpis Names of key figures that are told from tables it concerns. */
export function migrationText({ tables, postgres }: MigrationPlan, kpis: readonly string[]): string {
  if (tables.length + postgres.length === 0) return 'the copy goes on as it is\n';
  const effects = tables.map((table) => {
    if (table.toRead === null) return tableText(table);
    const { rows, bytes } = table.toRead;
    return `${tableText(table)}    -- to be read: ${rows === null ? 'rows not counted yet' : `about ${thousands(rows)} rows`}, ${byteSize(bytes)}\n`;
  });
  return [
    section('Tables', effects),
    section('PostgreSQL', postgres.map(statementText)),
    section('Key figures that wait for that, or lack it', kpis.length === 0 ? [] : [`  ${kpis.join(', ')}\n`]),
  ]
    .filter((text) => text !== '')
    .join('\n');
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
