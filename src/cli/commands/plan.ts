/** `millrace plan`: what the next start would make or change, or what a migration of the source would do to the copy. */
import { readFile } from 'node:fs/promises';
import { Command, Option } from '@commander-js/extra-typings';
import { AppError } from '../../model/errors.ts';
import { openCopy } from '../../pipeline/prepare.ts';
import type { Copy } from '../../pipeline/copy.ts';
import type { PipelineOptions } from '../../pipeline/options.ts';
import { planMigration } from '../../pipeline/plan-migration.ts';
import { planStart } from '../../pipeline/plan.ts';
import { confirm } from '../confirm.ts';
import { openContext } from '../context.ts';
import { migrationText, planText } from '../plan-text.ts';
import { affectedKpis } from '../affected-kpis.ts';
import { renderJson } from '../print.ts';

const HELP = `
Examples:
  millrace plan
  millrace plan --json
  millrace plan --exit-code && echo nothing to do
  millrace plan --migration V42__prices.sql

\`millrace apply\` does it without streaming. Exit code 0, whatever there is to do; with --exit-code 1 when there is
something, as 2 means that the servers or the configuration are not as they must be.

--migration runs the file on the source in a transaction that is rolled back. Until then it holds the locks that its
statements take, and tables that it writes anew are written: it waits 2 s at most for a lock, and 30 s for a statement.
What is not part of a transaction is not taken back, such as the numbers that a sequence has given out.`;

const TRIAL_LIMITS = { lockTimeoutMs: 2_000, statementTimeoutMs: 30_000 };

/** The command `plan`. */
export function planCommand() {
  return new Command('plan')
    .description('Shows what the next start would create or change in both servers. Changes nothing.')
    .addOption(new Option('--exit-code', 'exit with 1 when there is something to do').default(false))
    .addOption(new Option('--migration <file>', 'tell what this migration of the source would do to the copy'))
    .addOption(new Option('--yes', 'try the migration without asking').default(false))
    .addHelpText('after', HELP)
    .action(async (given, command) => {
      const { config, endpoints, log, signal, json } = await openContext(command);
      const options = { ...config, postgresUrl: endpoints.postgres, clickhouseUrl: endpoints.clickhouse, log, signal };
      const copy = openCopy(options);
      await using _ = copy.clickhouse;
      if (given.migration !== undefined && !given.yes)
        await confirm(`Run ${given.migration} on the source, in a transaction that takes locks and is rolled back?`);
      const { text, result, changes } =
        given.migration === undefined
          ? await startPlan(copy, options)
          : await migrationPlan(copy, options, await scriptOf(given.migration));
      process.stdout.write(json ? renderJson(result) : text);
      if (given.exitCode && changes) process.exitCode = 1;
    });
}

interface Told {
  readonly text: string;
  readonly result: unknown;
  readonly changes: boolean;
}

async function startPlan(copy: Copy, options: PipelineOptions): Promise<Told> {
  const plan = await planStart(copy, options);
  return { text: planText(plan, options.slot), result: plan, changes: plan.changes };
}

async function migrationPlan(copy: Copy, options: PipelineOptions, script: string): Promise<Told> {
  const plan = await planMigration(copy, options, { script, ...TRIAL_LIMITS });
  const kpis = affectedKpis(plan.tables);
  return { text: migrationText(plan, kpis), result: { ...plan, kpis }, changes: plan.tables.length > 0 };
}

async function scriptOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((error: unknown) => {
    throw new AppError('USAGE', `${file} cannot be read`, { cause: error });
  });
}
