/** `millrace plan`: what the next start would make or change. */
import { Command } from '@commander-js/extra-typings';
import { openCopy } from '../../pipeline/prepare.ts';
import { planStart, type StartPlan } from '../../pipeline/plan.ts';
import { openContext } from '../context.ts';
import { renderJson } from '../print.ts';

/** The command `plan`. */
export function planCommand() {
  return new Command('plan')
    .description('Shows what the next start would create or change in both servers. Changes nothing.')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace plan\n  millrace plan --json\n\n`millrace apply` does it without streaming.',
    )
    .action(async (_options, command) => {
      const { config, endpoints, log, signal, json } = await openContext(command);
      const options = { ...config, postgresUrl: endpoints.postgres, clickhouseUrl: endpoints.clickhouse, log, signal };
      const copy = openCopy(options);
      await using _ = copy.clickhouse;
      const plan = await planStart(copy, options);
      process.stdout.write(json ? renderJson(plan) : planText(plan, config.slot));
    });
}

function planText({ postgres, clickhouse, tables, makesSlot }: StartPlan, slot: string): string {
  const slots = makesSlot
    ? [`-- the replication slot ${slot} is created: from then on the source keeps WAL for it`]
    : [];
  const sections = [
    { title: 'Tables', lines: tables.map(({ table, what }) => `${table} ${what}`) },
    { title: 'PostgreSQL', lines: [...postgres.map((sql) => `${sql};`), ...slots] },
    { title: 'ClickHouse', lines: clickhouse.map((sql) => `${sql};`) },
  ].filter(({ lines }) => lines.length > 0);
  if (sections.length === 0) return 'nothing to do\n';
  return sections.map(({ title, lines }) => `${title}:\n${lines.map((line) => `  ${line}\n`).join('')}`).join('\n');
}
