/** `millrace plan`: what the next start would make or change. */
import { Command, Option } from '@commander-js/extra-typings';
import { openCopy } from '../../pipeline/prepare.ts';
import { planStart } from '../../pipeline/plan.ts';
import { openContext } from '../context.ts';
import { planText } from '../plan-text.ts';
import { renderJson } from '../print.ts';

const HELP = `
Examples:
  millrace plan
  millrace plan --json
  millrace plan --exit-code && echo nothing to do

\`millrace apply\` does it without streaming. Exit code 0, whatever there is to do; with --exit-code 1 when there is
something, as 2 means that the servers or the configuration are not as they must be.`;

/** The command `plan`. */
export function planCommand() {
  return new Command('plan')
    .description('Shows what the next start would create or change in both servers. Changes nothing.')
    .addOption(new Option('--exit-code', 'exit with 1 when there is something to do').default(false))
    .addHelpText('after', HELP)
    .action(async (given, command) => {
      const { config, endpoints, log, signal, json } = await openContext(command);
      const options = { ...config, postgresUrl: endpoints.postgres, clickhouseUrl: endpoints.clickhouse, log, signal };
      const copy = openCopy(options);
      await using _ = copy.clickhouse;
      const plan = await planStart(copy, options);
      process.stdout.write(json ? renderJson(plan) : planText(plan, config.slot));
      if (given.exitCode && plan.changes) process.exitCode = 1;
    });
}
