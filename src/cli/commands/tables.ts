/** `millrace pause`, `resume`, `add`, `drop`, and `resync TABLE`: what is asked of single tables while the others are followed. */
import { Command, Option } from '@commander-js/extra-typings';
import { ClickHouse } from '../../destination/client.ts';
import type { RequestAnswer, TableAction } from '../../destination/table-requests.ts';
import { AppError } from '../../model/errors.ts';
import { formatLsn } from '../../model/lsn.ts';
import { askOfTables } from '../../pipeline/ask-tables.ts';
import { connectPostgres } from '../../source/connection.ts';
import { confirm } from '../confirm.ts';
import { type Context, openContext } from '../context.ts';
import { renderJson } from '../print.ts';

/** How long the running pipeline may take: it ends its session and prepares the next, ms. */
const WAIT_MS = 120_000;

/** The command `pause`. */
export function pauseCommand() {
  return tablesCommand(
    'pause',
    'Leaves changes of tables out from now on: their rows stay as they are, the others are followed.',
    ['millrace pause public.clicks'],
  );
}

/** The command `resume`. */
export function resumeCommand() {
  return tablesCommand(
    'resume',
    'Follows paused tables again: each is built anew beside its rows, and takes their place.',
    ['millrace resume public.clicks'],
  );
}

/** The command `add`. */
export function addCommand() {
  return tablesCommand(
    'add',
    'Copies tables that the configuration leaves out, or that were dropped: loaded while the others are followed.',
    ['millrace add sales.orders sales.items'],
  );
}

/** The command `drop`. */
export function dropCommand() {
  return tablesCommand(
    'drop',
    'Follows tables no more and takes them out of the publication. Their rows stay in the copy, unless --purge is given.',
    ['millrace drop public.audit', 'millrace drop public.audit --purge --yes'],
  )
    .addOption(new Option('--purge', 'also remove their rows and views from the copy').default(false))
    .addOption(new Option('--yes', 'do not ask').default(false));
}

function tablesCommand(action: Exclude<TableAction, 'resync'>, description: string, examples: readonly string[]) {
  const list = examples.map((example) => `  ${example}`).join('\n');
  const when = 'Without a running pipeline it is noted, and done at the next start.';
  return new Command(action)
    .argument('<table...>', 'schema.table in the source')
    .description(description)
    .addHelpText('after', `\nExamples:\n${list}\n\n${when}`)
    .action(async (tables, options, command) => {
      const { purge = false, yes = false } = options as { purge?: boolean; yes?: boolean };
      const context = await openContext(command);
      if (purge && !yes) await confirm(`Remove the rows of ${tables.join(', ')} from the copy?`);
      await askAndTell(context, { action, tables, purge });
    });
}

/** Asks, and prints the answer. @throws {AppError} `USAGE` when it is refused. */
export async function askAndTell(
  { config, endpoints, signal, json }: Context,
  asked: { readonly action: TableAction; readonly tables: readonly string[]; readonly purge: boolean },
): Promise<void> {
  await using clickhouse = new ClickHouse(endpoints.clickhouse);
  const postgres = await connectPostgres(endpoints.postgres);
  try {
    const names = { database: config.database, internal: config.internalDatabase };
    const where = { postgres, clickhouse, names, slot: config.slot };
    const answer = await askOfTables({ ...where, waitMs: WAIT_MS, signal }, asked);
    if (answer.status === 'refused') throw new AppError('USAGE', answer.answer);
    const { action, tables } = asked;
    const lsn = answer.status === 'done' ? formatLsn(answer.lsn) : null;
    const told = { action, tables, status: answer.status, answer: answer.answer, lsn };
    process.stdout.write(json ? renderJson(told) : `${textOf(tables, answer)}\n`);
  } finally {
    await postgres.end();
  }
}

function textOf(tables: readonly string[], { status, answer, lsn }: RequestAnswer): string {
  const names = tables.join(', ');
  if (status === 'asked') return `${names}: noted; no pipeline has answered yet, it is done at its next start`;
  return `${names}: ${answer} (at ${formatLsn(lsn)}; \`millrace status\` shows how far it is)`;
}
